"""The ledger holds every claim with its numbers, and needs no other file."""

import base64
import dataclasses
import re
from html.parser import HTMLParser

import pytest

import keras_pvec as kp
from keras_pvec.reproduction import claims
from keras_pvec.reproduction.claims import Claim, as_table
from keras_pvec.reproduction.report import Section, write_report
from keras_pvec.runs import RunFolder, log_row

PNG = b"\x89PNG made up"


@pytest.fixture
def sections(rng, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.update_info(versions={"keras": "3.99"})
    folder.note(
        settings={"model": "mlp", "seed": 3, "epochs": 7},
        git_revision="abc123",
        wall_time_s=1800.0,
        n_train=500,
    )
    p = kp.p_vector(rng.random((20, 4)), layer="features")
    row = log_row((0, 1), p, "data", kp.compare(p, p))
    folder.write_moment((0, 1), {"features": p}, [row])
    figure = tmp_path / "figure.png"
    figure.write_bytes(PNG)
    table = as_table(
        [
            Claim(claim, "Small & equal.", "at most < 20", "10 degrees", "30", verdict)
            for claim, verdict in {
                "C1": claims.REPRODUCED,
                "C2": claims.NULL_EXPLAINS,
                "C3": claims.NOT_REPRODUCED,
                "C13": claims.NOT_TESTED,
            }.items()
        ]
    )
    runs = [kp.open_run(folder.path)]
    return [Section("cifar10, preset small", table, {"the figure": figure}, runs)]


class Checker(HTMLParser):
    """Notes what is opened and never closed, and what is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.ids = [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.sources += [attributes[k] for k in ("src", "href") if k in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_alone(sections, tmp_path):
    page, _ = write_report(tmp_path, sections)
    text = page.read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    links = {source for source in checker.sources if source.startswith("#")}
    assert {f"#{name}" for name in checker.ids} == links != set()
    (source,) = set(checker.sources) - links
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == PNG
    assert "width=device-width" in text
    assert "Small &amp; equal." in text
    assert "at most &lt; 20" in text


@pytest.mark.parametrize("which", [0, 1])
def test_every_claim_and_setting_is_told(which, sections, tmp_path):
    text = write_report(tmp_path, sections)[which].read_text()
    plain = re.sub(r"<[^>]*>", " ", text)
    for verdict in sections[0].claims["verdict"]:
        assert verdict in plain
    for told in ("10 degrees", "30", "mlp", "3", "7", "500", "0.50 hours", "abc123"):
        assert told in plain
    assert "keras 3.99" in plain
    assert "cifar10, preset small" in plain


def test_data_sets_stand_side_by_side(sections, tmp_path):
    """A claim that the other data set was not asked about leaves its cell empty."""
    met = claims.Claim("C2", "It falls.", "", "1", "", claims.REPRODUCED, "2 of 2 runs")
    unmet = dataclasses.replace(
        met, verdict=claims.NOT_REPRODUCED, met="1 of 3 runs; interval"
    )
    late = dataclasses.replace(met, claim="C10", statement="It goes.", met="")
    both = [
        dataclasses.replace(sections[0], title="one", claims=as_table([late, met])),
        dataclasses.replace(sections[0], title="two", claims=as_table([unmet])),
    ]
    page, text = write_report(tmp_path, both)
    table = [line for line in text.read_text().splitlines() if line.startswith("|")]
    assert table == [
        "| claim | one | two |",
        "| --- | --- | --- |",
        "| C2: It falls. | reproduced (2 of 2 runs) | not reproduced (1 of 3 runs) |",
        "| C10: It goes. | reproduced |  |",
    ]
    rows = re.findall("<tr>(.*?)</tr>", page.read_text(), re.DOTALL)
    cells = [re.findall("<t[hd]>(.*?)</t[hd]>", row, re.DOTALL) for row in rows[:3]]
    assert [[re.sub("<.*?>", " ", cell).split() for cell in row] for row in cells] == [
        [["claim"], ["one"], ["two"]],
        [
            ["C2", "It", "falls."],
            ["reproduced", "2", "of", "2", "runs"],
            ["not", "reproduced", "1", "of", "3", "runs"],
        ],
        [["C10", "It", "goes."], ["reproduced"], []],
    ]
