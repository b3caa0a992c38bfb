"""The progress of trainings, reported by a callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_pvec.reproduction.runner.job import Job, RunFailure
from keras_pvec.runs import (
    RELEASED,
    RunError,
    RunFolder,
    current_folder,
    latest_attempt,
    moment_of,
)

# Number and heartbeat of an attempt.
Attempted = tuple[int, int | None] | None

_METRICS = ("loss", "val_accuracy", "pvec_angle_data")
_STEPS_BETWEEN_REPORTS = 10


class Progress(NamedTuple):
    """The state of a training.

    Attributes:
        fraction: The fraction of the run that is done, in [0, 1].
        shown: What to display: the epoch and some metrics.
    """

    fraction: float
    shown: Mapping[str, str]


class Forecast(NamedTuple):
    """The remaining work of a run.

    Attributes:
        seconds: Expected duration, in one process.
        fraction_done: The fraction of the run that is already done, in [0, 1).
    """

    seconds: float
    fraction_done: float


class Finished(NamedTuple):
    """The end of a training.

    Attributes:
        failure: The failure, or `None`.
    """

    failure: RunFailure | None


class ProgressReporter(keras.callbacks.Callback):
    """Reports progress during an epoch and at its end.

    Args:
        epochs: Length of the training, counted from its first start.
        report: Receives the progress.
    """

    def __init__(self, epochs: int, report: Callable[[Progress], None]) -> None:
        super().__init__()
        self._report = report
        self._epochs = epochs
        self._epoch = 0
        self._shown: dict[str, str] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if batch % _STEPS_BETWEEN_REPORTS == 0:
            epochs_done = self._epoch + (batch + 1) / self.params["steps"]
            self._report(Progress(epochs_done / self._epochs, self._shown))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._shown = _shown(epoch + 1, self._epochs, logs or {})
        self._report(Progress((epoch + 1) / self._epochs, self._shown))


class RunWatch:
    """Reads the progress of runs that other processes train from their folders.

    A run has begun once it has a new attempt or a new heartbeat. Files alone do not say
    so: an unfinished run has them while it waits.
    """

    def __init__(self) -> None:
        self._before: dict[Path, Attempted] = {}
        self._begun: set[Path] = set()

    def add(self, job: Job) -> None:
        """Begins to watch a run, before it is started."""
        self._before.setdefault(job.path, _attempted(job.path))

    def progress(self, job: Job) -> Progress | None:
        """The progress of a run by its finished epochs; `None` until it has begun."""
        if job.path not in self._begun:
            now = _attempted(job.path)
            if now in (None, self._before.get(job.path)):
                return None
            self._begun.add(job.path)
        return stored_progress(job) or Progress(0.0, {})


def _attempted(path: Path) -> Attempted:
    """The last attempt at a run and its last heartbeat; `None` if there is none, or if
    it has ended."""
    try:
        attempt = latest_attempt(path)
    except OSError:  # the storage may be out of reach for a while
        return None
    if attempt is None:
        return None
    beat = attempt.heartbeat()
    return None if beat in (None, RELEASED) else (attempt.token, beat)


def stored_progress(job: Job) -> Progress | None:
    """The progress of a run by the epochs in its folder; `None` if there are none."""
    try:
        rows = RunFolder(current_folder(job.path)).metrics_rows()
        if not rows:
            return None
        done, epochs = moment_of(rows[-1]).epoch + 1, job.settings.epochs
        return Progress(done / epochs, _shown(done, epochs, rows[-1]))
    # A file may be removed or replaced at any time.
    except (RunError, OSError, ValueError):
        return None


def _shown(
    epochs_done: int, epochs: int, logs: Mapping[str, float | str]
) -> dict[str, str]:
    return {"epoch": f"{epochs_done}/{epochs}"} | {
        key: f"{float(value):.4g}" for key, value in logs.items() if key in _METRICS
    }
