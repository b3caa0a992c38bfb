"""Trains the missing runs of a list."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from keras_pvec.reproduction.failures import remove_traceback
from keras_pvec.reproduction.runner.announcement import (
    announce_jobs,
    announce_time,
    forecast_jobs,
)
from keras_pvec.reproduction.runner.cluster import RayCluster
from keras_pvec.reproduction.runner.displays import SweepDisplay
from keras_pvec.reproduction.runner.execution import train_job
from keras_pvec.reproduction.runner.job import DamagedRun, Job, RunFailure
from keras_pvec.reproduction.runner.progress import Finished, Progress
from keras_pvec.reproduction.runner.stored import stored_runs
from keras_pvec.reproduction.runner.workers import WorkerPool, share_cores
from keras_pvec.runs import Run

if TYPE_CHECKING:
    from keras_pvec.reproduction.runner.ray_pool import RayPool


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
    cluster: RayCluster | None = None,
) -> TrainedRuns:
    """Trains the missing runs. A run that fails does not stop the others.

    Args:
        jobs: The runs; jobs with the same folder are one run.
        workers: Number of runs that are trained at the same time. One is trained in
            this process, several in worker processes.
        device: Device of the workers, as in `prepare_process`; prepare this process
            before the call.
        cores: Ids of the cores of each worker; default: equal shares of the cores of
            this process. A share depends on all jobs, not on the missing ones alone, so
            a run that is resumed gets the cores that it had and gives the same numbers.
        cluster: The cluster that trains the runs instead; their folders must be on
            storage that all of its nodes share.

    Returns:
        The finished runs, and the failures of the others. A damaged run is left as it
        is.

    Raises:
        RunConflictError: A folder holds a run with other settings.
        ClusterError: The cluster cannot be used.
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
    with contextlib.ExitStack() as stack:
        pool = None
        if cluster is not None and missing:
            pool = stack.enter_context(_ray_pool(cluster))
            workers = pool.slots
        shared_by = min(workers, len(jobs))
        n_active = max(min(workers, len(missing)), 1)
        announce_jobs(jobs, missing, damaged)
        forecasts = forecast_jobs(missing)
        if missing:
            announce_time(forecasts.values(), n_active)
        with SweepDisplay(forecasts, n_active) as bar:
            if pool is not None:
                failures = pool.run(missing, device, bar.update)
            elif shared_by <= 1:
                failures = _train_in_this_process(missing, bar)
            elif missing:
                shares = (cores or share_cores(shared_by))[:n_active]
                failures = WorkerPool(missing, shares, device, bar.update).run()
            else:
                failures = []
    trained = stored_runs(missing)
    runs = {**runs, **trained.runs}
    ordered = {job.path: runs[job.path] for job in jobs if job.path in runs}
    failed = {failure.path for failure in failures}
    spoiled = [run for run in trained.damaged if run.path not in failed]
    return TrainedRuns(ordered, [*damaged, *failures, *spoiled])


def _ray_pool(cluster: RayCluster) -> RayPool:
    # Imported only where a cluster is asked for.
    from keras_pvec.reproduction.runner.ray_pool import RayPool

    return RayPool(cluster)


def _train_in_this_process(jobs: Sequence[Job], bar: SweepDisplay) -> list[RunFailure]:
    failures = []
    for job in jobs:
        bar.update(job, Progress(0.0, {}))
        failure = train_job(job, functools.partial(bar.update, job))
        bar.update(job, Finished(failure))
        if failure is not None:
            failures.append(failure)
    return failures
