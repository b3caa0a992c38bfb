"""Finished runs with damaged files: each is named, and the others are analysed."""

import dataclasses
import errno
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from planned_runs import write_planned_run

from keras_pvec.reproduction import other_readings
from keras_pvec.reproduction.analysis.labels import well_trained
from keras_pvec.reproduction.claims import ReadingChoice
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.experiment import NoRunsError, run_study
from keras_pvec.reproduction.flags.program import exit_code
from keras_pvec.reproduction.planner import plan_runs
from keras_pvec.reproduction.reproduce import reproduce
from keras_pvec.reproduction.reproduction_config import ReproductionConfig
from keras_pvec.reproduction.runner import (
    DamagedRun,
    RunFailure,
    stored_runs,
    train_jobs,
)
from keras_pvec.reproduction.studies import STUDIES
from keras_pvec.reproduction.training import ReferenceAccuracy
from keras_pvec.runs import RunConflictError, RunFolder, open_run

CONVERGENCE = STUDIES["convergence"]
FINAL = "pvectors/epoch_0001_step_00000006.npz"
EARLIER = "pvectors/epoch_0000_step_00000003.npz"


def jobs_of(config):
    return plan_runs(config, {CONVERGENCE: ["mlp"]})[CONVERGENCE]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The runs of two seeds of a network, as its training leaves them behind."""
    config = ExperimentConfig(
        models=("mlp",),
        seeds=(0, 1),
        epochs=2,
        train_samples=64,
        num_samples=24,
        runs_dir=tmp_path_factory.mktemp("planned"),
        train=False,
    )
    for job in jobs_of(config):
        write_planned_run(job)
    return config


@pytest.fixture
def config(planned, tmp_path):
    shutil.copytree(planned.runs_dir, tmp_path / "runs")
    return dataclasses.replace(
        planned, runs_dir=tmp_path / "runs", out_dir=tmp_path / "out"
    )


def folder_of(config, seed=0):
    return config.runs_dir / "digits" / "small" / "mlp" / f"seed_{seed}"


def content(new):
    return lambda path: path.write_bytes(new)


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def as_folder(path):
    path.unlink()
    path.mkdir()


def dangling(path):
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def of_other_run(path):
    parts = [*path.parts]
    parts[parts.index("seed_0")] = "seed_1"
    shutil.copyfile(os.path.join(*parts), path)


def arrays(**values):
    return lambda path: np.savez(path, **values)


def entries(**changes):
    """Changes entries of a `run.json`; those of `settings` by `settings__<name>`."""

    def damage(path):
        there = json.loads(path.read_text())
        for name, value in changes.items():
            outer, _, inner = name.partition("__")
            if inner:
                there[outer][inner] = value
            else:
                there[outer] = value
        path.write_text(json.dumps(there))

    return damage


def cell(column, text):
    def damage(path):
        table = pd.read_csv(path, dtype=str)
        table.loc[4, column] = text
        table.to_csv(path, index=False)

    return damage


def without_last_epoch(path):
    table = pd.read_csv(path)
    table[table["epoch"] < table["epoch"].max()].to_csv(path, index=False)


ANY = {
    "empty": content(b""),
    "noise": content(bytes(range(256)) * 4),
    "folder": as_folder,
    "dangling": dangling,
}
DAMAGES = [
    *((name, kind) for name in (FINAL, "log.csv", "run.json") for kind in ANY),
    *((name, "noise") for name in (EARLIER, f"test/{FINAL}", "test/log.csv")),
    *(("samples.npz", kind) for kind in ("empty", "noise", "folder")),
    *((name, truncated) for name in (FINAL, "samples.npz", "run.json")),
    *((name, of_other_run) for name in (EARLIER, f"test/{FINAL}")),
    *((name, os.unlink) for name in (FINAL, EARLIER, "log.csv", "run.json")),
    ("test/log.csv", os.unlink),
    (FINAL, arrays(x=np.zeros(3))),
    (FINAL, arrays(layers=np.array(["features"]))),
    ("samples.npz", arrays(labels=np.zeros(7))),
    ("log.csv", content(b"epoch,step\n")),
    ("log.csv", content("épöch\n".encode("latin-1"))),
    ("log.csv", cell("angle_deg", "many")),
    ("log.csv", cell("epoch", "")),
    ("log.csv", cell("step", "1.5")),
    ("log.csv", cell("n_samples", "-3")),
    ("log.csv", without_last_epoch),
    ("test/log.csv", without_last_epoch),
    ("run.json", content(b"{}")),
    ("run.json", content(b"[]")),
    ("run.json", content(b"3")),
    ("run.json", content(b'{"status": "finished"')),
    ("run.json", content('{"a": "é"}'.encode("latin-1"))),
    ("run.json", entries(settings=3)),
    ("run.json", entries(settings=[1])),
    ("run.json", entries(settings__seed="0")),
    ("run.json", entries(settings__num_samples=[24])),
    ("run.json", entries(status=7)),
    ("run.json", entries(status="finishe")),
    ("run.json", entries(evaluation=[1])),
    ("run.json", entries(evaluation={"test": 3})),
    ("run.json", entries(evaluation={"test": {"accuracy": "high"}})),
    ("run.json", entries(training_quality="good")),
    ("run.json", entries(training_quality={"well_trained": "yes"})),
    ("run.json", entries(n_train="many")),
    ("run.json", entries(wall_time_s=[1])),
    ("run.json", entries(p_vectors=3)),
    ("run.json", entries(failures={"a": 1})),
]


def label(value):
    return getattr(value, "__qualname__", value) if callable(value) else str(value)


@pytest.mark.parametrize(("file", "damage"), DAMAGES, ids=label)
def test_a_damaged_run_is_named(file, damage, config):
    folder = folder_of(config)
    ANY.get(damage, damage)(folder / file)
    runs, missing, (damaged,) = stored_runs(jobs_of(config)[:1])
    assert not runs
    assert not missing
    assert damaged.path == folder
    (line,) = str(damaged).splitlines()
    named = folder / file
    # A log is named by its folder where there is none.
    assert any(str(path) in line for path in (named, named.parent))


def test_intact_runs_are_opened(config):
    runs, missing, damaged = stored_runs(jobs_of(config))
    assert (len(runs), missing, damaged) == (2, [], [])
    truncated(folder_of(config) / FINAL)
    runs, missing, damaged = stored_runs(jobs_of(config))
    assert [*runs] == [folder_of(config, 1)]
    assert [run.path for run in damaged] == [folder_of(config)]


def test_a_reference_that_was_found_after_the_training(config):
    """A run is rated by it, from what it keeps, and nothing is written to the run."""
    job = jobs_of(config)[0]
    (job.path / "metrics.csv").write_text("epoch,step,loss\n0,3,1.0\n1,6,1.0\n")
    quality = {"accuracy": 0.6, "reference_accuracy": None, "well_trained": None}
    RunFolder(job.path).note(training_quality=quality)
    before = (job.path / "run.json").read_bytes()
    for reference, expected in ((None, None), (0.64, True), (0.66, False)):
        accuracy = reference and ReferenceAccuracy(reference, "a longer training")
        rated = dataclasses.replace(job, reference=accuracy)
        found = stored_runs([rated])
        (run,) = found.runs.values()
        assert well_trained(run) is expected
        assert well_trained(run.on("test")) is expected
    assert (job.path / "run.json").read_bytes() == before


def test_an_unreadable_file(config):
    path = folder_of(config) / FINAL
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads every file")
    _, _, (damaged,) = stored_runs(jobs_of(config))
    assert str(path) in str(damaged)


def test_a_run_of_other_settings_is_no_damage(config):
    entries(settings__batch_size=32)(folder_of(config) / "run.json")
    with pytest.raises(RunConflictError, match="batch_size"):
        stored_runs(jobs_of(config))


def test_a_study_goes_on_without_a_damaged_run(config, capsys):
    truncated(folder_of(config) / FINAL)
    assert exit_code(lambda: run_study(config, "convergence")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder_of(config) / FINAL) in line
    table = pd.read_csv(config.out_dir / "convergence" / "angle_to_final.csv")
    assert set(table["run"]) == {"mlp, seed 1"}


def test_a_study_without_an_intact_run_says_so(config):
    for seed in config.seeds:
        (folder_of(config, seed) / "log.csv").write_text("")
    with pytest.raises(NoRunsError) as error:
        run_study(config, "convergence")
    assert all(str(folder_of(config, seed)) in str(error.value) for seed in (0, 1))


def test_a_report_names_a_damaged_run(config):
    truncated(folder_of(config) / FINAL)
    reproduction = ReproductionConfig(
        dataclasses.replace(config, train=False), only=("C2",)
    )
    outcome = reproduce(reproduction)
    (failure,) = outcome.failures
    assert str(folder_of(config)) in failure
    for name in ("report.md", "report.html"):
        text = (config.out_dir / name).read_text().replace("\\", "")
        assert "1 more are missing" in text
        assert FINAL in text


def test_a_damaged_run_is_not_trained_over(config):
    entries(status="finishe")(folder_of(config) / "run.json")
    before = {p: p.read_bytes() for p in folder_of(config).rglob("*.*") if p.is_file()}
    trained = train_jobs(jobs_of(config))
    assert [*trained.runs] == [folder_of(config, 1)]
    assert [failure.path for failure in trained.failures] == [folder_of(config)]
    after = {p: p.read_bytes() for p in folder_of(config).rglob("*.*") if p.is_file()}
    assert after == before


def test_the_traceback_of_an_earlier_failure_is_removed(config):
    old = folder_of(config).with_name("seed_0_error.txt")
    old.write_text("Traceback")
    train_jobs(jobs_of(config))
    assert not old.exists()


def test_a_measurement_that_fails_is_told_and_one_that_is_damaged_is_left_out(
    config, monkeypatch
):
    """One run is on a read-only disk; of the other one a measurement is damaged."""
    jobs = jobs_of(config)
    first, second = (job.path for job in jobs)
    shutil.copytree(second, second / "readings" / "logits")
    measured = open_run(second / "readings" / "logits")

    def measure_reading(run, *_):
        if run.path == first:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return measured

    monkeypatch.setattr(other_readings, "measure_reading", measure_reading)
    runs, _, _ = stored_runs(jobs)
    (failure,) = other_readings.measure_readings(
        CONVERGENCE, jobs, runs, ReadingChoice.ALL
    )
    assert failure.path == first
    assert os.strerror(errno.EROFS) in str(failure)
    truncated(measured.path / "test" / FINAL)
    failures = other_readings.measure_readings(
        CONVERGENCE, jobs, runs, ReadingChoice.ALL
    )
    assert [type(failure) for failure in failures] == [RunFailure, DamagedRun]
    assert str(measured.path / "test" / FINAL) in str(failures[1])
