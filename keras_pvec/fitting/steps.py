"""Training steps, as Keras counts them."""

from __future__ import annotations

import threading
from typing import Any

import keras


class StepCounter:
    """Counts the training steps of `fit`.

    The optimizer's own counter is not reliable: it does not advance when a model drives
    several optimizers itself, and advances more slowly when gradients are accumulated.
    Keras may call hooks from several threads at once.
    """

    def __init__(self) -> None:
        self.total = 0
        self._before_epoch = 0
        self._at_last_begin = 0
        self._calls_in_epoch = 0
        self._steps_per_call = 1
        self._steps_in_epoch: int | None = None
        self._lock = threading.Lock()

    def begin_epoch(self, steps_per_call: int, steps_in_epoch: int | None) -> None:
        """Begins an epoch.

        Args:
            steps_per_call: Steps for each call of `on_train_batch_end`
                (`steps_per_execution`); the last call of an epoch may have fewer.
            steps_in_epoch: Steps in the epoch; `None` if they are not known.
        """
        self._steps_per_call = int(steps_per_call)
        self._steps_in_epoch = steps_in_epoch
        self._calls_in_epoch = 0
        self._before_epoch = self.total
        self._at_last_begin = self.total

    def add_call(self) -> tuple[int, int]:
        """Counts a call of `on_train_batch_end`.

        Returns:
            The numbers of steps before it and after it.
        """
        with self._lock:
            before = self.total
            self._calls_in_epoch += 1
            steps = self._calls_in_epoch * self._steps_per_call
            if self._steps_in_epoch:
                steps = min(steps, self._steps_in_epoch)
            self.total = self._before_epoch + steps
            return before, self.total

    def begin_batch(self, batch: int) -> tuple[int, int]:
        """Takes the index of a batch that begins, as `on_train_batch_begin` does.

        Returns:
            The numbers of steps done when the batch before it began, and now.
        """
        before = self._at_last_begin
        self._at_last_begin = max(before, self._before_epoch + batch)
        return before, self._at_last_begin

    def end_epoch(self, updates: int) -> int:
        """The number of steps at the end of an epoch.

        Args:
            updates: Steps that the optimizer has counted. They count in a training loop
                of the user's own that does not call `on_train_batch_end`.
        """
        if self._calls_in_epoch == 0:
            self.total = max(self.total, updates)
        return self.total


def updates_of(model: keras.Model) -> int:
    """Training steps according to the optimizer's counter."""
    optimizer = getattr(model, "optimizer", None)
    updates = int(keras.ops.convert_to_numpy(getattr(optimizer, "iterations", 0)))
    return updates * (getattr(optimizer, "gradient_accumulation_steps", None) or 1)


def learning_rate_of(model: keras.Model) -> dict[str, Any]:
    """The learning rate as an entry of `logs`; empty for a model without one."""
    rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
    if rate is None:
        return {}
    return {"learning_rate": float(keras.ops.convert_to_numpy(rate))}
