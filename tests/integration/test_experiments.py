"""Experiments from flags to results: what they write, share, reuse and refuse.

A few tests start the binaries as a user does; the others call what the binaries call.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import keras_pvec as kp
from keras_pvec.reproduction.claims import CLAIMS, Verdict
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.experiment import NoRunsError, run_study
from keras_pvec.reproduction.flag_values import config_from_flags
from keras_pvec.reproduction.imagenet import PretrainedConfig
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.reproduce import reproduce
from keras_pvec.reproduction.reproduction_config import ReproductionConfig
from keras_pvec.runs import RunConflictError, RunFolder

ROOT = Path(__file__).parents[2]
QUICK = ExperimentConfig(
    models=("mlp", "autoencoder"), epochs=2, train_samples=200, num_samples=100
)
QUICK_FLAGS = [
    "--models=mlp,autoencoder",
    "--epochs=2",
    "--train_samples=200",
    "--num_samples=100",
]


def start(folder, *flags, program="convergence"):
    """Runs a binary to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments" / f"{program}.py"), *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which `convergence.py` has run, and what it printed."""
    folder = tmp_path_factory.mktemp("convergence")
    result = start(folder, *QUICK_FLAGS, "--seeds=0,1")
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


@pytest.fixture
def config(finished, tmp_path):
    """The settings of the runs that are there, for one seed, with results apart."""
    folder, _ = finished
    return dataclasses.replace(
        QUICK, runs_dir=folder / "runs", out_dir=tmp_path / "out"
    )


def n_trained(printed):
    return printed.count("  train  ")


# The binaries.


def test_tables_figures_and_last_line(finished):
    folder, printed = finished
    out = folder / "results" / "digits" / "convergence"
    drawn = [
        "angle_to_final",
        "angle_to_untrained",
        "angle_matrix",
        "null_ladder",
        "measures",
        "influential_samples",
    ]
    assert {path.name for path in out.iterdir()} == {
        "claims.csv",
        "flags.json",
        *(f"{name}.{ending}" for name in drawn for ending in ("csv", "png", "pdf")),
    }
    saved = json.loads((out / "flags.json").read_text())
    assert set(saved) == {field.name for field in dataclasses.fields(ExperimentConfig)}
    assert str(out) in printed.splitlines()[-1]
    assert n_trained(printed) == 4
    for claim in ("C1", "C2", "C3"):
        assert f"\n{claim} " in printed


def test_a_mistake_gets_no_traceback_and_leaves_nothing(tmp_path):
    result = start(tmp_path, "--models=Le", program="imagenet")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "'Le'" in result.stderr
    assert not any(tmp_path.iterdir())


# What they call.


def test_tables_agree_with_the_runs(finished):
    folder, _ = finished
    out = folder / "results" / "digits" / "convergence"
    angles = pd.read_csv(out / "angle_to_final.csv")
    pairs = pd.read_csv(out / "angle_matrix.csv")
    runs = {
        f"{model}, seed {seed}": kp.open_run(
            folder / "runs" / "digits" / "small" / model / f"seed_{seed}"
        )
        for model in ("mlp", "autoencoder")
        for seed in (0, 1)
    }
    assert len(pairs) == 6
    for row in pairs.itertuples():
        p, q = (
            runs[name].p_vector("final", runs[name].layers[0])
            for name in (row.run, row.other)
        )
        np.testing.assert_allclose(row.angle_deg, kp.angle(p, q))
    assert len(angles) == 4 * 3
    for row in angles.itertuples():
        run, layer = runs[row.run], runs[row.run].layers[0]
        p, final = run.p_vector(row.epoch, layer), run.p_vector("final", layer)
        np.testing.assert_allclose(row.angle_deg, kp.angle(p, final))
        assert row.null_low_deg <= row.null_angle_deg <= row.null_high_deg


