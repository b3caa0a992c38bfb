"""The model that `fit` leaves, which is not always the one of the last epoch.

After the last epoch, Keras replaces the weights by their moving averages
(`use_ema=True`), and callbacks may restore earlier weights in `on_train_end`
(`EarlyStopping(restore_best_weights=True)`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def weights_sha256(model: keras.Model) -> str:
    """SHA-256 over the weights of a model, in hexadecimal.

    Takes a few seconds per gigabyte, far less than a forward pass over the samples.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{array.dtype} {array.shape};".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class _AfterHistory:
    """An `on_train_end` for a `History` that also calls a function, once."""

    def __init__(
        self, history: keras.callbacks.History, function: Callable[[], None]
    ) -> None:
        self._history = history
        self._earlier = history.on_train_end
        self._function = function

    def __call__(self, logs: dict[str, Any] | None = None) -> None:
        vars(self._history).pop("on_train_end", None)
        self._earlier(logs)
        self._function()


def call_after_others(
    history: keras.callbacks.History | None, function: Callable[[], None]
) -> None:
    """Calls a function in the `on_train_end` of a callback that comes last.

    Keras appends its `History` to the callbacks of the user, so by then all of them
    have ended. Like `LambdaCallback`, this sets the hook on the instance; it is removed
    when it is called.

    Args:
        history: The `History` whose `on_train_end` is yet to come; `None` calls the
            function at once.
        function: What to call.
    """
    if history is None:
        function()
    else:
        history.on_train_end = _AfterHistory(history, function)


class HistoryOrder:
    """Whether the `History` of a training comes after a callback.

    `History.on_train_begin` starts a new list of epochs. It has not done so when the
    callback begins if it comes later, and has done so when the callback ends.

    Args:
        model: The model, in `on_train_begin` of the callback.
    """

    def __init__(self, model: keras.Model) -> None:
        self._epochs_at_begin = _epochs_of(_history_of(model))

    def later(self, model: keras.Model) -> keras.callbacks.History | None:
        """The `History` of this training, if its hooks come after the callback's."""
        history = _history_of(model)
        epochs = _epochs_of(history)
        return None if epochs is self._epochs_at_begin else history


def _history_of(model: keras.Model) -> keras.callbacks.History | None:
    history = getattr(model, "history", None)
    return history if isinstance(history, keras.callbacks.History) else None


def _epochs_of(history: keras.callbacks.History | None) -> list[int] | None:
    return getattr(history, "epoch", None)
