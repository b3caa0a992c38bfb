"""Renderers show every claim with its numbers; the page needs no other file."""

import base64
import dataclasses
import html
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import keras_pvec as kp
from keras_pvec.reproduction.claims import (
    CLAIMS,
    Aspect,
    Cause,
    Caveat,
    ClaimResult,
    Counted,
    Criterion,
    Effect,
    Estimator,
    Interval,
    Null,
    Obstacle,
    Part,
    Quantity,
    RawData,
    Reading,
    Rung,
    Samples,
    Share,
    Spread,
    UnitCriterion,
    Verdict,
    not_tested,
)
from keras_pvec.reproduction.report import (
    ReportFigure,
    Section,
    claims_table,
    render_claims,
    write_report,
)
from keras_pvec.reproduction.report.criteria import criterion_text, wording
from keras_pvec.reproduction.report.markdown import render_markdown
from keras_pvec.reproduction.report.section import overview, provenance_of
from keras_pvec.reproduction.report.sentences import (
    details,
    effect_text,
    evidence,
    headline,
    obstacle_text,
    reading_text,
)
from keras_pvec.reproduction.report.words import VERDICTS
from keras_pvec.runs import RunFolder

PNG = b"\x89PNG made up"


def pairs(n_met, counted=Counted.PAIRS):
    return Share(n_met, 153, counted, Interval(0.43, 0.59))


def angle(mean):
    spread = Spread(mean - 10, mean - 1, mean + 20)
    return Effect(Quantity.ANGLE, mean, 153, Interval(mean - 2, mean + 2), spread)


def rated(claim="C1", verdict=Verdict.NOT_REPRODUCED, n_met=78, null_met=68):
    rung = Rung(Null.PERMUTATION, (angle(34.0),), pairs(null_met), meets=null_met > 76)
    return ClaimResult(
        claim, CLAIMS[claim].primary, verdict, (angle(21.5),), pairs(n_met), (rung,)
    )


def correlated(estimate=-0.5):
    """C10: overall, and within three architectures of which two are negative."""
    tau = Quantity.KENDALL_TAU
    within = [
        Effect(tau, value, n, group=group)
        for group, value, n in (
            ("mlp", -0.25, 12),
            ("resnet18", -0.75, 12),
            ("vgg16", 0.125, 12),
        )
    ]
    trivial = Effect(tau, 0.375, 36, group="n_parameters")
    return ClaimResult(
        "C10",
        CLAIMS["C10"].primary,
        Verdict.NOT_REPRODUCED,
        (Effect(tau, estimate, 36, Interval(-0.7, -0.2)), *within),
        ladder=(Rung(Null.TRIVIAL_PREDICTORS, (trivial,)),),
    )


@pytest.fixture
def sections(rng, tmp_path):
    folder = kp.runs.RunFolder(tmp_path / "run")
    folder.update_info(versions={"keras": "3.99"})
    folder.note(
        settings={"model": "mlp<x>", "seed": 3, "epochs": 7},
        git_revision="abc123",
        wall_time_s=1800.0,
        n_train=500,
    )
    p = kp.p_vector(rng.random((20, 4)), layer="features")
    row = kp.runs.log_row((0, 1), p, "data", kp.compare(p, p))
    folder.write_moment((0, 1), {"features": p}, [row])
    figure = tmp_path / "figure.png"
    figure.write_bytes(PNG)
    results = [
        rated(),
        rated("C5", Verdict.NO_MORE_THAN_CHANCE, 153, 150),
        correlated(),
        not_tested("C13", Obstacle(Cause.NO_IMAGES)),
    ]
    runs = [kp.open_run(folder.path)]
    figures = {'the "<figure>"': ReportFigure(figure)}
    return [
        Section("cifar10 & <preset>", results, figures, runs, 2),
        Section("mnist", [rated(n_met=153)], {}, []),
    ]


def numbers(text):
    return re.findall(r"-?\d+(?:\.\d+)?", text)


def test_a_headline_is_read_without_the_code():
    text = headline(rated())
    named = ("C1", Verdict.NOT_REPRODUCED.value, "pairs", Null.PERMUTATION.value)
    assert text.startswith("C1 ") and all(name in text for name in named)
    # Of the pairs, within so many degrees, and by the null.
    assert numbers(text) == ["1", "78", "153", "20", "68"]


def test_evidence_has_the_counts_of_every_null_that_was_counted():
    result = dataclasses.replace(
        rated(),
        ladder=(
            *rated().ladder,
            Rung(Null.UNTRAINED, (), Share(2, 6, Counted.PAIRS, Interval(0, 1))),
            Rung(Null.BLOCK_ORDER, ()),
        ),
    )
    assert numbers(evidence(result)) == ["78", "153", "20", "68", "2", "6"]


