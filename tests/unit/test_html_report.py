"""The data, tables and program of the HTML report, without a browser."""

import base64
import dataclasses
import hashlib
import json
from html.parser import HTMLParser

import made_up_report
import numpy as np
import pandas as pd
import pytest
from made_up_results import all_verdicts, centring_decides

import keras_pvec as kp
from keras_pvec.reproduction import report
from keras_pvec.reproduction.claims import CLAIMS
from keras_pvec.reproduction.report.chart_tables import (
    MAX_POINTS_PER_CHART,
    MAX_POINTS_PER_CURVE,
    thinned,
)
from keras_pvec.reproduction.report.html import render_html
from keras_pvec.reproduction.report.page_data import script_json
from keras_pvec.runs import RunFolder

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "\" onmouseover='alert(1)' x=\"",
    "<img src=x onerror=alert(1)>",
    "\u2028\u2029",
    "</td></table><b>",
    "mod\x00el",
]


class Page(HTMLParser):
    """The elements of a page, the texts of its scripts, and its filter attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.attributes, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and data.strip():
            self.scripts.append(data)
        else:
            self.text += data

    @property
    def data(self):
        return json.loads(self.scripts[0])


def made_up_tables():
    return {
        "angle_to_final": made_up_report.angle_to_final(),
        "angle_matrix": made_up_report.angle_matrix(),
    }


@pytest.fixture
def tables():
    return made_up_tables()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the tables, and of results under all readings."""
    section = made_up_report.section(tmp_path_factory.mktemp("page"), made_up_tables())
    return Page(render_html([section]))


def test_the_embedded_curves_equal_the_table(tables, page):
    chart = page.data["charts"]["figure-0-0"]
    table = tables["angle_to_final"]
    assert [curve["label"] for curve in chart["curves"]] == [*table["run"].unique()]
    for curve in chart["curves"]:
        rows = table[table["run"] == curve["label"]]
        assert curve["runs"] == [[rows["model"].iloc[0], str(rows["seed"].iloc[0])]]
        assert curve["x"] == (rows["epoch"] + 1).tolist()
        for name, column in (
            ("angle", "angle_deg"),
            ("null", "null_angle_deg"),
            ("low", "null_low_deg"),
            ("high", "null_high_deg"),
            ("centred", "centered_angle_deg"),
        ):
            np.testing.assert_allclose(curve[name], rows[column], atol=0.00501)


def test_the_embedded_pairs_equal_the_table(tables, page):
    chart = page.data["charts"]["figure-0-1"]
    table = tables["angle_matrix"]
    assert chart["groups"] == ["mlp", "resnet18"]
    assert [p["angle"] for p in chart["pairs"]] == table["angle_deg"].tolist()
    assert [p["first"] for p in chart["pairs"]] == table["run"].tolist()
    # Seeds come from the table of curves, since that of pairs has none.
    assert chart["pairs"][0]["runs"] == [["mlp", "0"], ["mlp", "1"]]
    assert [p["row"] for p in chart["pairs"]] == [0, 0, 0, 0, 0, 1]


def test_the_embedded_readings_equal_the_results(tmp_path):
    section = made_up_report.section(tmp_path, {}, results=centring_decides("C1"))
    page = Page(render_html([section]))
    points = page.data["charts"]["readings-0-C1"]["points"]
    table = report.specification_table(section.specification.results)
    expected = table.sort_values("effect", kind="stable")
    assert [p["reading"] for p in points] == expected["reading"].tolist()
    np.testing.assert_allclose([p["effect"] for p in points], expected["effect"])
    assert points[0]["low"] == points[0]["effect"] - 2


def test_readings_of_a_chart_follow_from_the_results(tables):
    primary = [r for r in centring_decides("C1") if r.reading == CLAIMS["C1"].primary]
    chart = report.charts_of(tables, primary)["angle_to_final"]
    assert chart.readings == ("primary",)
    assert chart.centred_readings == ("column-centred",)


