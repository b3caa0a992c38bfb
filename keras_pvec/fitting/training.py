"""The state of one training, as a callback sees it."""

from __future__ import annotations

import keras

from keras_pvec.fitting.end import HistoryOrder
from keras_pvec.fitting.steps import StepCounter
from keras_pvec.fitting.threads import TrainingThread

_HOOKS = (
    "A training loop of your own calls set_model(model), on_train_begin(), "
    "on_epoch_begin(epoch), on_train_batch_end(batch), on_epoch_end(epoch) and "
    "on_train_end()."
)


class Training:
    """The state of one training.

    Args:
        order: Whether the `History` of this training comes after the callback.

    Attributes:
        order: As given.
        steps: Counts its steps.
        epoch: The current epoch.
        has_begun: Whether the model before the first epoch is logged.
        has_ended: Whether the model that the training leaves is logged.
        thread: The thread that trains.
        weights_sha256: Fingerprint of the weights at the end of the last epoch.
    """

    def __init__(self, order: HistoryOrder | None = None) -> None:
        self.order = order
        self.steps = StepCounter()
        self.epoch = 0
        self.has_begun = False
        self.has_ended = False
        self.thread = TrainingThread()
        self.weights_sha256: str | None = None

    def check_model(self, model: keras.Model | None) -> None:
        """Raises `RuntimeError` if the callback was not given a model."""
        if model is None:
            raise RuntimeError(f"PVectorLogger was not given a model. {_HOOKS}")

    def begin_epoch(self, epoch: int) -> None:
        """Notes that an epoch begins, in the thread that trains."""
        self.epoch = epoch
        self.thread.begin_epoch()

    def check_begun(self) -> None:
        """Raises `RuntimeError` if the callback was not told that an epoch began."""
        if not self.has_begun:
            raise RuntimeError(
                f"PVectorLogger was not told that the first epoch began. {_HOOKS}"
            )