def test_evidence_of_a_correlation():
    text = evidence(correlated())
    assert numbers(text) == ["-0.50", "95", "-0.70", "-0.20", "36", "0.38", "2", "3"]
    assert "n_parameters" in text


def test_evidence_of_a_claim_that_was_not_tested():
    obstacle = Obstacle(Cause.RANDOM_WEIGHTS)
    result = dataclasses.replace(rated("C13", Verdict.REPRODUCED), obstacle=obstacle,
                                 verdict=Verdict.NOT_TESTED)  # fmt: skip
    # The reason first, then what was measured all the same.
    assert evidence(result).startswith(obstacle_text(obstacle))
    assert numbers(evidence(result)) == ["78", "153", "20", "68"]


def test_effects_in_words():
    text = effect_text(angle(21.5))
    assert numbers(text) == ["11.50", "41.50", "20.50", "21.50", "95", "19.50", "23.50"]
    one = Effect(Quantity.ANGLE, 3.0, 1, spread=Spread(3.0, 3.0, 3.0))
    assert numbers(effect_text(one)) == ["3.00"]
    assert numbers(effect_text(Effect(Quantity.ANGLE, np.nan, 0))) == []


def test_details_name_the_nulls_that_explain_a_result():
    met = rated(verdict=Verdict.NO_MORE_THAN_CHANCE, n_met=153, null_met=150)
    assert Null.PERMUTATION.value in details(met)["explained by"]
    # Nothing is explained where the criterion is not met.
    assert "explained by" not in details(rated(null_met=150))


def test_a_share_has_its_interval_and_number_of_networks():
    met = Share(78, 153, Counted.PAIRS, Interval(0.43, 0.59), n_networks=18)
    found = details(dataclasses.replace(rated(), met=met))["share"]
    assert numbers(found) == ["51", "95", "43", "59", "18"]


def test_evidence_of_every_part():
    parts = tuple(
        Part(aspect, verdict, Share(n_met, 4, Counted.RUNS, Interval(0, 1)))
        for aspect, verdict, n_met in (
            (Aspect.OWN_END, Verdict.REPRODUCED, 4),
            (Aspect.BETWEEN, Verdict.NOT_REPRODUCED, 1),
        )
    )
    result = dataclasses.replace(
        rated("C3", Verdict.PARTLY_REPRODUCED), parts=parts, n_left_out=3
    )
    assert numbers(evidence(result)) == ["4", "4", "10", "1", "4", "10", "3"]
    for part in parts:
        assert part.aspect.value in evidence(result)
    assert Verdict.NOT_REPRODUCED.value in details(result)[Aspect.BETWEEN.value]


def test_evidence_of_medians():
    effects = tuple(
        Effect(quantity, value, 4, estimator=Estimator.MEDIAN)
        for quantity, value in (
            (Quantity.START_ANGLE, 70.0),
            (Quantity.ANGLE_TREND, -1),
        )
    )
    rung = Rung(Null.PERMUTATION, (Effect(Quantity.START_ANGLE, 30.0, 4),))
    result = ClaimResult(
        "C2", CLAIMS["C2"].primary, Verdict.REPRODUCED, effects, ladder=(rung,)
    )
    assert numbers(evidence(result)) == ["70.00", "-1.00", "30.00"]


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_criterion_has_words_with_its_thresholds(claim):
    criterion = CLAIMS[claim].criterion
    text = criterion_text(criterion)
    for field in dataclasses.fields(criterion):
        value = getattr(criterion, field.name)
        if field.name.startswith(("max_", "min_", "others_")) and field.name not in (
            "min_moments",
            "min_blocks",
        ):
            assert f"{value:g}" in text or f"{value:.0%}" in text, field.name


def test_a_required_share_is_part_of_the_criterion():
    criterion = CLAIMS["C1"].criterion
    assert "80%" in criterion_text(dataclasses.replace(criterion, required_share=0.8))


@pytest.mark.parametrize("kind", [Criterion, UnitCriterion])
def test_a_criterion_without_words_is_an_error(kind):
    class Other(UnitCriterion):
        pass

    with pytest.raises(NotImplementedError, match="Other"):
        wording(Other(counted=Counted.RUNS))


