"""The part of a model in training that is watched."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import keras

ModelChoice: TypeAlias = keras.layers.Layer | Callable[[keras.Model], Any]


def check_model_choice(model: ModelChoice | None) -> None:
    """Raises `TypeError` unless `model` is a model, a function or `None`."""
    if model is not None and not callable(model):
        raise TypeError(
            "`model` must be a Keras model, or a function of the model in training "
            f"that returns one. Received: {model!r}"
        )


def watched_model(
    trained: keras.Model, choice: ModelChoice | None
) -> keras.layers.Layer:
    """Returns the model to watch.

    Args:
        trained: The model in training.
        choice: A model, such as a part of `trained`; or a function of `trained` that
            returns one; `None` for `trained` itself.

    Raises:
        TypeError: A function that does not return a model.
    """
    if choice is None:
        return trained
    if isinstance(choice, keras.layers.Layer):
        return choice
    model = choice(trained)
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(
            "`model` is a function, and must return a Keras model or layer, such as "
            f"`lambda gan: gan.discriminator`. It returned: {model!r}"
        )
    return model


def warn_unless_trained(model: keras.layers.Layer, trained: keras.Model) -> None:
    """Warns if a built model shares no variable with the model in training."""
    if model is trained or not model.variables:
        return
    of_trained = {id(variable) for variable in trained.variables}
    if not any(id(variable) in of_trained for variable in model.variables):
        warnings.warn(
            f"The watched model {model.name!r} has no variable in common with the "
            f"model in training, {trained.name!r}, so `fit` does not change it. If it "
            "is a copy of a part, pass a function: model=lambda trained: trained.part.",
            stacklevel=2,
        )
