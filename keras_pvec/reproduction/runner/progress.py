"""The progress of trainings: reported by a callback, displayed as one bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
from tqdm import tqdm

from keras_pvec.reproduction.runner.job import Job
from keras_pvec.runs import RunError, RunFolder, current_folder, moment_of

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


def stored_progress(job: Job) -> Progress | None:
    """The progress of a run that another process trains, by its finished epochs; `None`
    if there is none yet."""
    folder = RunFolder(current_folder(job.path))
    try:
        rows = folder.metrics_rows()
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


class ProgressBar:
    """One bar over all runs, whose length is the expected time.

    Args:
        forecasts: The remaining work of each run, by its folder.
        workers: Number of runs that are trained at the same time.
    """

    def __init__(self, forecasts: Mapping[Path, Forecast], workers: int) -> None:
        self._forecasts = forecasts
        self._workers = workers
        self._advanced = dict.fromkeys(forecasts, 0.0)
        total = sum(forecast.seconds for forecast in forecasts.values()) / workers
        self._bar = tqdm(
            total=round(total, 1),
            disable=not forecasts,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
            "{postfix}",
            # Keeps log files short.
            mininterval=0.5 if sys.stderr.isatty() else 30,
        )

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, job: Job, progress: Progress) -> None:
        """Displays the progress of a run."""
        forecast = self._forecasts[job.path]
        remaining = max(1 - forecast.fraction_done, 1e-9)
        done = (progress.fraction - forecast.fraction_done) / remaining
        position = forecast.seconds / self._workers * min(max(done, 0.0), 1.0)
        step = position - self._advanced[job.path]
        self._advanced[job.path] = position
        self._bar.set_description(job.name, refresh=False)
        self._bar.set_postfix(progress.shown, refresh=False)
        # The total is rounded, and must not be exceeded.
        self._bar.update(min(step, self._bar.total - self._bar.n))