def test_everything_has_words():
    assert set(VERDICTS) == set(Verdict)
    for cause in Cause:
        obstacle = Obstacle(cause, needed=37, found=11, names=("simclr",))
        text = obstacle_text(obstacle)
        assert text and "None" not in text and "{" not in text
    for quantity in Quantity:
        assert effect_text(Effect(quantity, 1.0, 2))
    for samples, raw_data in itertools.product(Samples, RawData):
        assert reading_text(Reading(samples, raw_data))
    texts = details(dataclasses.replace(rated(), caveats=tuple(Caveat)))
    assert texts["note"]


def test_terminal():
    results = [rated(), correlated(), not_tested("C13", Obstacle(Cause.NO_IMAGES))]
    text = render_claims(results)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 88
    starts = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert starts == ["C1", "C10", "C13"]
    flat = " ".join(text.split())
    for result in results:
        assert headline(result) in flat
        assert result.spec.statement in flat
        for detail in details(result).values():
            assert detail in flat
    assert render_claims([]) == ""


def test_table_of_claims(tmp_path):
    """Types and numbers survive the file."""
    results = [
        rated(verdict=Verdict.NO_MORE_THAN_CHANCE, null_met=150),
        correlated(),
        not_tested("C13", Obstacle(Cause.NO_IMAGES)),
    ]
    table = claims_table(results)
    table.to_csv(tmp_path / "claims.csv", index=False)
    read = pd.read_csv(tmp_path / "claims.csv").set_index("claim")
    assert list(read.index) == ["C1", "C10", "C13"]
    for result, (_, row) in zip(results, read.iterrows(), strict=True):
        assert row["verdict"] == result.verdict.value
        assert row["statement"] == result.spec.statement
        assert row["evidence"] == evidence(result)
        assert row["criterion"] == criterion_text(result.spec.criterion)
        assert row["study"] == result.spec.study
    c1, c10, c13 = (row for _, row in read.iterrows())
    assert (c1["counted"], c1["n_met"], c1["n"]) == ("pairs", 78, 153)
    assert c1["share"] == pytest.approx(78 / 153)
    assert (c1["share_low"], c1["share_high"]) == (0.43, 0.59)
    assert (c1["effect"], c1["effect_unit"]) == ("angle_deg", "degrees")
    assert (c1["effect_estimate"], c1["effect_n"]) == (21.5, 153)
    assert (c1["effect_low"], c1["effect_high"]) == (19.5, 23.5)
    spread = [c1[f"effect_{name}"] for name in ("min", "median", "max")]
    assert spread == [11.5, 20.5, 41.5]
    assert (c1["permutation_n_met"], c1["permutation_n"]) == (150, 153)
    assert c1["permutation_estimate"] == 34.0
    assert c1["permutation_meets"] in (True, "True")
    assert (c1["samples"], pd.isna(c1["raw_data"])) == ("train", True)
    assert (c10["samples"], c10["raw_data"]) == ("train", "data")
    assert (c10["effect_estimate"], c10["effect_n"]) == (-0.5, 36)
    assert c10["trivial_predictors_estimate"] == 0.375
    assert pd.isna(c10[["effect_min", "n_met", "permutation_n"]]).all()
    assert c13["obstacle"] == obstacle_text(Obstacle(Cause.NO_IMAGES))
    assert pd.isna(c13[["measured", "share", "effect", "effect_estimate"]]).all()


def test_types_of_the_table_do_not_depend_on_the_results():
    empty = claims_table([])
    full = claims_table([rated(), not_tested("C13", Obstacle(Cause.NO_IMAGES))])
    assert empty.dtypes.equals(full.dtypes)
    assert str(full["n_met"].dtype) == "Int64"
    assert str(full["share"].dtype) == "Float64"


