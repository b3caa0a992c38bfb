"""The task of a worker by itself, which needs no Ray: one attempt at one run."""

import dataclasses
import pickle
import threading

import keras
import numpy as np
import pytest
from ray_jobs import attempts_of, jobs_in, wait_for

from keras_pvec.reproduction import training
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.runner.progress import (
    Progress,
    RunWatch,
    stored_progress,
)
from keras_pvec.reproduction.runner.ray_task import (
    Busy,
    Ended,
    Order,
    OtherVersion,
    data_arrays,
    train_attempt,
)
from keras_pvec.reproduction.runner.versions import versions
from keras_pvec.runs import RunFolder, hold_lease, open_run
from keras_pvec.runs.attempts import attempts_folder, latest_attempt

LEASE_S = 1.0


@pytest.fixture
def job(tmp_path):
    (job,) = jobs_in(tmp_path, n=1, epochs=2, log_freq="epoch", batch_size=200)
    return job


def attempt_at(job, expected=None, lease_s=LEASE_S):
    order = pickle.dumps(Order(job, "auto", False, lease_s))
    arrays = data_arrays(job.data.load_whole())
    return train_attempt(expected or versions(), order, arrays)


def test_a_finished_run_is_not_trained_again(job):
    assert attempt_at(job) == Ended()
    run = open_run(job.path)
    assert TrainingRecord.of(run).status == "finished"
    assert attempts_of(job.path) == [0]
    before = run.path.stat().st_mtime_ns
    assert attempt_at(job) == Ended()
    assert run.path.stat().st_mtime_ns == before
    assert not attempts_folder(job.path).exists()


def test_a_run_that_another_worker_trains_is_left_to_it(job):
    with hold_lease(job.path, LEASE_S):
        assert attempt_at(job) == Busy()
    assert attempt_at(job) == Ended()


def test_a_training_stops_when_another_worker_has_taken_over(job, monkeypatch):
    """It had been out of reach for longer than its lease."""
    train = training.train

    def interrupted(settings, data, path, **options):
        attempts_folder(job.path).joinpath("000002").mkdir()
        return train(settings, data, path, **options)

    monkeypatch.setattr(training, "train", interrupted)
    assert attempt_at(job, lease_s=0.01) == Busy()
    assert not job.path.exists()
    assert not job.traceback_path.exists()
    # It did not reach the end.
    assert training.epochs_done(job.path) < job.settings.epochs


def test_files_that_the_successor_removes_are_not_reported_as_a_failure(
    job, monkeypatch
):
    def removed(settings, data, path, **options):
        attempts_folder(job.path).joinpath("000002").mkdir()
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(training, "train", removed)
    assert attempt_at(job, lease_s=1000) == Busy()
    assert not job.traceback_path.exists()


def test_a_failure_is_reported_next_to_the_run(job):
    wrong = dataclasses.replace(job.settings, layers=["fc"])
    outcome = attempt_at(dataclasses.replace(job, settings=wrong))
    assert outcome.failure.path == job.path
    assert "'fc'" in outcome.failure.reason
    assert "LayerChoiceError" in job.traceback_path.read_text()
    # The lease is free for the next attempt, which has no trace of the failure.
    assert latest_attempt(job.path).heartbeat() == -1
    assert attempt_at(job) == Ended()
    assert not job.traceback_path.exists()


def test_a_run_of_other_settings_is_a_failure_of_that_run(job):
    assert attempt_at(job) == Ended()
    other = dataclasses.replace(job.settings, epochs=3)
    outcome = attempt_at(dataclasses.replace(job, settings=other))
    assert "epochs" in outcome.failure.reason


def test_a_worker_with_another_version_does_nothing(job):
    outcome = attempt_at(job, {**versions(), "numpy": "0.1"})
    assert isinstance(outcome, OtherVersion)
    assert "0.1" in outcome.difference
    assert not job.path.parent.joinpath(".seed_0.attempts").exists()


def test_the_progress_is_read_from_the_folder_of_the_attempt(job):
    assert stored_progress(job) is None
    with hold_lease(job.path, LEASE_S) as lease:
        RunFolder(lease.folder).write_metrics(0, 4, {"loss": 0.25, "other": 1})
        progress = stored_progress(job)
        assert progress.fraction == 0.5
        assert progress.shown == {"epoch": "1/2", "loss": "0.25"}
        metrics = lease.folder / "metrics.csv"
        metrics.write_bytes(b"\xff\x00" + metrics.read_bytes())
        assert stored_progress(job) is None


def test_a_run_has_begun_once_its_attempt_is_alive(job):
    """Not while it waits, even if an earlier attempt has left files."""
    watch = RunWatch()
    watch.add(job)
    assert watch.progress(job) is None
    with hold_lease(job.path, LEASE_S) as lease:
        assert watch.progress(job) == Progress(0.0, {})
        RunFolder(lease.folder).write_metrics(0, 4, {"loss": 0.25})
        assert watch.progress(job).fraction == 0.5
    queued = RunWatch()
    queued.add(job)
    assert queued.progress(job) is None
    with hold_lease(job.path, LEASE_S):
        assert queued.progress(job).fraction == 0.5


def test_a_run_that_another_program_trains_is_seen_to_be_alive(job):
    with hold_lease(job.path, LEASE_S):
        watch = RunWatch()
        watch.add(job)
        assert watch.progress(job) is None
        wait_for(lambda: watch.progress(job) is not None, timeout_s=30)


def test_a_local_training_goes_on_where_a_cluster_was(job):
    """The attempt was killed, after its first epoch."""

    class Killed(BaseException):
        pass

    def kill(epoch, logs):
        raise Killed

    expected = job.path.with_name("undisturbed")
    training.train(job.settings, job.data.load(), expected)
    with pytest.raises(Killed), hold_lease(job.path, LEASE_S) as lease:
        training.train(
            job.settings, job.data.load(), lease.folder, callbacks=[At(1, kill)]
        )
    assert training.epochs_done(job.path) == 1
    training.train(job.settings, job.data.load(), job.path)
    assert (job.path / "log.csv").read_bytes() == (expected / "log.csv").read_bytes()
    assert not attempts_folder(job.path).exists()


def test_many_attempts_at_once_train_a_run_once(job):
    """Threads of one process stand for workers; TensorFlow's are kept apart."""
    outcomes = []
    holds = threading.Event()

    def second():
        holds.wait(60)
        outcomes.append(attempt_at(job))

    thread = threading.Thread(target=second)
    thread.start()
    with hold_lease(job.path, LEASE_S) as lease:
        holds.set()
        thread.join(60)
        training.train(job.settings, job.data.load(), lease.folder)
        lease.publish()
    assert outcomes == [Busy()]
    assert attempt_at(job) == Ended()
    assert np.isfinite(open_run(job.path).metrics["loss"]).all()


class At(keras.callbacks.Callback):
    """Calls a function at the beginning of an epoch."""

    def __init__(self, epoch, act):
        super().__init__()
        self._epoch = epoch
        self._act = act

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            self._act(epoch, logs)
