"""What an experiment writes, and that a failure leaves nothing behind."""

import json

import pandas as pd
import pytest
from matplotlib.figure import Figure

from keras_pvec.reproduction.config import ConfigError
from keras_pvec.reproduction.results import (
    make_folders,
    results_folder,
    save_findings,
)
from keras_pvec.reproduction.studies import Findings


def test_tables_figures_and_settings_stand_together(tmp_path):
    table = pd.DataFrame({"angle_deg": [1.5, 0.25]})
    findings = Findings({"angles": table}, {"drawn": Figure()}, ())
    save_findings(findings, tmp_path, {"seeds": ["0"], "epochs": None})
    assert {path.name for path in tmp_path.iterdir()} == {
        "angles.csv",
        "claims.csv",
        "drawn.pdf",
        "drawn.png",
        "flags.json",
    }
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "angles.csv"), table)
    saved = json.loads((tmp_path / "flags.json").read_text())
    assert saved == {"seeds": ["0"], "epochs": None}


def test_all_folders_are_made_or_none(tmp_path):
    make_folders(tmp_path / "a" / "b", tmp_path / "c")
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "b", "c"}
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as error:
        make_folders(tmp_path / "d" / "e", tmp_path / "a", tmp_path / "file" / "f")
    assert str(tmp_path / "file" / "f") in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c", "file"}
    assert (tmp_path / "a" / "b").exists()


def test_a_failure_removes_the_folder_that_it_left_empty(tmp_path):
    with pytest.raises(ZeroDivisionError), results_folder(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert not any(tmp_path.iterdir())


def test_a_failure_keeps_what_was_written(tmp_path):
    with pytest.raises(ZeroDivisionError), results_folder(tmp_path / "a"):
        (tmp_path / "a" / "table.csv").write_text("x\n")
        raise ZeroDivisionError
    assert (tmp_path / "a" / "table.csv").exists()


def test_a_folder_that_was_there_stays(tmp_path):
    with pytest.raises(ZeroDivisionError), results_folder(tmp_path):
        raise ZeroDivisionError
    assert tmp_path.exists()
