"""Specification curves: tables with known answers, figures, files, and the report."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from drawn import assert_layout, legend_labels, title_of
from made_up_results import all_verdicts, centring_decides, result
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle

from keras_pvec.reproduction import figures, report
from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    Centring,
    Extraction,
    Null,
    Obstacle,
    Samples,
    Verdict,
    not_tested,
)
from keras_pvec.reproduction.claims.reading import FACTORS, vary
from keras_pvec.reproduction.figures import VERDICT_STYLES
from keras_pvec.reproduction.report.markdown import render_markdown
from keras_pvec.reproduction.report.section import column_titles, columns
from keras_pvec.reproduction.report.specification_text import summary_text
from keras_pvec.reproduction.report.unavailable import (
    incomplete_readings,
    unavailable_readings,
)

PRIMARY = CLAIMS["C1"].primary
ON_TEST = vary(PRIMARY, Samples.TEST)
CENTRED = vary(PRIMARY, Centring.COLUMNS)


def numbers(text):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def test_a_row_for_each_claim_and_reading():
    results = all_verdicts()
    table = report.specification_table(results)
    assert len(table) == len(results) == sum(len(s.readings) for s in CLAIMS.values())
    for (_, row), made in zip(table.iterrows(), results, strict=True):
        assert (row["claim"], row["verdict"]) == (made.claim, made.verdict.value)
        for factor in FACTORS.values():
            level = getattr(made.reading, factor)
            assert pd.isna(row[factor]) if level is None else row[factor] == level.value
        assert row["is_stored"] == made.reading.is_stored
        assert row["is_mistake"] == (made.reading.extraction is Extraction.MISALIGNED)
    # Names tell the readings of a claim apart.
    assert not table.duplicated(["claim", "reading"]).any()
    for mark in ("is_primary", "is_centred"):
        assert table.groupby("claim")[mark].sum().eq(1).all()
    assert table.loc[table["is_centred"], "centring"].eq(Centring.COLUMNS.value).all()


def test_numbers_of_a_row():
    made = result("C1", PRIMARY, Verdict.NO_MORE_THAN_CHANCE, 21.5, 7, null_meets=True)
    row = report.specification_table([made]).iloc[0]
    assert row[["share", "share_low", "share_high"]].tolist() == pytest.approx(
        [0.7, 0.6, 0.8]
    )
    assert row[["effect", "effect_low", "effect_high"]].tolist() == [21.5, 19.5, 23.5]
    assert row["nulls_that_meet_it"] == Null.PERMUTATION.value
    missing = not_tested("C1", Obstacle(Cause.NO_WEIGHTS, names=("mlp",)))
    row = report.specification_table([missing]).iloc[0]
    assert row[["share", "effect", "nulls_that_meet_it"]].isna().all()
    assert "mlp" in row["obstacle"]


def test_types_do_not_depend_on_the_results():
    for table in (report.specification_table, report.specification_summary):
        assert table([]).dtypes.equals(table(all_verdicts()).dtypes)


def test_centring_decides():
    """Each change of centring flips the verdict and adds 40 degrees, and no other one
    flips any; each other change adds 3 degrees."""
    results = centring_decides("C1")
    influence = report.factor_influence(report.specification_table(results))
    influence = influence.set_index("factor")
    centring = influence.loc["centring"]
    # Crossed with all that is neither a span nor a number of samples; without the
    # mistake, in one of 10 pairs.
    assert (centring["n_changes"], centring["n_flips"]) == (9, 9)
    assert centring["mean_shift"] == pytest.approx(40)
    others = influence.drop("centring")
    assert set(others.index) == {
        *("samples", "representation", "vectors", "extraction", "n_samples"),
        "moments",
    }
    assert (others["n_flips"] == 0).all()
    assert others["mean_shift"].to_numpy(float) == pytest.approx(3)
    assert others["n_changes"].to_dict() == {
        "samples": 2,  # uncentred and centred
        "representation": 6,
        "vectors": 1,
        "extraction": 6,
        "n_samples": 3,
        "moments": 2,
    }
    summary = report.specification_summary(results).iloc[0]
    assert (summary["deciding_factor"], summary["moving_factor"]) == (
        "centring",
        "centring",
    )
    # 24 readings with two mistakes; 9 of the 22 are centred.
    assert summary[["n_readings", "n_rated", "n_met"]].tolist() == [22, 22, 13]
    assert summary["share_met"] == pytest.approx(13 / 22)
    # 10, then 12 at 13, then 50, then 8 at 53.
    assert summary["median_effect"] == 13


def test_a_factor_that_moves_the_effect_need_not_decide():
    results = [
        result("C1", PRIMARY, Verdict.REPRODUCED, 19.0),
        result("C1", CENTRED, Verdict.REPRODUCED, 4.0),
        result("C1", ON_TEST, Verdict.NOT_REPRODUCED, 21.0),
    ]
    summary = report.specification_summary(results).iloc[0]
    assert (summary["deciding_factor"], summary["moving_factor"]) == (
        "samples",
        "centring",
    )
    assert (summary["n_flips"], summary["n_changes"]) == (1, 1)
    assert summary["mean_shift"] == pytest.approx(15)


def test_a_tie_goes_to_the_larger_shift():
    results = [
        result("C1", PRIMARY, Verdict.REPRODUCED, 19.0),
        result("C1", ON_TEST, Verdict.NOT_REPRODUCED, 21.0),
        result("C1", CENTRED, Verdict.NOT_REPRODUCED, 60.0),
    ]
    summary = report.specification_summary(results).iloc[0]
    assert summary["deciding_factor"] == "centring"


def test_nothing_decides_where_all_verdicts_are_alike():
    results = [result("C1", r, Verdict.REPRODUCED, 5.0) for r in (PRIMARY, CENTRED)]
    summary = report.specification_summary(results).iloc[0]
    assert summary[["deciding_factor", "moving_factor", "n_flips"]].isna().all()
    assert summary["share_met"] == 1


def test_what_counts_as_rated_and_met():
    """Mistakes are not counted, and what was not tested is not rated."""
    mistake = vary(PRIMARY, Extraction.MISALIGNED)
    results = [
        result("C1", PRIMARY, Verdict.PARTLY_REPRODUCED, 10.0),
        result("C1", CENTRED, Verdict.INCONCLUSIVE, 20.0),
        result("C1", mistake, Verdict.NOT_REPRODUCED, 89.0),
        not_tested("C1", Obstacle(Cause.NO_RUNS), ON_TEST),
    ]
    summary = report.specification_summary(results).iloc[0]
    assert summary[["n_readings", "n_rated", "n_met"]].tolist() == [3, 2, 1]
    assert summary["median_effect"] == 15
    unrated = report.specification_summary(results[3:]).iloc[0]
    assert (unrated["n_rated"], pd.isna(unrated["share_met"])) == (0, True)
    assert numbers(summary_text(unrated)) == [1]


def test_the_summary_in_words_has_its_numbers():
    text = summary_text(report.specification_summary(centring_decides()).iloc[0])
    assert numbers(text) == [13, 22, 59, 13, 9, 9, 40]
    assert "centring" in text


@pytest.fixture(scope="module")
def curve():
    table = report.specification_table(centring_decides())
    return table, figures.specification_figure(table, "C1", "made-up data", "a note")


def test_effects_are_sorted_and_coloured_by_verdict(curve):
    table, figure = curve
    panel, _ = figure.axes
    effects = np.sort(table["effect"].to_numpy(float))
    drawn = {}
    for line in panel.lines:
        if line.get_label()[0] != "_":
            drawn[line.get_label()] = line
    assert set(drawn) == {Verdict.REPRODUCED.value, Verdict.NOT_REPRODUCED.value}
    heights = np.full(len(effects), np.nan)
    for verdict in (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED):
        line, style = drawn[verdict.value], VERDICT_STYLES[verdict]
        assert same_color(line.get_color(), style.colour)
        assert line.get_marker() == style.marker
        heights[np.asarray(line.get_xdata(), int)] = line.get_ydata()
    np.testing.assert_array_equal(heights, effects)
    ends = [s[:, 1] for c in panel.collections for s in c.get_segments()]
    np.testing.assert_allclose(
        sorted(map(tuple, ends)), [(e - 2, e + 2) for e in effects]
    )


def test_marked_readings_run_through_both_panels(curve):
    """The primary reading has the smallest effect, 10; 13 readings are not centred,
    besides one mistake."""
    _, figure = curve
    for axes in figure.axes:
        marks = {
            line.get_linestyle(): line.get_xdata()[0]
            for line in axes.lines
            if len({*np.ravel(line.get_xdata())}) == 1
            and line.get_linestyle() in ("-", "--")
        }
        assert marks == {"-": 0, "--": 14}


def test_each_reading_has_one_level_of_each_factor(curve):
    table, figure = curve
    _, panel = figure.axes
    dots = [line for line in panel.lines if line.get_marker() == "o"]
    varied = [f for f in FACTORS.values() if table[f].nunique() > 1]
    assert len(dots) == sum(table[f].nunique() for f in varied)
    x = np.concatenate([line.get_xdata() for line in dots])
    np.testing.assert_array_equal(np.bincount(x), [len(varied)] * len(table))
    labels = [text.get_text() for text in panel.get_yticklabels()]
    in_order = [figures.level_label(e.value) for kind in FACTORS for e in kind]
    assert labels == [label for label in in_order if label in labels]
    assert len(labels) == len(dots)


@pytest.mark.parametrize("claim", ["C2", "C13"])
def test_layout_of_a_curve(claim):
    """The claims with the most and the fewest readings."""
    table = report.specification_table(all_verdicts())
    note = summary_text(report.specification_summary(all_verdicts()).iloc[1])
    figure = figures.specification_figure(table, claim, "made-up data", note)
    assert_layout(figure)
    assert claim in title_of(figure) and "made-up data" in title_of(figure)


def test_a_result_that_was_not_tested_is_drawn_if_it_was_measured():
    """E.g. a criterion that cannot be met under a reading."""
    made = dataclasses.replace(
        result("C1", PRIMARY, Verdict.REPRODUCED, 30.0),
        verdict=Verdict.NOT_TESTED,
        obstacle=Obstacle(Cause.NOT_APPLICABLE),
    )
    table = report.specification_table([made])
    figure = figures.specification_figure(table, "C1", "made-up data")
    assert_layout(figure)
    assert Verdict.NOT_TESTED.value in legend_labels(figure)


def test_a_claim_without_an_effect_has_no_curve():
    table = report.specification_table([not_tested("C1", Obstacle(Cause.NO_RUNS))])
    with pytest.raises(ValueError, match="C1"):
        figures.specification_figure(table, "C1", "made-up data")


def test_overview():
    """A cell for each result in the colour of its verdict; the primary and the
    column-centred reading come first."""
    results = all_verdicts()
    table = report.specification_table(results)
    figure = figures.overview_figure(table, "made-up data")
    assert_layout(figure)
    (axes,) = figure.axes
    rows = [text.get_text() for text in axes.get_yticklabels()]
    readings = [text.get_text() for text in axes.get_xticklabels()]
    assert rows == [*CLAIMS]
    assert sorted(readings) == sorted(table["reading"].unique())
    marked = table.drop_duplicates("reading").set_index("reading").loc[readings]
    assert marked["is_primary"].tolist() == [i == 0 for i in range(len(readings))]
    assert marked["is_centred"].tolist() == [i == 1 for i in range(len(readings))]
    cells = {}
    for patch in axes.patches:
        assert isinstance(patch, Rectangle)
        x, y = patch.get_center()
        cells[rows[round(y)], readings[round(x)]] = patch.get_facecolor()
    assert len(cells) == len(results)
    for _, row in table.iterrows():
        colour = VERDICT_STYLES[Verdict(row["verdict"])].colour
        assert same_color(cells[row["claim"], row["reading"]], colour)
    assert legend_labels(figure) == [verdict.value for verdict in Verdict]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    results = [
        *centring_decides("C1")[:3],
        *(result("C13", r, Verdict.REPRODUCED, 5.0) for r in CLAIMS["C13"].readings),
        not_tested("C5", Obstacle(Cause.NO_WEIGHTS, names=("mlp",))),
    ]
    return folder, report.write_specification(folder, results, "made-up data")


def test_files(written):
    folder, specification = written
    stems = ["specification_C1", "specification_C13", "specification_overview"]
    names = [f"{stem}.{ending}" for stem in stems for ending in ("pdf", "png")]
    assert sorted(p.name for p in folder.iterdir()) == [*names, "specifications.csv"]
    assert {claim: p.name for claim, p in specification.curves.items()} == {
        "C1": "specification_C1.png",
        "C13": "specification_C13.png",
    }
    read = pd.read_csv(folder / "specifications.csv")
    table = report.specification_table(specification.results)
    assert list(read) == list(table)
    assert read["claim"].tolist() == table["claim"].tolist()
    np.testing.assert_allclose(read["effect"], table["effect"].astype(float))


def test_no_results_are_an_error(tmp_path):
    with pytest.raises(ValueError):
        report.write_specification(tmp_path, [], "made-up data")
    assert not any(tmp_path.iterdir())


def section(written):
    _, specification = written
    results = [r for r in specification.results if r.reading == r.spec.primary]
    return report.Section("made-up data", results, {}, [], specification=specification)


def test_the_report_shows_curves_beside_their_claims(written, tmp_path):
    page, document = report.write_report(tmp_path, [section(written)])
    text = page.read_text()
    articles = text.split("<article")[1:]
    claims = [re.search(r'id="s0-(\w+)-', article)[1] for article in articles]
    for claim, article in zip(claims, articles, strict=True):
        inside = article.split("</article>")[0]
        assert inside.count("<img") == (claim != "C5"), claim
    assert text.count("<img") == 3
    assert "src=" not in re.sub(r'src="data:image/png;base64,[^"]*"', "", text)
    links = re.findall(r"!\[.*?\]\((.*?)\)", document.read_text())
    assert [(document.parent / link).resolve().name for link in links] == [
        "specification_overview.png",
        "specification_C1.png",
        "specification_C13.png",
    ]
    assert all((document.parent / link).is_file() for link in links)


def test_primary_and_centred_stand_side_by_side(written):
    shown = section(written)
    assert len(column_titles(shown)) == 2
    primary, centred = columns(shown, "C1", shown.claims[:1])
    assert [r.verdict for r in primary] == [Verdict.REPRODUCED]
    assert [r.verdict for r in centred] == [Verdict.NOT_REPRODUCED]
    assert [r.reading for r in (*primary, *centred)] == [PRIMARY, CENTRED]
    lines = render_markdown([shown]).splitlines()
    (c1,) = (line for line in lines if line.startswith("| C1:"))
    _, _, left, right, _ = re.split(r"(?<!\\)\|", c1)
    assert Verdict.REPRODUCED.value in left and "not" not in left
    assert Verdict.NOT_REPRODUCED.value in right


def test_without_other_readings_a_section_has_one_column(written):
    plain = dataclasses.replace(section(written), specification=None)
    assert column_titles(plain) == ["made-up data"]
    assert columns(plain, "C1", plain.claims[:1]) == [plain.claims[:1]]


def test_missing_readings_are_grouped_by_reason():
    weights = Obstacle(Cause.NO_WEIGHTS, names=("mlp", "resnet-18"))
    runs = Obstacle(Cause.NO_RUNS)
    results = [
        not_tested(claim, weights, vary(CLAIMS[claim].primary, level))
        for claim in ("C1", "C2")
        for level in (Extraction.AUGMENTED, Extraction.BATCH_STATISTICS)
    ]
    results += [
        not_tested("C5", runs),
        result("C1", PRIMARY, Verdict.REPRODUCED, 5.0),
    ]
    groups = unavailable_readings(results)
    assert [(g.obstacle, g.claims, len(g.readings)) for g in groups] == [
        (weights, ("C1", "C2"), 2),
        (runs, ("C5",), 1),
    ]


def test_networks_that_a_reading_lacks_are_reported(written, tmp_path):
    specification = section(written).specification
    results = [
        dataclasses.replace(r, without=("densenet121",)) if i == 1 else r
        for i, r in enumerate(specification.results)
    ]
    (group,) = incomplete_readings(results)
    assert group.obstacle == Obstacle(Cause.NOT_APPLICABLE, names=("densenet121",))
    assert group.claims == (results[1].claim,)
    assert incomplete_readings(specification.results) == []
    table = report.specification_table(results)
    assert list(table.index[table["without"].notna()]) == [1]
    told = dataclasses.replace(
        section(written),
        specification=dataclasses.replace(specification, results=results),
    )
    for path in report.write_report(tmp_path, [told]):
        assert "densenet121" in path.read_text()


def test_missing_readings_are_reported(written, tmp_path):
    page, document = report.write_report(tmp_path, [section(written)])
    assert "mlp" in page.read_text().split("<details>")[1].split("</details>")[0]
    assert "mlp" in document.read_text()
