"""Image classifiers of `keras.applications`: how each is built, and its inputs."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_pvec.reproduction.pretrained.images import Images, NetworkInputs

# Side of the input of networks that take images of any size (MobileNetV3): the size
# that their weights were trained on.
DEFAULT_SIDE = 224
# Keras's networks take no smaller images; larger ones do not fit into memory.
_MIN_SIDE = 32
_MAX_SIDE = 2048
# "MobileNet-0.25-128": a network, its width multiplier, the side of its images.
_NAME = re.compile(
    r"(?P<base>\w+?)(-(?P<alpha>\d{1,3}\.\d{1,6}))?(-(?P<side>\d{1,5}))?"
)


@dataclasses.dataclass(frozen=True)
class Network:
    """An image classifier, with or without weights.

    Attributes:
        name: Name in tables, and of its weights file.
        build: Builds the model when it is called with `weights="imagenet"` or
            `weights=None`.
        preprocess: Maps pixels in [0, 255] to the inputs of the model, as the
            `preprocess_input` of each module of `keras.applications`.
        architecture: What networks of other widths and input sizes share with it;
            default: its name.
        has_own_weights: Whether `build` knows its pretrained weights, whatever their
            source is for other networks.

    Example:

    ```python
    Network("mine", build_mine, keras.applications.resnet.preprocess_input)
    ```
    """

    name: str
    build: Callable[..., keras.Model]
    preprocess: Callable[..., np.ndarray]
    architecture: str = ""
    has_own_weights: bool = False

    def __post_init__(self) -> None:
        if not self.architecture:
            object.__setattr__(self, "architecture", self.name)


def find_application(name: str) -> Network:
    """A network of `keras.applications` by name; see `find_networks`.

    Raises:
        ValueError: An unknown name, a width of a network that has none, or a side below
            32.
    """
    known = applications()
    match = _NAME.fullmatch(name)
    if match is None or match["base"] not in known:
        raise ValueError(
            f"keras.applications has no model {name!r}. Choose from: {', '.join(known)}"
        )
    network = known[match["base"]]
    options: dict[str, Any] = {}
    if match["alpha"]:
        options["alpha"] = float(match["alpha"])
        if "alpha" not in inspect.signature(network.build).parameters:
            raise ValueError(
                f"{network.name} has no width multiplier. Received: {name!r}"
            )
        if not options["alpha"] > 0:
            raise ValueError(f"The width multiplier of {name!r} must be above 0")
    if match["side"]:
        side = int(match["side"])
        if not _MIN_SIDE <= side <= _MAX_SIDE:
            raise ValueError(
                f"The side of the images must be from {_MIN_SIDE} to {_MAX_SIDE} "
                f"pixels. Received: {name!r}"
            )
        channels_first = keras.config.image_data_format() == "channels_first"
        options["input_shape"] = (3, side, side) if channels_first else (side, side, 3)
    if not options:
        return network
    build = functools.partial(network.build, **options)
    return dataclasses.replace(network, name=name, build=build)


def applications() -> dict[str, Network]:
    """All classifiers of `keras.applications` by name, each with the preprocessing of
    the module that defines it."""
    found = {}
    for name, build in inspect.getmembers(keras.applications, inspect.isfunction):
        if "include_top" in inspect.signature(build).parameters:
            module = getattr(keras.applications, build.__module__.rpartition(".")[2])
            found[name] = Network(name, build, module.preprocess_input)
    return found


def network_inputs(
    network: Network, model: keras.Model, images: Images
) -> NetworkInputs:
    """The images at the input size of a model, preprocessed for its network."""
    channels_first = keras.config.image_data_format() == "channels_first"
    height, width = model.input_shape[2:] if channels_first else model.input_shape[1:3]
    return NetworkInputs(
        images,
        (height or DEFAULT_SIDE, width or DEFAULT_SIDE),
        network.preprocess,
        channels_first=channels_first,
    )


def feature_layer(model: keras.Model) -> keras.layers.Layer | None:
    """The layer whose output is the features of a classifier.

    Returns:
        `None` for the input of the last Dense layer, as in `model_p_vectors`. A
        classifier without a Dense layer (MobileNet, MobileNetV3) ends in convolutions
        after its last global pooling; that pooling layer is returned.
    """
    if dense_layers(model):
        return None
    pooling = keras.layers.GlobalAveragePooling2D
    return [layer for layer in model.layers if isinstance(layer, pooling)][-1]


def dense_layers(model: keras.Model) -> list[keras.layers.Dense]:
    """The Dense layers of a classifier, without those of nested models."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