class Page(HTMLParser):
    """Notes what is opened and never closed, what is loaded, and the text."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.ids, self.tags, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.sources += [attributes[k] for k in ("src", "href") if k in attributes]
        self.ids += [attributes["id"]] if tag == "article" else []
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page_of(path):
    page = Page()
    page.feed(path.read_text())
    return page


def test_the_page_is_whole_and_alone(sections, tmp_path):
    path, _ = write_report(tmp_path, sections)
    page = page_of(path)
    assert page.open == []
    links = {source for source in page.sources if source.startswith("#")}
    assert {f"#{name}" for name in page.ids} == links
    assert len(page.ids) == len(set(page.ids)) == 5  # one for each result
    (source,) = set(page.sources) - links
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == PNG
    assert "width=device-width" in path.read_text()


def test_anchors_name_section_claim_and_place(sections, tmp_path):
    path, _ = write_report(tmp_path, sections)
    assert page_of(path).ids == [
        "s0-C1-0",
        "s0-C5-1",
        "s0-C10-2",
        "s0-C13-3",
        "s1-C1-0",
    ]


def test_everything_is_escaped(sections, tmp_path):
    path, _ = write_report(tmp_path, sections)
    page = page_of(path)
    assert {"preset", "x"}.isdisjoint(page.tags)
    assert page.tags.count("figure") == 1
    text = " ".join(page.text)
    for shown in ("cifar10 & <preset>", 'the "<figure>"', "mlp<x>"):
        assert shown in text


@pytest.mark.parametrize("which", [0, 1])
def test_every_result_and_setting_is_shown(which, sections, tmp_path):
    path = write_report(tmp_path, sections)[which]
    text = path.read_text()
    shown = (
        " ".join(page_of(path).text)
        if which == 0
        else html.unescape(text.replace("\\", ""))
    )
    for section in sections:
        for result in section.claims:
            assert result.verdict.value in shown
            for told in (result.spec.statement, evidence(result)):
                assert told in shown
            for detail in details(result).values():
                assert detail in shown
    for told in ("mlp<x>", "500", "0.50 hours", "abc123", "keras 3.99"):
        assert told in shown


def test_provenance(sections):
    found = provenance_of(sections[0])
    assert (found.n_runs, found.n_missing, found.hours) == (1, 2, 0.5)
    assert (found.models, found.seeds, found.epochs) == (("mlp<x>",), (3,), (7,))
    assert (found.n_train, found.git_revisions) == ((500,), ("abc123",))
    assert "keras 3.99" in found.versions
    assert provenance_of(sections[1]).models == ()


def test_datasets_stand_side_by_side(sections):
    """In the order of the claims; what a dataset was not asked about is empty."""
    late_first = dataclasses.replace(sections[0], claims=[*sections[0].claims][::-1])
    cells = overview([late_first, sections[1]])
    places = {
        claim: [[i for i, _ in cell] for cell in row] for claim, row in cells.items()
    }
    assert [*places.items()] == [
        ("C1", [[3], [0]]),
        ("C5", [[2], []]),
        ("C10", [[1], []]),
        ("C13", [[0], []]),
    ]


def test_the_table_of_a_markdown_report(sections):
    titled = [dataclasses.replace(sections[0], title="a | b"), sections[1]]
    lines = render_markdown(titled).splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 2 + 4
    # A pipe in a title does not make a cell.
    assert {len(re.split(r"(?<!\\)\|", line)) for line in table} == {5}
    c5 = next(line for line in table if "C5" in line)
    assert c5.endswith("|  |")


def test_markdown_leaves_names_readable(sections):
    """Underscores within words are no markup, and stay."""
    text = render_markdown(sections)
    assert "n_parameters" in text
    assert "mlp&lt;x&gt;" in text


HOSTILE = [
    "<script>alert(1)</script>",
    "a\n<img src=x onerror=alert(1)>",
    "a | b",
    "a\n| b |",
    "a\r\n# Heading",
    "[x](javascript:alert(1))",
    "![x](y)",
    "`code`",
    "**bold** __bold__ ~~gone~~ $math$",
    "&lt;b&gt;",
    "\x1b[31m\0",
    "caf\udce9",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_names_from_a_run_are_shown_and_not_interpreted(name, tmp_path):
    """Of a title, a caption, a version and a model."""
    folder = RunFolder(tmp_path / "run")
    folder.note(settings={"model": name, "seed": 0}, git_revision=name)
    folder.update_info(versions={"keras": name})
    folder.log_path.write_text("")
    run = kp.open_run(folder.path)
    picture = tmp_path / "a.png"
    picture.write_bytes(b"")
    section = Section(name, [], {name: ReportFigure(picture)}, [run], left_out=[name])
    page, document = (
        path.read_text() for path in write_report(tmp_path, [section, section])
    )
    assert len(re.findall("<script", page)) == 2  # the page's own data and program
    for text in (page.split("</style>")[1].split("<script")[0], document):
        assert not re.search(r"<(script|img src=x)", text)
    lines = document.splitlines()
    assert "# Heading" not in lines
    # Without escaped characters, no markup is left in any line that shows the name.
    bare = [re.sub(r"\\.", "", line) for line in lines]
    shown = [line for line in bare if line.startswith(("## ", "- "))]
    assert not [line for line in shown if set("`*[]|~$<>\0\x1b") & set(line)]
    assert not [line for line in shown if re.search(r"\b_+\B|\B_+\b|__", line)]
    header = next(line for line in bare if line.startswith("| "))
    assert header.count("|") == 4
