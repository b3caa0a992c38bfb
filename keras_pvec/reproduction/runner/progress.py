"""The progress of trainings, reported by a callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras

from keras_pvec.reproduction.runner.job import RunFailure

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
        self._shown = {"epoch": f"{epoch + 1}/{self._epochs}"} | {
            key: f"{value:.4g}"
            for key, value in (logs or {}).items()
            if key in _METRICS
        }
        self._report(Progress((epoch + 1) / self._epochs, self._shown))
