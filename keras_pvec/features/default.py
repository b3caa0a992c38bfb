"""Which layer is watched if none is chosen: the input of the model's head."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_pvec.features.backends import Adapter
from keras_pvec.features.capture import LayerCall, captured_tensor
from keras_pvec.features.choice import (
    INPUT_SUFFIX,
    LabelledLayers,
    LayerChoiceError,
    WatchedTensor,
    call_label,
)

# Activations of output units. A layer with another one computes hidden features.
_OUTPUT_ACTIVATIONS = {"linear", "softmax", "log_softmax", "sigmoid", "tanh"}


@dataclasses.dataclass(frozen=True)
class DefaultChoice:
    """The layer that is watched by default.

    Attributes:
        watched: Its tensor.
        head: Label of the head whose input it is; `None` if the model has no head.
    """

    watched: WatchedTensor
    head: str | None

    def describe(self) -> str:
        """What was chosen, as part of a sentence."""
        label = repr(self.watched.label)
        if self.head is None:
            return f"layer {label}, the last one of a model without a head"
        if self.watched.is_input:
            return label
        return f"layer {label}, the input of the head {self.head!r}"


def operations_of(layers: Sequence[keras.layers.Layer]) -> list[keras.Operation]:
    """The operations other than layers in functional models, such as `a + b`."""
    return [
        operation
        for layer in layers
        for operation in getattr(layer, "operations", ())
        if not isinstance(operation, keras.layers.Layer)
    ]


def default_choice(
    layers: LabelledLayers, calls: Sequence[LayerCall], adapter: Adapter
) -> DefaultChoice:
    """Chooses the representation of a model from a forward pass.

    The head is the last Dense layer whose output alone makes the output of the model.
    A Dense layer whose output is added to, or multiplied with, something else is no
    head: that of a transformer's MLP, or of a squeeze-and-excitation block. In a model
    without such a layer, its last layer with weights is the head if it is a linear map
    to the output, such as a convolution or a tied embedding. A model without a head
    ends with its representation: the output of its last layer.

    Args:
        layers: The layers of the model.
        calls: The calls of its layers and operations; the model's own comes last.
        adapter: Of the Keras backend.

    Raises:
        LayerChoiceError: The model calls no layer with weights, or none whose features
            can be watched.
    """
    reachable = [
        call
        for call in calls
        if all(map(adapter.is_reachable, keras.tree.flatten(call.output)))
    ]
    weighted = _innermost_with_weights(reachable)
    if not weighted:
        raise LayerChoiceError(
            "The model calls no layer with weights, so there is no default layer to "
            f"watch. Choose with `layers=`. {layers.listing()}"
        )
    dense = [call for call in weighted if _is_dense(call)]
    for call in [*reversed(dense), weighted[-1]]:
        if _is_head(call, weighted[-1], reachable):
            label = layers.label_of(call.layer)
            watched = _input_of(call, label, layers, reachable, adapter)
            return DefaultChoice(watched, label)
    return DefaultChoice(_last_output(layers, reachable, adapter), None)


def _innermost_with_weights(calls: Sequence[LayerCall]) -> list[LayerCall]:
    """Calls of layers with weights that call no other layers with weights. A wrapper,
    such as `TimeDistributed`, stands for the layer within it, and a recurrent layer for
    its cells."""
    innermost: list[LayerCall] = []
    for i, call in enumerate(calls):
        if not (call.depth and _is_layer(call) and call.layer.weights):
            continue
        # Calls that returned just before, and lie deeper, were made in this one.
        start = i
        while start and calls[start - 1].depth > call.depth:
            start -= 1
        nested = {id(other) for other in calls[start:i]}
        if isinstance(call.layer, (keras.layers.Wrapper, keras.layers.RNN)):
            innermost = [other for other in innermost if id(other) not in nested]
        if not any(id(other) in nested for other in innermost):
            innermost.append(call)
    return innermost


def _is_dense(call: LayerCall) -> bool:
    layer = call.layer
    while isinstance(layer, keras.layers.Wrapper):
        layer = layer.layer
    return isinstance(layer, keras.layers.Dense)


def _is_head(call: LayerCall, last: LayerCall, calls: Sequence[LayerCall]) -> bool:
    """Whether the output of a layer with weights alone makes the output of the model.

    Args:
        call: The call of the layer.
        last: The last call of a layer with weights.
        calls: All calls.
    """
    is_dense = _is_dense(call)
    if not is_dense and not _is_linear_map(call):
        return False
    outputs = keras.tree.flatten(calls[-1].output)
    tensor = call.output
    last_layer = call
    start = next(i for i, other in enumerate(calls) if other is call) + 1
    for later in calls[start:]:
        if any(tensor is output for output in outputs):
            return True
        if not any(tensor is value for value in later.inputs):
            continue
        if len([value for value in later.inputs if _is_float(value)]) > 1:
            return False
        if not is_dense and _is_hidden(later.layer):
            return False
        tensor, last_layer = later.output, later
    return _is_followed_by_reshaping(last_layer, call is last, calls, outputs)


def _is_followed_by_reshaping(
    call: LayerCall, is_last: bool, calls: Sequence[LayerCall], outputs: Sequence[Any]
) -> bool:
    """Whether operations outside of layers, which are not recorded, may be taken to
    reshape the output of a call, or to apply an activation to the output of the model.

    They may also add it to something else. This keeps the shape, and is found within
    blocks.
    """
    if is_last:
        sizes = [_n_features(output) for output in outputs]
        return (_is_dense(call) and call.depth == 1) or _n_features(
            call.output
        ) in sizes
    start = next(i for i, other in enumerate(calls) if other is call) + 1
    following = next((x for x in calls[start:] if x.depth == call.depth), None)
    if following is None or _n_features(call.output) is None:
        return False
    return (
        _n_features(following.first_input) == _n_features(call.output)
        and following.first_input.shape != call.output.shape
    )


def _is_linear_map(call: LayerCall) -> bool:
    layer = call.layer
    return (
        not isinstance(layer, keras.layers.RNN)
        and _is_float(call.first_input)
        and any(len(weight.shape) > 1 for weight in layer.weights)
        and not _is_hidden(layer)
    )


def _is_hidden(layer: keras.Operation) -> bool:
    if isinstance(layer, (keras.layers.ReLU, keras.layers.LeakyReLU)):
        return True
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return name not in _OUTPUT_ACTIVATIONS


def _is_float(value: Any) -> bool:
    return "float" in str(getattr(value, "dtype", None))


def _n_features(tensor: Any) -> int | None:
    try:
        shape = tuple(tensor.shape)[1:]
    except (AttributeError, ValueError):  # no tensor, or one of unknown rank
        return None
    return None if None in shape else math.prod(shape)


def _input_of(
    head: LayerCall,
    label: str,
    layers: LabelledLayers,
    calls: Sequence[LayerCall],
    adapter: Adapter,
) -> WatchedTensor:
    watched = _numbered(
        WatchedTensor(label + INPUT_SUFFIX, head.layer, is_input=True), head, calls
    )
    try:
        features = captured_tensor(watched, calls, adapter)
    except LayerChoiceError as error:
        raise LayerChoiceError(
            "The default, the input of the head, cannot be watched. "
            f"{error} Choose with `layers=`. {layers.listing()}"
        ) from None
    # The name of the layer that produced the tensor says more.
    for call in calls:
        if call.output is features and call.depth and _is_layer(call):
            return _numbered(
                WatchedTensor(layers.label_of(call.layer), call.layer), call, calls
            )
    return watched


def _last_output(
    layers: LabelledLayers, calls: Sequence[LayerCall], adapter: Adapter
) -> WatchedTensor:
    """The output of the last layer that the model itself calls."""
    for call in reversed(calls):
        if call.depth != 1 or not _is_layer(call):
            continue
        is_tensor = adapter.is_tensor(call.output)
        # A distance of two encodings is not a representation.
        if is_tensor and _n_features(call.output) not in (0, 1):
            return _numbered(
                WatchedTensor(layers.label_of(call.layer), call.layer), call, calls
            )
    raise LayerChoiceError(
        "The model has no head, and none of its layers returns one tensor of features, "
        f"so there is no default layer to watch. Choose with `layers=`. "
        f"{layers.listing()}"
    )


def _is_layer(call: LayerCall) -> bool:
    return isinstance(call.layer, keras.layers.Layer)


def _numbered(
    watched: WatchedTensor, call: LayerCall, calls: Sequence[LayerCall]
) -> WatchedTensor:
    """The tensor with the number of its call, if its layer is called several times."""
    own = [other for other in calls if other.layer is call.layer]
    if len(own) == 1:
        return watched
    number = 1 + next(i for i, other in enumerate(own) if other is call)
    return dataclasses.replace(
        watched, label=call_label(watched.label, number), call=number
    )
