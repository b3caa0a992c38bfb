"""Captures the inputs and outputs of layers during a forward pass.

The calls of a model's layers are recorded, so it makes no difference whether the model
is Sequential, functional, subclassed or nested, and how many inputs it has.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_pvec.features.backends import Adapter
from keras_pvec.features.choice import (
    LayerChoiceError,
    WatchedTensor,
    call_label,
    element_label,
)

# Keras calls a quantized layer by another method.
_METHODS = ("call", "quantized_call")
# Of calls in an error. An unrolled recurrent cell has one for each step.
_MAX_LISTED = 4


@dataclasses.dataclass(frozen=True)
class LayerCall:
    """One call of a layer, or of an operation of a functional model.

    Attributes:
        layer: The layer or operation.
        inputs: All tensors among its arguments.
        first_input: Its first argument.
        output: What it returned.
        depth: How many other recorded calls it was made in; 0 for the model's own.
    """

    layer: keras.Operation
    inputs: tuple[Any, ...]
    first_input: Any
    output: Any
    depth: int


class CallRecord:
    """The calls of a forward pass, in the order in which they returned.

    Args:
        adapter: Of the Keras backend.
        watched: What is watched. Only this is kept, as it was when a layer received or
            returned it. `None` keeps all tensors themselves, which later layers may
            have changed.
    """

    def __init__(
        self, adapter: Adapter, watched: Sequence[WatchedTensor] | None
    ) -> None:
        self.calls: list[LayerCall] = []
        self._adapter = adapter
        self._watched = watched
        self._depth = 0

    def recording(
        self, layer: keras.Operation, call: Callable[..., Any]
    ) -> Callable[..., Any]:
        """A `call` for a layer that also adds to the record."""
        call = self._adapter.unwrapped(call)
        if self._watched is None:
            return self._recording_all(layer, call)
        watched = [tensor for tensor in self._watched if tensor.layer is layer]
        return self._recording_watched(layer, call, watched) if watched else call

    def _recording_all(
        self, layer: keras.Operation, call: Callable[..., Any]
    ) -> Callable[..., Any]:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            depth = self._depth
            self._depth += 1
            try:
                output = call(*args, **kwargs)
            finally:
                self._depth = depth
            inputs = tuple(
                value
                for value in keras.tree.flatten((args, kwargs))
                if hasattr(value, "dtype")
            )
            first = _first_of(args, kwargs)
            self.calls.append(LayerCall(layer, inputs, first, output, depth))
            return output

        return recorded

    def _recording_watched(
        self,
        layer: keras.Operation,
        call: Callable[..., Any],
        watched: Sequence[WatchedTensor],
    ) -> Callable[..., Any]:
        snapshot = self._adapter.snapshot
        keeps_input = any(tensor.is_input for tensor in watched)
        keeps_output = any(not tensor.is_input for tensor in watched)

        def recorded(*args: Any, **kwargs: Any) -> Any:
            first = snapshot(_first_of(args, kwargs)) if keeps_input else None
            output = call(*args, **kwargs)
            kept = snapshot(output) if keeps_output else None
            self.calls.append(LayerCall(layer, (), first, kept, 0))
            return output

        return recorded


def _first_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return args[0] if args else next(iter(kwargs.values()), None)


@contextlib.contextmanager
def recorded_calls(
    layers: Iterable[keras.Operation],
    adapter: Adapter,
    watched: Sequence[WatchedTensor] | None = None,
) -> Iterator[list[LayerCall]]:
    """Records the calls of layers within a `with` block, in the order in which they
    return.

    Args:
        layers: The layers of the model.
        adapter: Of the Keras backend.
        watched: As in `CallRecord`.
    """
    record = CallRecord(adapter, watched)
    patched: list[tuple[keras.Operation, str, Any]] = []
    try:
        for layer in layers:
            for method in _METHODS:
                if _is_used(layer, method):
                    patched.append((layer, method, vars(layer).get(method)))
                    call = record.recording(layer, getattr(layer, method))
                    # On the instance, past Keras's attribute tracking; the class is
                    # untouched.
                    object.__setattr__(layer, method, call)
        yield record.calls
    finally:
        for layer, method, own in patched:
            if own is None:
                object.__delattr__(layer, method)
            else:
                object.__setattr__(layer, method, own)


def _is_used(layer: keras.Operation, method: str) -> bool:
    """Whether Keras calls a layer by this method."""
    is_quantized = getattr(layer, "quantization_mode", None) is not None
    return is_quantized == (method == "quantized_call")


def captured_tensor(
    watched: WatchedTensor, calls: Sequence[LayerCall], adapter: Adapter
) -> Any:
    """Returns the tensor of a watched layer from the recorded calls.

    Raises:
        LayerChoiceError: The layer was not called, or several times without a choice
            of the call, or its tensor cannot be reached, or is not one tensor.
    """
    own = [call for call in calls if call.layer is watched.layer]
    if not own:
        raise LayerChoiceError(
            f"Layer {watched.label!r} is part of the model, but its forward pass in "
            "inference mode does not call it. Pass the part of the model that calls it "
            "as `model=`."
        )
    tensors = [call.first_input if watched.is_input else call.output for call in own]
    if not all(map(adapter.is_reachable, keras.tree.flatten(tensors))):
        raise LayerChoiceError(
            f"Layer {watched.label!r} runs inside a loop or a compiled function of its "
            "own, where its output cannot be reached. Watch the layer around it."
        )
    tensor = _element_of(tensors[_index_of_call(watched, len(own))], watched)
    if not adapter.is_tensor(tensor):
        raise LayerChoiceError(
            f"Layer {watched.label!r} {'takes' if watched.is_input else 'returns'} a "
            f"{type(tensor).__name__}, not one dense tensor. "
            + _elements(tensor, watched.label)
        )
    return tensor


def _element_of(value: Any, watched: WatchedTensor) -> Any:
    """The chosen one of several tensors."""
    if watched.element is None:
        return value
    if isinstance(value, Mapping):
        elements = {str(key): element for key, element in value.items()}
    elif isinstance(value, (list, tuple)):
        elements = {str(index): element for index, element in enumerate(value)}
    else:
        elements = {}
    if watched.element not in elements:
        raise LayerChoiceError(
            f"There is no {watched.label!r}. Elements of the layer: "
            f"{', '.join(elements) or 'none, because it has one tensor'}."
        )
    return elements[watched.element]


def _elements(value: Any, label: str) -> str:
    """Which elements of several tensors can be watched, as a sentence."""
    if not isinstance(value, (Mapping, list, tuple)):
        return "Watch a layer before or after it."
    keys = value if isinstance(value, Mapping) else range(len(value))
    named = ", ".join(repr(element_label(label, key)) for key in keys)
    return f"Choose an element: {named}."


def _index_of_call(watched: WatchedTensor, n_calls: int) -> int:
    if watched.call is None and n_calls > 1:
        numbers = list(range(1, n_calls + 1))
        named = ", ".join(
            repr(call_label(watched.label, number)) for number in numbers[:_MAX_LISTED]
        )
        if n_calls > _MAX_LISTED:
            named += f" ... {call_label(watched.label, n_calls)!r}"
        raise LayerChoiceError(
            f"Layer {watched.label!r} is called {n_calls} times in one forward pass. "
            f"Choose a call: {named}."
        )
    number = watched.call or 1
    if number > n_calls:
        raise LayerChoiceError(
            f"There is no {watched.label!r}: the forward pass calls the layer "
            f"{n_calls} times."
        )
    return number - 1
