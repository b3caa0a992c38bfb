"""Trains what is missing of many runs, in this process or in several, and says how far
it is.

Every worker is a process of its own with its share of the cores. What it is to train
reaches it as a `Job`, which holds no arrays; it loads the images itself. Runs are
independent and resumable, so a worker that dies costs its run's last epoch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import keras
from tqdm import tqdm

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import ImageDataSpec
from keras_pvec.reproduction.devices import prepare_process
from keras_pvec.runs import Run, open_run

# Threads of a worker's libraries; TensorFlow has variables of its own.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

# Called with the share of a run that is done, in [0, 1], and what to show of it.
_Report = Callable[[float, dict[str, str]], None]


@dataclasses.dataclass(frozen=True)
class Job:
    """A run that an experiment needs: what to train, on what, and where it is kept.

    Attributes:
        settings: What to train.
        path: Folder of the run.
        data: The images.
        reference: The accuracy that a well-trained network of that size has.
    """

    settings: training.RunSettings
    path: Path
    data: ImageDataSpec
    reference: training.ReferenceAccuracy | None = None

    @property
    def name(self) -> str:
        """What to call the run while it is trained."""
        settings = self.settings
        model = " ".join([settings.dataset, settings.model, settings.variant]).strip()
        return f"{model}, seed {settings.seed}"


def train_jobs(
    jobs: Sequence[Job], *, workers: int = 1, device: str = "auto"
) -> tuple[dict[Path, Run], list[str]]:
    """Trains what is missing of these runs; one that fails does not stop the others.

    Args:
        jobs: The runs; those of one folder are one run.
        workers: How many to train at a time, each with its share of the cores.
        device: Where workers compute, as in `prepare_process`; this process is to be
            prepared before.

    Returns:
        The finished runs by their folders, and one line for each failure.

    Raises:
        ValueError: Less than one worker.
        KeyboardInterrupt: Once all workers are stopped; all runs can be gone on with.
    """
    if workers < 1:
        raise ValueError(f"`workers` must be at least 1. Received: {workers}")
    jobs = list({job.path: job for job in jobs}.values())
    missing = [j for j in jobs if not training.is_finished(j.settings, j.path)]
    workers = max(min(workers, len(missing)), 1)
    forecasts = _announce(jobs, missing, workers)
    failures: list[str] = []
    with _Display(forecasts, workers) as display:
        if workers == 1:
            for job in missing:
                failure = _train(job, display.reporter(job))
                if failure is not None:
                    failures.append(failure)
        else:
            failures = _train_in_processes(missing, workers, device, display)
    runs = {
        job.path: open_run(job.path)
        for job in jobs
        if job not in missing or training.is_finished(job.settings, job.path)
    }
    return runs, failures


def finished_jobs(jobs: Sequence[Job]) -> dict[Path, Run]:
    """Those of the runs that are finished, by their folders. Says how many are not."""
    jobs = list({job.path: job for job in jobs}.values())
    runs = {
        job.path: open_run(job.path)
        for job in jobs
        if training.is_finished(job.settings, job.path)
    }
    print(f"{len(runs)} runs are there, {len(jobs) - len(runs)} are not.")
    return runs


def _train(job: Job, report: _Report) -> str | None:
    """Trains a run; returns what failed, in one line, and leaves the rest beside it."""
    try:
        data = job.data.load()
        training.train(
            job.settings,
            data,
            job.path,
            reference=job.reference,
            callbacks=[_Progress(job, report)],
        )
        # What an earlier attempt left no longer holds.
        _traceback_path(job).unlink(missing_ok=True)
    except Exception as error:
        return _describe_failure(job, error)
    return None


def _traceback_path(job: Job) -> Path:
    return job.path.with_name(f"{job.path.name}_error.txt")


def _describe_failure(job: Job, error: Exception) -> str:
    """What failed, in one line; the traceback goes beside the run, if there is room."""
    lines = str(error).splitlines() or ["no further word"]
    failure = f"{job.path} failed ({type(error).__name__}: {lines[0]})"
    path = _traceback_path(job)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError as unwritten:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return f"{failure}; no traceback could be written ({unwritten.strerror})."
    return f"{failure}; full traceback in {path}."


class _Progress(keras.callbacks.Callback):
    """Reports how much of a run is done, after some updates and after each epoch."""

    _EVERY = 10

    def __init__(self, job: Job, report: _Report) -> None:
        super().__init__()
        self._report = report
        self._epochs = job.settings.epochs
        self._shown: dict[str, str] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if batch % self._EVERY == 0:
            done = self._epoch + (batch + 1) / self.params["steps"]
            self._report(done / self._epochs, self._shown)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._shown = {"epoch": f"{epoch + 1}/{self._epochs}"} | {
            key: f"{value:.4g}"
            for key, value in (logs or {}).items()
            if key in ("loss", "val_accuracy", "pvec_angle_data")
        }
        self._report((epoch + 1) / self._epochs, self._shown)


class _Display:
    """One progress bar over all runs, moved by the time that is expected to pass."""

    def __init__(self, forecasts: dict[Path, float], workers: int) -> None:
        self._forecasts = {p: seconds / workers for p, seconds in forecasts.items()}
        self._moved = dict.fromkeys(forecasts, 0.0)
        self._bar = tqdm(
            total=round(sum(self._forecasts.values()), 1),
            disable=not forecasts,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
            "{postfix}",
            # A log file is not to be flooded with states of the bar.
            mininterval=0.5 if sys.stderr.isatty() else 30,
        )

    def __enter__(self) -> _Display:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def reporter(self, job: Job) -> _Report:
        """What to call with the progress of a run."""
        epochs = job.settings.epochs
        before = training.epochs_done(job.path) / epochs

        def report(share: float, shown: dict[str, str]) -> None:
            done = (share - before) / max(1 - before, 1e-9)
            moved = self._forecasts[job.path] * min(max(done, 0.0), 1.0)
            step = moved - self._moved[job.path]
            self._moved[job.path] = moved
            self._bar.set_description(job.name, refresh=False)
            self._bar.set_postfix(shown, refresh=False)
            # Rounding may add up to a little more than the whole.
            self._bar.update(min(step, self._bar.total - self._bar.n))

        return report


class _Worker:
    """A process that trains one run after the other."""

    def __init__(self, cores: Sequence[int], device: str) -> None:
        self.cores = list(cores)
        self.job: Job | None = None
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, self.cores, device), daemon=True
        )
        with _thread_limit(max(len(self.cores), 1)), _without_interrupts():
            self.process.start()
        theirs.close()

    def begin(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(OSError):  # a dead one shows when it is listened to
            self.connection.send(job)

    def stop(self) -> None:
        """Ends the process, whatever it does; its run can be gone on with."""
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _train_in_processes(
    jobs: Sequence[Job], n_workers: int, device: str, display: _Display
) -> list[str]:
    # The last one first, so that `pop` takes them in order.
    waiting = list(reversed(jobs))
    failures: list[str] = []
    workers = [_Worker(cores, device) for cores in _shares(n_workers)]
    reports: dict[Path, _Report] = {}

    def begin(worker: _Worker) -> None:
        worker.job = None
        if waiting:
            job = waiting.pop()
            reports[job.path] = display.reporter(job)
            worker.begin(job)

    try:
        for worker in workers:
            begin(worker)
        while busy := [worker for worker in workers if worker.job is not None]:
            ready = wait([worker.connection for worker in busy])
            for i, worker in enumerate(workers):
                if worker.connection not in ready or worker.job is None:
                    continue
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    failures.append(_describe_death(worker))
                    worker.stop()
                    worker.job = None
                    if waiting:
                        workers[i] = _Worker(worker.cores, device)
                        begin(workers[i])
                    continue
                if isinstance(message, _Done):
                    if message.failure is not None:
                        failures.append(message.failure)
                    begin(worker)
                else:
                    reports[worker.job.path](*message)
    finally:
        for worker in workers:
            worker.stop()
    return failures


def _describe_death(worker: _Worker) -> str:
    worker.process.join()
    code = worker.process.exitcode
    why = ", as when the system runs out of memory" if code == -signal.SIGKILL else ""
    return (
        f"{worker.job.path} failed: its process ended with exit code {code}{why}. The "
        "same command goes on after its last finished epoch."
    )


@dataclasses.dataclass(frozen=True)
class _Done:
    """What a worker says when it is through with a run."""

    failure: str | None


def _serve(connection: Connection, cores: Sequence[int], device: str) -> None:
    """What a worker process does: trains the jobs that come in, until it is ended."""
    # Ctrl-C goes to all processes of a terminal; the first one stops the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare_process(device, shared=True)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        failure = _train(job, lambda *progress: connection.send(progress))
        connection.send(_Done(failure))


def _end_with_parent() -> None:
    """No worker is to go on alone when the first process was killed."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _shares(n_workers: int) -> list[list[int]]:
    """The cores of each worker; several workers share one where there are too few."""
    if not hasattr(os, "sched_getaffinity"):
        n_cores = max((os.cpu_count() or 1) // n_workers, 1)
        return [list(range(n_cores))] * n_workers
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < n_workers:
        return [[cores[i % len(cores)]] for i in range(n_workers)]
    return [cores[i::n_workers] for i in range(n_workers)]


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started within ignore Ctrl-C from their first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _thread_limit(n: int) -> Iterator[None]:
    """The environment of processes that are started within: `n` threads a library."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update({name: str(n) for name in _THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _announce(
    jobs: Sequence[Job], missing: Sequence[Job], workers: int
) -> dict[Path, float]:
    """Says what is trained and what is reused; returns the seconds that each missing
    run is expected to take in one process."""
    for name, job in {job.settings.dataset: job for job in reversed(jobs)}.items():
        data = job.data.load()
        samples = [f"{n} {s}" for s, n in job.settings.num_samples.items()]
        print(
            f"{name}: {len(data.train)} training images, {len(data.test)} test "
            f"images; P-vectors on {' and '.join(samples)} samples."
        )
    speeds: dict[tuple[str, str], training.Speed] = {}
    forecasts = {}
    for job in jobs:
        if job not in missing:
            print(f"  reuse  {job.path}")
            continue
        kind = (job.settings.dataset, job.settings.model)
        done = training.epochs_done(job.path)
        try:
            if kind not in speeds:
                speeds[kind] = training.measure_speed(job.settings, job.data.load())
            forecasts[job.path] = training.expected_seconds(
                job.settings, job.data.load(), speeds[kind], done
            )
        except Exception:  # it fails again, and is told, when it is trained
            forecasts[job.path] = 0.0
        resumed = f", {done} of them done" if done else ""
        print(f"  train  {job.path}  ({job.settings.epochs} epochs{resumed})")
    if missing:
        total = sum(forecasts.values()) / workers
        by = f" with {workers} workers" if workers > 1 else ""
        print(f"Expected time: about {_duration(total)}{by}.", flush=True)
    return forecasts


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
