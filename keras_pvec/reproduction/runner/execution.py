"""Trains one job; errors become a `RunFailure`."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from pathlib import Path

from keras_pvec.reproduction import training
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
    traceback_path = job.path.with_name(f"{job.path.name}_error.txt")
    try:
        training.train(
            job.settings,
            job.data.load(),
            job.path,
            reference=job.reference,
            callbacks=[ProgressReporter(job.settings.epochs, report)],
        )
        # The report of an earlier failure is outdated.
        traceback_path.unlink(missing_ok=True)
    except Exception as error:
        return _save_failure(job.path, error, traceback_path)
    return None


def _save_failure(path: Path, error: Exception, traceback_path: Path) -> RunFailure:
    lines = str(error).splitlines() or ["no message"]
    reason = f"{type(error).__name__}: {lines[0]}"
    try:
        traceback_path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(traceback.format_exception(error))
        traceback_path.write_text(text, encoding="utf-8")
    except OSError as write_error:  # e.g. the disk is full
        with contextlib.suppress(OSError):
            traceback_path.unlink(missing_ok=True)
        reason += f"; the traceback cannot be written: {write_error.strerror}"
        return RunFailure(path, reason)
    return RunFailure(path, reason, traceback_path)
