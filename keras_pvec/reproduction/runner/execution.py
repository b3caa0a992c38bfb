"""Trains one job; errors become a `RunFailure`."""

from __future__ import annotations

from collections.abc import Callable

from keras_pvec.reproduction import training
from keras_pvec.reproduction.failures import (
    error_text,
    remove_traceback,
    save_traceback,
)
from keras_pvec.reproduction.runner.job import Job, RunFailure
from keras_pvec.reproduction.runner.progress import Progress, ProgressReporter


def train_job(job: Job, report: Callable[[Progress], None]) -> RunFailure | None:
    """Trains a run.

    Args:
        job: The run.
        report: Receives the progress of the training.

    Returns:
        The failure, or `None` if the run is finished.
    """
    try:
        training.train(
            job.settings,
            job.data.load(),
            job.path,
            reference=job.reference,
            callbacks=[ProgressReporter(job.settings.epochs, report)],
        )
    except Exception as error:
        return save_failure(job, error)
    # The report of an earlier failure is outdated.
    remove_traceback(job.traceback_path)
    return None


def save_failure(job: Job, error: Exception) -> RunFailure:
    """Writes the traceback of a run that failed to a file, and describes the failure.

    Args:
        job: The run.
        error: What was raised.
    """
    reason = error_text(error)
    obstacle = save_traceback(job.traceback_path, error)
    if obstacle is not None:
        reason += f"; the traceback cannot be written: {obstacle}"
        return RunFailure(job.path, reason)
    return RunFailure(job.path, reason, job.traceback_path)
