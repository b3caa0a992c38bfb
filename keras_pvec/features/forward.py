"""The forward pass of a model, or of a part of a model, in inference mode."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_pvec.features.backends import adapter
from keras_pvec.features.choice import LayerChoiceError

_BASE_CALLS = (keras.Model.call, keras.layers.Layer.call)
_CONTEXT_ARGUMENTS = ("training", "mask")


def in_inference_mode(model: keras.layers.Layer, inputs: Any) -> Any:
    """Runs a model on inputs, as `predict` does.

    A list or tuple of inputs is one argument, unless the model's `call` takes several.
    """
    if isinstance(inputs, (list, tuple)) and _takes_several_inputs(model):
        return model(*inputs, training=False)
    return model(inputs, training=False)


def check_has_forward_pass(model: keras.layers.Layer) -> None:
    """Raises `LayerChoiceError` if a model has no `call`, as one that is only trained
    through its `train_step`."""
    if getattr(type(model), "call", None) not in _BASE_CALLS or "call" in vars(model):
        return
    parts = [
        name
        for name, value in vars(model).items()
        if isinstance(value, keras.layers.Layer) and not name.startswith("_")
    ]
    example = parts[0] if parts else "encoder"
    raise LayerChoiceError(
        f"The model {model.name!r} ({type(model).__name__}) has no `call`, so it has "
        "no forward pass to watch. Watch a part of it: PVectorLogger(..., "
        f"model=model.{example}), or model_p_vectors(model.{example}, ...). Its parts: "
        f"{', '.join(parts) or 'none'}."
    )


def _takes_several_inputs(model: keras.layers.Layer) -> bool:
    # Of the class: the call of the instance may be recorded at this time.
    call = adapter().unwrapped(type(model).call)
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):
        return False
    required = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind
        in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name not in _CONTEXT_ARGUMENTS
    ]
    return len(required) > 2  # `self` is the first
