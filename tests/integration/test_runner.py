"""Many runs at a time: the same rows, and nothing lost when something goes wrong."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from small_models import SMALL_MODELS

from keras_pvec.reproduction import runner, training
from keras_pvec.reproduction.data import ImageDataSpec
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.runner import Job, train_jobs

HERE = Path(__file__).parent
PYTHONPATH = os.pathsep.join(map(str, (HERE, *HERE.parents[:2])))
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


def test_how_many_workers_makes_no_difference_to_the_rows(
    tmp_path, capsys, monkeypatch
):
    """Where each has one core: sums over more threads are in another order."""
    monkeypatch.setattr(runner, "_shares", lambda n: [[0]] * n)
    two, failures = train_jobs(jobs_in(tmp_path / "two"), workers=2)
    assert not failures
    several, failures = train_jobs(jobs_in(tmp_path / "several"), workers=3)
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


def test_a_run_that_fails_does_not_stop_the_others(tmp_path):
    jobs = jobs_in(tmp_path, n=3)
    wrong = dataclasses.replace(jobs[1].settings, layers=["fc"])
    jobs[1] = dataclasses.replace(jobs[1], settings=wrong)
    runs, failures = train_jobs(jobs, workers=2)
    assert set(runs) == {jobs[0].path, jobs[2].path}
    (failure,) = failures
    assert str(jobs[1].path) in failure
    assert "'fc'" in failure
    report = tmp_path / "seed_1_error.txt"
    assert "LayerChoiceError" in report.read_text()
    # Once it succeeds, nothing speaks of the failure any more.
    jobs[1] = dataclasses.replace(jobs[1], settings=jobs_in(tmp_path)[1].settings)
    assert len(train_jobs(jobs)[0]) == 3
    assert not report.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_built_does_not_stop_the_others(workers, tmp_path):
    jobs = jobs_in(tmp_path, n=3)
    wrong = dataclasses.replace(jobs[0].settings, model_options={"width": -1})
    jobs[0] = dataclasses.replace(jobs[0], settings=wrong)
    runs, failures = train_jobs(jobs, workers=workers)
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
    assert failure.count("No space left on device") == 2


def children(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()]


@pytest.fixture
def long_sweep(tmp_path):
    """Two runs of many epochs, trained by two workers of another process."""
    program = """
        import sys
        from pathlib import Path

        if __name__ == "__main__":
            from keras_pvec.reproduction.runner import train_jobs
            from test_runner import jobs_in

            try:
                print(train_jobs(jobs_in(Path("runs"), n=2, epochs=400), workers=2)[1])
            except KeyboardInterrupt:
                sys.exit(130)
    """
    script = tmp_path / "sweep.py"
    script.write_text(textwrap.dedent(program))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(map(str, (HERE, *HERE.parents[:2])))},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    paths = [tmp_path / "runs" / f"seed_{seed}" for seed in (0, 1)]
    while not all(map(training.epochs_done, paths)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process, tmp_path / "runs"
    process.kill()
    process.wait()
    process.stdout.close()


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_no_worker_outlives_the_first_process(name, long_sweep):
    how = getattr(signal, name)
    process, runs = long_sweep
    workers = children(process.pid)
    assert len(workers) >= 2
    if how == signal.SIGINT:  # as a terminal sends it, to all of them
        os.killpg(process.pid, how)
    else:
        os.kill(process.pid, how)
    assert process.wait(timeout=60) == (130 if how == signal.SIGINT else -how)
    wait_for(lambda: not any(map(is_alive, workers)))
    for job in jobs_in(runs, n=2, epochs=400):
        assert training.epochs_done(job.path) >= 1  # and goes on from there
        assert not training.is_finished(job.settings, job.path)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_a_worker_that_is_killed_is_told_and_replaced(tmp_path, monkeypatch):
    """Its run goes on where it was; the run after it is trained by another worker."""
    begun = []
    serve = runner._Worker.begin

    def begin(worker, job):
        serve(worker, job)
        if not begun:
            os.kill(worker.process.pid, signal.SIGKILL)
        begun.append(worker.process.pid)

    monkeypatch.setattr(runner._Worker, "begin", begin)
    runs, failures = train_jobs(jobs_in(tmp_path), workers=2)
    assert len(runs) == 3
    (failure,) = failures
    assert "seed_0" in failure
    assert "-9" in failure
    assert len(set(begun)) == 3
    monkeypatch.undo()
    runs, failures = train_jobs(jobs_in(tmp_path))
    assert len(runs) == 4
    assert not failures


def test_cores_are_shared(monkeypatch):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system tells no affinity")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5, 7, 9})
    assert runner._shares(2) == [[1, 5, 9], [3, 7]]
    assert runner._shares(5) == [[1], [3], [5], [7], [9]]
    assert runner._shares(7) == [[1], [3], [5], [7], [9], [1], [3]]


def test_less_than_one_worker():
    with pytest.raises(ValueError, match="0"):
        train_jobs([], workers=0)
