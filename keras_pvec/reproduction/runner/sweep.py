"""Trains the missing runs of a list."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from keras_pvec.reproduction import training
from keras_pvec.reproduction.runner.announcement import (
    announce_jobs,
    announce_time,
    forecast_jobs,
)
from keras_pvec.reproduction.runner.execution import train_job
from keras_pvec.reproduction.runner.job import Job, RunFailure
from keras_pvec.reproduction.runner.progress import ProgressBar
from keras_pvec.reproduction.runner.workers import WorkerPool, share_cores
from keras_pvec.runs import Run


class TrainedRuns(NamedTuple):
    """The outcome of a sweep.

    Attributes:
        runs: The finished runs by their folders.
        failures: The runs that could not be finished.
    """

    runs: dict[Path, Run]
    failures: list[RunFailure]


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
        The finished runs, and the failures of the others.

    Raises:
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
    missing = [job for job in jobs if not _is_finished(job)]
    workers = max(min(workers, len(missing)), 1)
    announce_jobs(jobs, missing)
    forecasts = forecast_jobs(missing)
    if missing:
        announce_time(forecasts.values(), workers)
    with ProgressBar(forecasts, workers) as bar:
        if workers == 1:
            failures = _train_in_this_process(missing, bar)
        else:
            shares = cores[:workers] if cores else share_cores(workers)
            pool = WorkerPool(missing, shares, device, bar.update)
            failures = pool.run()
    return TrainedRuns(finished_runs(jobs), failures)


def finished_runs(jobs: Sequence[Job]) -> dict[Path, Run]:
    """The runs of these jobs that are finished, by their folders."""
    return {
        job.path: training.open_finished(job.settings, job.path)
        for job in jobs
        if _is_finished(job)
    }


def _is_finished(job: Job) -> bool:
    return training.is_finished(job.settings, job.path)


def _train_in_this_process(jobs: Sequence[Job], bar: ProgressBar) -> list[RunFailure]:
    failures = []
    for job in jobs:
        failure = train_job(job, functools.partial(bar.update, job))
        if failure is not None:
            failures.append(failure)
    return failures
