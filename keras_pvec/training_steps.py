"""Training steps, as Keras counts them."""

from __future__ import annotations

from typing import Any

import keras


class StepCounter:
    """Counts the training steps of `fit`.

    The optimizer's own counter is not reliable: it does not advance when a model drives
    several optimizers itself, and advances more slowly when gradients are accumulated.
    """

    def __init__(self) -> None:
        self.total = 0
        self._calls_in_epoch = 0
        self._total_before_epoch = 0

    def begin_epoch(self) -> None:
        self._calls_in_epoch = 0
        self._total_before_epoch = self.total

    def add_call(self, model: keras.Model, steps_in_epoch: int | None) -> None:
        """Counts a call of `on_train_batch_end`, which Keras makes once for
        `steps_per_execution` steps; the last call of an epoch may have fewer."""
        self._calls_in_epoch += 1
        per_call = int(getattr(model, "steps_per_execution", 1) or 1)
        steps = self._calls_in_epoch * per_call
        if steps_in_epoch:
            steps = min(steps, steps_in_epoch)
        self.total = self._total_before_epoch + steps


def updates_of(model: keras.Model) -> int:
    """Training steps according to the optimizer's counter."""
    optimizer = getattr(model, "optimizer", None)
    updates = int(keras.ops.convert_to_numpy(getattr(optimizer, "iterations", 0)))
    return updates * (getattr(optimizer, "gradient_accumulation_steps", None) or 1)


def learning_rate_of(model: keras.Model) -> dict[str, Any]:
    """The learning rate as an entry of `logs`; empty for a model without one."""
    rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
    return {} if rate is None else {"learning_rate": rate}
