"""Which tensors of a network are the feature matrix of a representation.

They are found by layer type and order, so that a new architecture needs no entry here.
"""

from __future__ import annotations

import dataclasses

import keras

from keras_pvec.features.choice import INPUT_SUFFIX
from keras_pvec.reproduction.claims import Representation
from keras_pvec.reproduction.models import Architecture

_POOLINGS = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
)
_ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU)


@dataclasses.dataclass(frozen=True)
class Target:
    """What to measure of a network.

    Attributes:
        features: The layer of the features, as `FeatureExtractor` takes it.
        pooling: As in `FeatureExtractor`.
        with_blocks: Whether blocks have that representation as well.
        linear: A layer whose own activation is to be left out first; `None` if the
            activation is a layer, or the representation keeps it.
    """

    features: str
    pooling: str | None
    with_blocks: bool = False
    linear: keras.layers.Layer | None = None


def find_target(
    model: keras.Model,
    architecture: Architecture,
    representation: Representation,
    pooling: str | None = "avg",
) -> Target | None:
    """What to measure of a network under a representation.

    - Before the last activation: the input of the last activation up to the features.
      Where a layer has its own activation, that is left out.
    - Logits: the output of the last `Dense` layer of a classifier.
    - Flattened: the input of the global pooling that makes the features, one column per
      position and channel. Features that are not pooled are flat already.

    Args:
        model: The network.
        architecture: Its architecture.
        representation: What is asked for.
        pooling: What the run does with features of more than one axis.

    Returns:
        `None` if the network has no such features: logits of a network without labels,
        or features that no activation precedes, as those of a linear bottleneck.
    """
    feature_layer = architecture.feature_layer
    if representation is Representation.POOLED:
        return Target(feature_layer, pooling, with_blocks=True)
    if representation is Representation.LOGITS:
        if architecture.task != "classification":
            return None
        dense = [x for x in model.layers if isinstance(x, keras.layers.Dense)]
        return Target(dense[-1].name, None) if dense else None
    layers = _layers_up_to(model, feature_layer)
    if representation is Representation.FLATTENED:
        if isinstance(layers[-1], _POOLINGS):
            return Target(f"{layers[-1].name}{INPUT_SUFFIX}", None, with_blocks=True)
        return Target(feature_layer, None, with_blocks=True)
    if isinstance(layers[-1], keras.layers.Dense) and _is_linear(layers[-1]):
        return None
    for layer in reversed(layers):
        if isinstance(layer, _ACTIVATIONS):
            return Target(f"{layer.name}{INPUT_SUFFIX}", pooling)
        if not _is_linear(layer):
            return Target(layer.name, pooling, linear=layer)
    return None


def _layers_up_to(model: keras.Model, name: str) -> list[keras.layers.Layer]:
    """The layers of a model, in order, down to the one that makes the features.

    Where the features are the output of a nested model, as in SimCLR, they are the
    layers of that model.
    """
    last = model.get_layer(name)
    if isinstance(last, keras.Model):
        return [*last.layers]
    names = [layer.name for layer in model.layers]
    return model.layers[: names.index(name) + 1]


def _is_linear(layer: keras.layers.Layer) -> bool:
    """Whether a layer has no activation of its own."""
    return getattr(layer, "activation", None) in (None, keras.activations.linear)
