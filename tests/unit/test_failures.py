"""Errors in one line, and their tracebacks, also on a full disk."""

import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from keras_pvec.reproduction import results, training
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.failures import error_text, save_traceback
from keras_pvec.reproduction.planner import plan_runs
from keras_pvec.reproduction.results import ResultsNotWrittenError, save_findings
from keras_pvec.reproduction.runner import train_jobs
from keras_pvec.reproduction.studies import STUDIES, Findings

FULL_DISK = Path("/dev/full")  # every write to it fails as on a full disk

needs_full_disk = pytest.mark.skipif(
    not FULL_DISK.exists(), reason="this system has no /dev/full"
)


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ValueError("a\nb"), ["ValueError", "a"]),
        (MemoryError(), ["MemoryError", "memory"]),
        (KeyError(), ["KeyError"]),
        (ValueError("\n\n"), ["ValueError"]),
    ],
    ids=repr,
)
def test_an_error_is_one_line(error, named):
    (line,) = error_text(error).splitlines()
    assert all(word in line for word in named)
    assert not line.endswith(": ")


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_traceback_is_written_whatever_it_holds(tmp_path):
    path = tmp_path / "new" / "error.txt"
    assert save_traceback(path, raised(ValueError("\ud800"))) is None
    assert "Traceback" in path.read_text()


@needs_full_disk
def test_a_full_disk_does_not_hide_the_error(tmp_path):
    path = tmp_path / "error.txt"
    path.symlink_to(FULL_DISK)
    text = save_traceback(path, raised(ValueError("a")))
    assert text == os.strerror(errno.ENOSPC)
    assert not path.is_symlink()  # no half of it is left
    assert FULL_DISK.exists()


def test_a_folder_in_place_of_the_traceback(tmp_path):
    assert save_traceback(tmp_path, raised(ValueError("a"))) is not None


@pytest.fixture
def jobs(tmp_path):
    config = ExperimentConfig(
        models=("mlp",),
        seeds=(0, 1),
        epochs=1,
        train_samples=16,
        num_samples=8,
        runs_dir=tmp_path,
        train=False,
    )
    return plan_runs(config, {STUDIES["layerwise"]: ["mlp"]})[STUDIES["layerwise"]]


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), MemoryError()])
@pytest.mark.parametrize("write", [Path.write_text, no_space], ids=["fits", "full"])
def test_every_run_is_tried_and_reported(error, write, jobs, monkeypatch):
    tried = []

    def train(settings, data, path, **_):
        tried.append(path)
        raise error

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(training, "measure_speed", no_space)
    monkeypatch.setattr(Path, "write_text", write)
    runs, failures = train_jobs(jobs)
    assert not runs
    assert tried == [job.path for job in jobs]
    for job, failure in zip(jobs, failures, strict=True):
        assert failure.path == job.path
        assert error_text(error) in str(failure)
        assert job.traceback_path.exists() == (write is not no_space)


def test_results_on_a_full_disk_name_their_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "write_atomically", no_space)
    findings = Findings({"angles": pd.DataFrame({"angle_deg": [1.5]})}, {}, ())
    with pytest.raises(ResultsNotWrittenError, match=str(tmp_path)):
        save_findings(findings, tmp_path, {})