def test_filters_list_what_there_is(tables, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.note(settings={"model": "vgg16", "seed": 7})
    folder.log_path.write_text("")
    section = dataclasses.replace(
        made_up_report.section(tmp_path, tables), runs=[kp.open_run(folder.path)]
    )
    filters = Page(render_html([section])).data["filters"]
    assert filters["model"] == ["mlp", "resnet18", "vgg16"]
    assert filters["seed"] == ["0", "1", "7"]
    assert filters["claim"] == [*CLAIMS]
    assert {"primary", "column-centred"} <= {*filters["reading"]}


def page_of_a_name(name, folder):
    """A written report in which a model, a title and a caption have that name."""
    tables = {
        "angle_to_final": made_up_report.angle_to_final((name,)),
        "angle_matrix": made_up_report.angle_matrix((name,)),
    }
    section = made_up_report.section(folder, tables, name, centring_decides())
    path, _ = report.write_report(folder, [section])
    return Page(path.read_text())


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    return page_of_a_name("harmless", tmp_path_factory.mktemp("harmless"))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_names_stay_names(name, harmless, tmp_path):
    """No element more than with a harmless name, and the embedded data hold the name
    as it is."""
    hostile = page_of_a_name(name, tmp_path)
    assert hostile.tags == harmless.tags
    named = [{*attributes} for attributes in hostile.attributes]
    assert named == [{*attributes} for attributes in harmless.attributes]
    assert hostile.data["filters"]["model"] == [name]
    assert hostile.data["charts"]["figure-0-0"]["curves"][0]["runs"] == [[name, "0"]]


def test_the_page_runs_its_own_program_only(page):
    assert page.tags.count("script") == 2
    (policy,) = (
        a["content"]
        for a in page.attributes
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    digest = hashlib.sha256(page.scripts[1].encode()).digest()
    assert base64.b64encode(digest).decode() in policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].count("'") == 2
    loaded = [a[k] for a in page.attributes for k in ("src", "href") if k in a]
    assert all(target.startswith(("data:image/png;", "#")) for target in loaded)


def test_missing_values_are_null(tables):
    text = script_json({"a": [None, "<&>", 1.5]})
    assert json.loads(text) == {"a": [None, "<&>", 1.5]}
    assert not {*"<>&"} & {*text}
    with pytest.raises(ValueError):
        script_json([float("nan")])
    tables["angle_to_final"].loc[2, ["null_angle_deg", "centered_angle_deg"]] = np.nan
    curve = report.charts_of(tables, [])["angle_to_final"].curves[0]
    assert curve.null[2] is None and curve.centred[2] is None
    assert None not in curve.angle


def test_sections_without_data(tmp_path):
    empty = report.Section("nothing", [], {}, [])
    page = Page(render_html([empty]))
    assert page.data == {
        "charts": {},
        "filters": {"model": [], "seed": [], "claim": [], "reading": []},
    }
    assert Page(render_html([])).data["charts"] == {}
    no_rows = {"angle_to_final": made_up_report.angle_to_final().iloc[:0]}
    assert report.charts_of(no_rows, []) == {}
    assert report.charts_of({"histograms": pd.DataFrame({"left": [1.0]})}, []) == {}


@pytest.mark.parametrize("n", [1, 2, 199, 200, 201, 5000])
def test_thinning_keeps_ends_and_extrema(n, rng):
    values = rng.random(n)
    kept = thinned(values, 200)
    assert len(kept) <= 200 and (np.diff(kept) > 0).all()
    assert {0, n - 1, values.argmin(), values.argmax()} <= {*kept}
    if n <= 200:
        assert len(kept) == n


def test_data_are_bounded(tmp_path):
    """A page of 40 long curves: ten times the moments add nothing."""
    models = tuple(f"model{i}" for i in range(20))
    sizes = []
    for n_epochs in (500, 5000):
        table = made_up_report.angle_to_final(models, n_epochs)
        section = made_up_report.section(
            tmp_path, {"angle_to_final": table}, results=[]
        )
        page = Page(render_html([section]))
        chart = page.data["charts"]["figure-0-0"]
        n_drawn = [len(curve["x"]) for curve in chart["curves"]]
        assert max(n_drawn) <= MAX_POINTS_PER_CURVE
        assert sum(n_drawn) == chart["n_drawn"] <= MAX_POINTS_PER_CHART
        assert chart["n_moments"] == len(table)
        sizes.append(len(page.scripts[0]))
    assert sizes[1] < 1.1 * sizes[0] < 500_000


def test_tables_hold_all_pairs_and_readings(tables, page):
    n_readings = len(all_verdicts())
    n_pairs = len(tables["angle_matrix"])
    n_heads = page.tags.count("thead")
    assert n_heads == 3  # overview, readings, pairs
    assert page.tags.count("tr") == n_heads + n_readings + n_pairs + len(CLAIMS)
    for _, row in tables["angle_matrix"].iterrows():
        assert f"{row['angle_deg']:.2f}" in page.text
