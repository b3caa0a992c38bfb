"""Many runs at a time: the same rows, and nothing lost when something goes wrong."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from small_models import SMALL_MODELS

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import ImageDataSpec
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.runner import Job, train_jobs
from keras_pvec.reproduction.runner.workers import share_cores

ROOT = Path(__file__).parents[2]
DATA = ImageDataSpec("digits", None, 200, 50)


def jobs_in(folder, n=4, **changes):
    settings = training.RunSettings(
        dataset="digits",
        data_sha256=DATA.load().fingerprint(),
        model="mlp",
        model_options=SMALL_MODELS["mlp"],
        recipe=training.RECIPES["mlp"],
        epochs=2,
        batch_size=64,
        seed=0,
        num_samples={"train": 100},
        layers=[MODELS["mlp"].feature_layer],
    )
    settings = dataclasses.replace(settings, **changes)
    return [
        Job(dataclasses.replace(settings, seed=seed), folder / f"seed_{seed}", DATA)
        for seed in range(n)
    ]


def one_core_each(n_workers):
    (cores,) = share_cores(1)
    return [[cores[i % len(cores)]] for i in range(n_workers)]


@pytest.mark.slow
def test_how_many_workers_makes_no_difference_to_the_rows(tmp_path, capsys):
    """Where each has one core: sums over more threads are in another order."""
    two, failures = train_jobs(
        jobs_in(tmp_path / "two"), workers=2, cores=one_core_each(2)
    )
    assert not failures
    several, failures = train_jobs(
        jobs_in(tmp_path / "several"), workers=3, cores=one_core_each(3)
    )
    assert not failures
    assert len(two) == len(several) == 4
    for a, b in zip(two.values(), several.values(), strict=True):
        assert (a.path / "log.csv").read_text() == (b.path / "log.csv").read_text()
        if hasattr(os, "sched_setaffinity"):
            assert TrainingRecord.of(a).n_cores == TrainingRecord.of(b).n_cores == 1
    assert "with 3 workers" in capsys.readouterr().out
    # What is there is not trained again.
    before = [run.path.stat().st_mtime_ns for run in several.values()]
    again, _ = train_jobs(jobs_in(tmp_path / "several"), workers=3)
    assert [run.path.stat().st_mtime_ns for run in again.values()] == before


@pytest.mark.slow
def test_a_run_that_fails_does_not_stop_the_others(tmp_path, capsys):
    jobs = jobs_in(tmp_path, n=3)
    wrong = dataclasses.replace(jobs[1].settings, layers=["fc"])
    jobs[1] = dataclasses.replace(jobs[1], settings=wrong)
    runs, failures = train_jobs(jobs, workers=2)
    assert set(runs) == {jobs[0].path, jobs[2].path}
    # Outside of a terminal, a line for each run that ends.
    shown = [
        li for li in capsys.readouterr().err.split("\n") if " of 3 runs done" in li
    ]
    assert len(shown) >= 3 and "\r" not in "".join(shown)
    assert shown[-1].startswith("2 of 3 runs done, 0 running, 1 failed")
    (failure,) = failures
    assert failure.path == jobs[1].path
    assert "'fc'" in failure.reason
    report = tmp_path / "seed_1_error.txt"
    assert failure.traceback_path == report
    assert "LayerChoiceError" in report.read_text()
    # Once it succeeds, nothing speaks of the failure any more.
    jobs[1] = dataclasses.replace(jobs[1], settings=jobs_in(tmp_path)[1].settings)
    assert len(train_jobs(jobs)[0]) == 3
    assert not report.exists()


def test_a_model_that_cannot_be_built_does_not_stop_the_others(tmp_path, capsys):
    jobs = jobs_in(tmp_path, n=3)
    wrong = dataclasses.replace(jobs[0].settings, model_options={"width": -1})
    jobs[0] = dataclasses.replace(jobs[0], settings=wrong)
    runs, failures = train_jobs(jobs)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("2 of 3 runs done, 0 running, 1 failed")
    assert len(runs) == 2
    assert len(failures) == 1


def test_a_full_disk_does_not_stop_the_others(tmp_path, monkeypatch):
    """Not even where there is no room for what went wrong."""
    jobs = jobs_in(tmp_path, n=2)
    train = training.train

    def full(settings, data, path, **options):
        if settings.seed == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return train(settings, data, path, **options)

    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training, "train", full)
    monkeypatch.setattr(Path, "write_text", no_room)
    runs, failures = train_jobs(jobs)
    assert len(runs) == 1
    (failure,) = failures
    assert failure.traceback_path is None
    # Of the training, and of the report about it.
    assert failure.reason.count("No space left on device") == 2


def children(pid):
    """Ids of the worker processes of a process."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [child for child in map(int, listed.read_text().split()) if is_worker(child)]


def is_worker(pid):
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return False


@pytest.fixture
def long_experiment(tmp_path):
    """A binary whose two workers have begun to train one run of many epochs each."""
    process = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "experiments" / "convergence.py"),
            *("--models=mlp", "--epochs=2000", "--train_samples=200", "--seeds=0,1"),
            *("--num_samples=50", "--log_freq=epoch", "--workers=2"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell lets its background jobs ignore the interrupt, and so their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    place = tmp_path / "runs" / "digits" / "small" / "mlp"
    paths = [place / "seed_0", place / "seed_1"]
    try:
        wait_for(lambda: all(map(training.epochs_done, paths)), process)
        yield process, paths
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for(condition, process=None, timeout_s=120):
    """Waits until a condition holds, while a process runs."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_no_worker_outlives_the_binary(name, long_experiment):
    how = getattr(signal, name)
    process, runs = long_experiment
    workers = children(process.pid)
    assert len(workers) == 2
    if how == signal.SIGINT:  # as a terminal sends it, to all of them
        os.killpg(process.pid, how)
    else:
        os.kill(process.pid, how)
    assert process.wait(timeout=60) == (130 if how == signal.SIGINT else -how)
    wait_for(lambda: not any(map(is_alive, workers)))
    assert "Traceback" not in process.stderr.read()
    for path in runs:
        assert training.epochs_done(path) >= 1  # and goes on from there
        assert TrainingRecord.of(kp.open_run(path)).status == "running"


class WorkerKiller(threading.Thread):
    """Kills the first worker of this process that it sees, and notes all workers."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen = []
        self._is_done = threading.Event()

    def run(self):
        while not self._is_done.wait(0.01):
            for pid in children(os.getpid()):
                if pid not in self.seen:
                    self.seen.append(pid)
                    if len(self.seen) == 1:
                        os.kill(pid, signal.SIGKILL)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._is_done.set()
        self.join()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_a_worker_that_is_killed_is_told_and_replaced(tmp_path):
    """Its run goes on where it was; the runs after it are trained by another worker."""
    with WorkerKiller() as killer:
        runs, failures = train_jobs(jobs_in(tmp_path), workers=2)
    assert len(runs) == 3
    (failure,) = failures
    assert failure.path == tmp_path / "seed_0"
    assert "-9" in failure.reason
    assert len(killer.seen) == 3
    # The run that is left has a worker's share of the cores again, not all of them.
    runs, failures = train_jobs(jobs_in(tmp_path), workers=2)
    assert len(runs) == 4
    assert not failures
    if hasattr(os, "sched_setaffinity"):
        shares = {len(cores) for cores in share_cores(2)}
        assert {TrainingRecord.of(run).n_cores for run in runs.values()} <= shares
