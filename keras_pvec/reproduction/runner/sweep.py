"""Trains the missing runs of a list."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from keras_pvec.reproduction.failures import remove_traceback
from keras_pvec.reproduction.runner.announcement import (
    announce_jobs,
    announce_time,
    forecast_jobs,
)
from keras_pvec.reproduction.runner.displays import SweepDisplay
from keras_pvec.reproduction.runner.execution import train_job
from keras_pvec.reproduction.runner.job import DamagedRun, Job, RunFailure
from keras_pvec.reproduction.runner.progress import Finished
from keras_pvec.reproduction.runner.stored import stored_runs
from keras_pvec.reproduction.runner.workers import WorkerPool, share_cores
from keras_pvec.runs import Run


class TrainedRuns(NamedTuple):
    """The outcome of a sweep.

    Attributes:
        runs: The finished runs by their folders.
        failures: The runs that could not be finished, and those that are damaged.
    """

    runs: dict[Path, Run]
    failures: list[RunFailure | DamagedRun]


def train_jobs(
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    device: str = "auto",
    cores: Sequence[Sequence[int]] | None = None,
) -> TrainedRuns:
    """Trains the missing runs. A run that fails does not stop the others.

    Args:
        jobs: The runs; jobs with the same folder are one run.
        workers: Number of runs that are trained at the same time. One is trained in
            this process, several in worker processes.
        device: Device of the workers, as in `prepare_process`; prepare this process
            before the call.
        cores: Ids of the cores of each worker; default: equal shares of the cores of
            this process.

    Returns:
        The finished runs, and the failures of the others. A damaged run is left as it
        is.

    Raises:
        RunConflictError: A folder holds a run with other settings.
        ValueError: Fewer than one worker, or `cores` for a different number of workers.
        KeyboardInterrupt: After all workers are stopped; all runs can be resumed.
    """
    if workers < 1:
        raise ValueError(f"`workers` must be at least 1. Received: {workers}")
    if cores is not None and len(cores) != workers:
        raise ValueError(
            "`cores` must have one entry for each worker. Received: "
            f"{len(cores)} entries for {workers} workers"
        )
    jobs = list({job.path: job for job in jobs}.values())
    runs, missing, damaged = stored_runs(jobs)
    for job in jobs:
        if job.path in runs:
            # The report of an earlier failure is outdated.
            remove_traceback(job.traceback_path)
    workers = max(min(workers, len(missing)), 1)
    announce_jobs(jobs, missing, damaged)
    forecasts = forecast_jobs(missing)
    if missing:
        announce_time(forecasts.values(), workers)
    with SweepDisplay(forecasts, workers) as bar:
        if workers == 1:
            failures = _train_in_this_process(missing, bar)
        else:
            shares = cores[:workers] if cores else share_cores(workers)
            pool = WorkerPool(missing, shares, device, bar.update)
            failures = pool.run()
    trained = stored_runs(missing)
    runs = {**runs, **trained.runs}
    ordered = {job.path: runs[job.path] for job in jobs if job.path in runs}
    failed = {failure.path for failure in failures}
    spoiled = [run for run in trained.damaged if run.path not in failed]
    return TrainedRuns(ordered, [*damaged, *failures, *spoiled])


def _train_in_this_process(jobs: Sequence[Job], bar: SweepDisplay) -> list[RunFailure]:
    failures = []
    for job in jobs:
        failure = train_job(job, functools.partial(bar.update, job))
        bar.update(job, Finished(failure))
        if failure is not None:
            failures.append(failure)
    return failures
