"""Published results: small tables, and pages that say nothing else than these."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_results import centring_decides

from keras_pvec.reproduction.claims import CLAIMS, Centring, Extraction
from keras_pvec.reproduction.publication import (
    PublicationError,
    headline,
    read_published,
    render_page,
    replace_headline,
)
from keras_pvec.reproduction.publish import PublicationConfig, publish
from keras_pvec.reproduction.report import claims_table, specification_table

ROOT = Path(__file__).parents[2]
MARKED = "Before.\n<!-- results: begin -->\nold\n<!-- results: end -->\nAfter.\n"


def write_results(out_dir, dataset="digits", claim="C1", study="convergence"):
    """Results of one study, as an experiment leaves them."""
    folder = out_dir / dataset / study
    folder.mkdir(parents=True)
    results = centring_decides(claim)
    claims_table(results).to_csv(folder / "claims.csv", index=False)
    specification_table(results).to_csv(folder / "specifications.csv", index=False)
    settings = {"dataset": dataset, "epochs": 3, "runs_dir": "/home/me/runs"}
    (folder / "flags.json").write_text(json.dumps(settings))
    rng = np.random.default_rng(0)
    small = pd.DataFrame({"epoch": range(20), "angle_deg": rng.uniform(0, 90, 20)})
    small.to_csv(folder / "angles.csv", index=False)
    large = pd.DataFrame(rng.uniform(size=(20000, 2)), columns=["a", "b"])
    large.to_csv(folder / "large.csv", index=False)
    runs = pd.DataFrame(
        {
            "model": ["mlp", "mlp", "simclr", "vgg16"],
            "variant": ["", "", "", "width_2"],
            "seed": [0, 1, 0, 0],
            "status": ["finished", "missing", "finished", "finished"],
            "epochs": pd.array([3, None, 3, 3], dtype="Int64"),
            "accuracy": [0.9, None, 0.7, 0.5],
            "untrained_accuracy": [None, None, 0.4, None],
            "reference_accuracy": [0.92, None, None, None],
            "reference_source": ["a paper", None, None, None],
            "well_trained": [True, None, None, None],
            "training_hours": [0.5, None, 1.0, 0.1],
            "versions": ["keras 3.15", None, "keras 3.15", "keras 3.15"],
        }
    )
    runs.to_csv(out_dir / dataset / "runs.csv", index=False)
    return folder


@pytest.fixture
def out_dir(tmp_path):
    write_results(tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def config(tmp_path, out_dir):
    return PublicationConfig(tmp_path / "published", out_dir)


@pytest.fixture(scope="module")
def published_once(tmp_path_factory):
    """A folder of results and what was published of them, to be read only."""
    folder = tmp_path_factory.mktemp("publication")
    write_results(folder / "out")
    publish(PublicationConfig(folder / "published", folder / "out"))
    return folder


@pytest.fixture
def published(published_once, tmp_path):
    """The settings of a publication that is there, with its results."""
    folder = shutil.copytree(published_once, tmp_path / "publication")
    return PublicationConfig(folder / "published", folder / "out")


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_small_tables_are_copied_to_six_digits(published_once):
    study = published_once / "published" / "digits" / "convergence"
    copied = pd.read_csv(study / "angles.csv")
    original = pd.read_csv(
        published_once / "out" / "digits" / "convergence" / "angles.csv"
    )
    np.testing.assert_array_equal(copied["epoch"], original["epoch"])
    np.testing.assert_allclose(copied["angle_deg"], original["angle_deg"], rtol=5e-6)
    assert all(len(str(x)) <= 8 for x in copied["angle_deg"])
    settings = json.loads((study / "settings.json").read_text())
    assert settings["epochs"] == 3
    assert settings["tables_left_out"] == {"large": 20000}
    assert not (study / "large.csv").exists()


def test_no_folder_of_the_machine_is_published(published_once):
    files = content(published_once / "published")
    assert not any(b"/home/me" in data for data in files.values())


def test_the_page_is_made_of_the_tables_alone(published):
    once = content(published.folder)
    publish(published)
    assert content(published.folder) == once
    shutil.rmtree(published.out_dir)
    (published.folder / "README.md").unlink()
    publish(PublicationConfig(published.folder))
    assert content(published.folder) == once


def test_tables_of_an_earlier_publication_are_removed(published):
    old = published.folder / "digits" / "convergence" / "old.csv"
    old.write_text("a\n1\n")
    publish(published)
    assert not old.exists()


def cells(page, beginning):
    """The cells of the first row that begins with these."""
    for line in page.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if row[: len(beginning)] == beginning:
            return row
    raise AssertionError(f"no row begins with {beginning}")


def test_the_page_has_every_network_and_both_readings(published_once):
    """Centring decides in the results: 10 degrees before, 50 after."""
    (result,) = read_published(published_once / "published")
    page = render_page([result])
    assert cells(page, ["digits", "mlp", "0"])[3:6] == ["3", "0.900", "0.920 [1]"]
    assert cells(page, ["digits", "mlp", "0"])[6] == "yes"
    assert cells(page, ["digits", "mlp", "1"])[3] == "missing"
    assert cells(page, ["digits", "simclr", "0"])[4:7] == [
        "0.700 (0.400)",
        "unknown",
        "unknown",
    ]
    assert "1. a paper" in page.splitlines()
    row = next(line for line in page.splitlines() if line.startswith("| [C1]"))
    literal, centred = row.strip("| ").split(" | ")[1:]
    assert literal == "**reproduced** (5 of 10)"
    assert centred == "**not reproduced** (5 of 10)"
    defensible = [
        reading
        for reading in CLAIMS["C1"].readings
        if reading.extraction is not Extraction.MISALIGNED
    ]
    plain = [r for r in defensible if r.centring is not Centring.COLUMNS]
    counts = re.findall(r"(\d+) of (\d+) readings", page)
    assert counts == [(str(len(plain)), str(len(defensible)))]


def test_data_sets_stand_side_by_side(tmp_path):
    for dataset in ("mnist", "digits"):
        write_results(tmp_path / "out", dataset)
    config = PublicationConfig(tmp_path / "published", tmp_path / "out")
    publish(config)
    assert [result.name for result in read_published(config.folder)] == [
        "digits",
        "mnist",
    ]
    rows = headline(read_published(config.folder)).splitlines()
    (row,) = [row for row in rows if row.startswith("| C1:")]
    assert row.count("digits, mnist") == 2  # the same verdicts on both, each reading


def test_only_the_headline_of_the_front_page_is_replaced(config, tmp_path):
    readme = tmp_path / "front.md"
    readme.write_text(MARKED)
    publish(PublicationConfig(config.folder, config.out_dir, readme))
    lines = readme.read_text().splitlines()
    assert lines[0] == "Before."
    assert lines[-1] == "After."
    assert "old" not in lines
    expected = headline(read_published(config.folder))
    assert readme.read_text() == replace_headline(MARKED, expected)


def damaged(path):
    path.write_bytes(b"\xff\xfe\x00")


def of_an_earlier_version(path):
    table = pd.read_csv(path)
    table.drop(columns="is_primary").to_csv(path, index=False)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("claims.csv", damaged),
        ("claims.csv", of_an_earlier_version),
        ("specifications.csv", of_an_earlier_version),
        ("angles.csv", damaged),
        ("flags.json", damaged),
        ("flags.json", lambda path: path.write_text("[]")),
        ("flags.json", Path.unlink),
    ],
)
def test_results_that_cannot_be_published(name, damage, published):
    """The error names the file or the folder, and what was published stays."""
    before = content(published.folder)
    damage(published.out_dir / "digits" / "convergence" / name)
    with pytest.raises(PublicationError) as error:
        publish(published)
    assert str(published.out_dir) in str(error.value)
    assert content(published.folder) == before


def test_a_front_page_without_markers(config, tmp_path):
    readme = tmp_path / "front.md"
    readme.write_text("No markers.\n")
    with pytest.raises(PublicationError):
        publish(PublicationConfig(config.folder, config.out_dir, readme))
    assert not config.folder.exists()


def test_nothing_is_published_yet(tmp_path):
    with pytest.raises(PublicationError, match=re.escape(str(tmp_path))):
        publish(PublicationConfig(tmp_path))


def test_the_committed_pages_say_what_the_committed_tables_say():
    results = read_published(ROOT / "results" / "published")
    page = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    figures = sorted(path.name for path in (ROOT / "results").glob("*.png"))
    assert page == render_page(results, figures)
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    assert front == replace_headline(front, headline(results))