def test_saved_flags_repeat_an_experiment_without_training(
    finished, tmp_path, monkeypatch, capsys
):
    folder, _ = finished
    monkeypatch.chdir(folder)
    out = folder / "results" / "digits" / "convergence"
    flags = json.loads((out / "flags.json").read_text())
    config = config_from_flags(flags | {"out_dir": str(tmp_path)})
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.npz")}
    outcome = run_study(config, "convergence")
    assert not outcome.failures
    printed = capsys.readouterr().out
    assert printed.count("  reuse  ") == 4
    assert n_trained(printed) == 0
    after = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.npz")}
    assert after == before
    for path in out.glob("*.csv"):
        assert (outcome.folder / path.name).read_text() == path.read_text()


def test_existing_runs_are_analysed_without_training(config, capsys):
    """A third seed is missing, and of a study every run."""
    config = dataclasses.replace(config, seeds=(0, 1, 2), train=False)
    outcome = reproduce(ReproductionConfig(config, only=("C3", "C10")))
    assert not outcome.failures
    assert n_trained(capsys.readouterr().out) == 0
    assert not (config.runs_dir / "digits/small/mlp/seed_2").exists()
    claims = pd.read_csv(outcome.folder / "claims.csv").set_index("claim")
    assert claims.loc["C3", "study"] == "convergence"
    assert claims.loc["C10", "verdict"] == Verdict.NOT_TESTED.value
    assert (outcome.folder / "report.md").exists()


def test_other_settings_are_refused(config):
    with pytest.raises(RunConflictError, match="batch_size"):
        run_study(dataclasses.replace(config, batch_size=32), "convergence")
    assert not config.out_dir.exists()


def test_without_any_run_there_is_nothing_to_analyse(config, tmp_path):
    nowhere = tmp_path / "nowhere"
    config = dataclasses.replace(config, runs_dir=nowhere, train=False)
    with pytest.raises(NoRunsError, match=str(nowhere)):
        run_study(config, "convergence")
    assert not nowhere.exists()


@pytest.mark.parametrize(
    ("study", "names"),
    [
        ("data_angle", ["angle_to_data"]),
        ("first_epoch", ["first_epoch"]),
        ("layerwise", ["angle_by_block"]),
        ("distribution", ["histograms", "densities", "drift"]),
        ("singular_vectors", ["singular_vector_angles", "explained_variance"]),
    ],
)
def test_studies_share_runs(study, names, config, capsys):
    """What one trained the others reuse; each writes figures beside their tables."""
    outcome = run_study(dataclasses.replace(config, models=("mlp",)), study)
    assert n_trained(capsys.readouterr().out) == 0
    assert outcome == (config.out_dir / study, [])
    for name in names:
        for ending in ("csv", "png", "pdf"):
            assert (outcome.folder / f"{name}.{ending}").stat().st_size > 0
    assert set(pd.read_csv(outcome.folder / "claims.csv")["claim"])


def test_flattened_features_are_another_run(config, capsys):
    config = dataclasses.replace(
        config, models=("autoencoder",), pooling=None, epochs=1
    )
    run_study(config, "layerwise")
    assert n_trained(capsys.readouterr().out) == 1
    place = config.runs_dir / "digits" / "small"
    log = kp.open_run(place / "autoencoder_flattened" / "seed_0").log
    of_block = log[log["layer"] == "block_1"]
    assert set(of_block["n_features"]) == {4 * 4 * 16}
    pooled = kp.open_run(place / "autoencoder" / "seed_0").log
    assert set(pooled[pooled["layer"] == "block_1"]["n_features"]) == {16}


