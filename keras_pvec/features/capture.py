"""Captures the inputs and outputs of layers during a forward pass.

The calls of a model's layers are recorded, so it makes no difference whether the model
is Sequential, functional, subclassed or nested, and how many inputs it has.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras

from keras_pvec.features.backends import Adapter
from keras_pvec.features.choice import LayerChoiceError, WatchedTensor


@dataclasses.dataclass(frozen=True)
class LayerCall:
    """One call of a layer.

    Attributes:
        layer: The layer.
        first_input: Its first argument.
        output: What it returned.
    """

    layer: keras.layers.Layer
    first_input: Any
    output: Any


@contextlib.contextmanager
def recorded_calls(layers: Iterable[keras.layers.Layer]) -> Iterator[list[LayerCall]]:
    """Records the calls of layers within a `with` block, in order."""
    calls: list[LayerCall] = []
    patched: list[tuple[keras.layers.Layer, Any]] = []
    try:
        for layer in layers:
            patched.append((layer, vars(layer).get("call")))
            # On the instance, past Keras's attribute tracking; the class is untouched.
            object.__setattr__(layer, "call", _recording(layer, calls))
        yield calls
    finally:
        for layer, own_call in patched:
            if own_call is None:
                object.__delattr__(layer, "call")
            else:
                object.__setattr__(layer, "call", own_call)


def _recording(layer: keras.layers.Layer, calls: list[LayerCall]) -> Callable[..., Any]:
    """A `call` for a layer that also appends to `calls`."""
    # A `tf.function` would trace a separate graph that cannot be reached, so the Python
    # function that it wraps is called.
    call = getattr(layer.call, "python_function", layer.call)

    def recorded(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        first = args[0] if args else next(iter(kwargs.values()), None)
        calls.append(LayerCall(layer, first, output))
        return output

    return recorded


def captured_tensor(
    watched: WatchedTensor, calls: Sequence[LayerCall], adapter: Adapter
) -> Any:
    """Returns the tensor of a watched layer from the recorded calls.

    Raises:
        LayerChoiceError: The layer was not called, or several times, or its tensor
            cannot be reached, or is not one tensor.
    """
    own = [call for call in calls if call.layer is watched.layer]
    if not own:
        raise LayerChoiceError(
            f"Layer {watched.label!r} is part of the model, but its forward pass in "
            "inference mode does not call it."
        )
    tensors = [call.first_input if watched.is_input else call.output for call in own]
    if not all(map(adapter.is_reachable, keras.tree.flatten(tensors))):
        raise LayerChoiceError(
            f"Layer {watched.label!r} runs inside a loop or a compiled function of its "
            "own, where its output cannot be reached. Watch the layer around it."
        )
    if len(own) > 1:
        raise LayerChoiceError(
            f"Layer {watched.label!r} is called {len(own)} times in one forward pass, "
            "so it has no single feature matrix. Watch a layer after it."
        )
    if not adapter.is_tensor(tensors[0]):
        raise LayerChoiceError(
            f"Layer {watched.label!r} returns a {type(tensors[0]).__name__}, not one "
            "tensor."
        )
    return tensors[0]