def test_a_reproduction_shares_runs_and_joins_claims(config, capsys):
    network = "MobileNet-0.25-64"
    config = ReproductionConfig(
        config,
        PretrainedConfig(networks=(network,), num_images=4),
        only=("C3", "C4", "C6", "C13"),
    )
    outcome = reproduce(config)
    assert not outcome.failures
    printed = capsys.readouterr().out
    assert n_trained(printed) == 0
    assert "\nC13 " in printed
    out = outcome.folder
    claims = pd.read_csv(out / "claims.csv")
    tested = claims[claims["verdict"] != Verdict.NOT_TESTED.value]
    studies = {"convergence", "first_epoch", "data_angle"}
    # The first epoch of so few images is too short for its claims.
    assert set(tested["study"]) == studies - {"first_epoch"}
    assert len(claims) == len(CLAIMS) - 1  # C13 is of no data set
    page = (out / "report.html").read_text()
    drawn = [p for name in (*studies, "imagenet") for p in (out / name).glob("*.png")]
    drawn += out.glob("specification_*.png")
    assert page.count("<img ") == len(drawn)
    assert "C6b" in (out / "report.md").read_text()
    flags = json.loads((out / "convergence" / "flags.json").read_text())
    assert flags["only"] == ["C3", "C4", "C6", "C13"]
    assert flags["pretrained"] == [network]


def test_a_run_whose_features_died_does_not_stop_the_others(
    finished, config, tmp_path, capsys
):
    """An epoch without a P-vector, as features that are all zero leave behind."""
    folder, _ = finished
    shutil.copytree(folder / "runs", tmp_path / "runs")
    dead = RunFolder(tmp_path / "runs" / "digits" / "small" / "mlp" / "seed_0")
    dead.note_failure(dead.moments()[-1], "features", "All features are zero.")
    config = dataclasses.replace(
        config, runs_dir=tmp_path / "runs", seeds=(0, 1), train=False
    )
    outcome = run_study(config, "convergence")
    assert str(dead.path) in capsys.readouterr().out
    angles = pd.read_csv(outcome.folder / "angle_to_final.csv")
    assert set(angles["run"]) == {
        "mlp, seed 1",
        "autoencoder, seed 0",
        "autoencoder, seed 1",
    }


@pytest.mark.slow
def test_variants_of_a_classifier(tmp_path, capsys):
    config = dataclasses.replace(
        QUICK,
        models=("mlp",),
        epochs=1,
        runs_dir=tmp_path / "runs",
        out_dir=tmp_path / "results",
    )
    outcome = run_study(config, "generalization")
    assert n_trained(capsys.readouterr().out) == 11  # digits are not augmented
    models = pd.read_csv(outcome.folder / "generalization.csv")
    assert len(models) == 11
    by_variant = models.set_index("variant")
    n_features = by_variant["n_features"]
    assert n_features["width=2"] == 4 * n_features["width=0.5"]
    place = tmp_path / "runs" / "digits" / "small" / "variants" / "mlp"
    for variant, n_train in (
        ("base", 200),
        ("train_share=0.2", 40),
        ("label_noise=0.5", 200),
    ):
        run = kp.open_run(place / variant / "seed_0")
        # All are measured on the same samples, those of the smallest subset.
        assert set(run.log["n_samples"]) == {40}
        record = TrainingRecord.of(run)
        assert record.n_train == n_train
        np.testing.assert_allclose(
            record.evaluation["test"]["accuracy"], by_variant["test_accuracy"][variant]
        )
    run_study(config, "generalization")
    assert n_trained(capsys.readouterr().out) == 0


def test_one_failing_run_does_not_stop_the_others(tmp_path):
    place = tmp_path / "runs" / "digits" / "small" / "autoencoder"
    place.mkdir(parents=True)
    (place / "seed_0").write_text("a file where the run's folder has to be")
    config = dataclasses.replace(
        QUICK, epochs=1, runs_dir=tmp_path / "runs", out_dir=tmp_path / "results"
    )
    outcome = run_study(config, "convergence")
    (failure,) = outcome.failures
    assert str(place / "seed_0_error.txt") in failure
    assert "FileExistsError" in failure
    assert "Traceback" in (place / "seed_0_error.txt").read_text()
    table = pd.read_csv(outcome.folder / "angle_to_final.csv")
    assert set(table["run"]) == {"mlp, seed 0"}
