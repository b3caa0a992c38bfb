"""Image classifiers of `keras.applications`: how each is built, and its inputs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable

import keras
import numpy as np

from keras_pvec.reproduction.pretrained.images import Images, NetworkInputs

# Side of the input of networks that take images of any size (MobileNetV3): the size
# that their weights were trained on.
_DEFAULT_SIDE = 224


@dataclasses.dataclass(frozen=True)
class Network:
    """An image classifier, with or without weights.

    Attributes:
        name: Name in tables, and of its weights file.
        build: Builds the model when it is called with `weights="imagenet"` or
            `weights=None`.
        preprocess: Maps pixels in [0, 255] to the inputs of the model, as the
            `preprocess_input` of each module of `keras.applications`.

    Example:

    ```python
    narrow = Network(
        "MobileNet-0.25",
        functools.partial(keras.applications.MobileNet, alpha=0.25),
        keras.applications.mobilenet.preprocess_input,
    )
    ```
    """

    name: str
    build: Callable[..., keras.Model]
    preprocess: Callable[..., np.ndarray]


def find_networks(names: Iterable[str]) -> list[Network]:
    """Networks of `keras.applications` by name; repeated names count once.

    Raises:
        ValueError: No name, or an unknown name.
    """
    known = applications()
    available = f"Choose from: {', '.join(known)}"
    chosen = list(dict.fromkeys(names))
    if not chosen:
        raise ValueError(f"No network was named. {available}")
    for name in chosen:
        if name not in known:
            raise ValueError(f"keras.applications has no model {name!r}. {available}")
    return [known[name] for name in chosen]


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
        (height or _DEFAULT_SIDE, width or _DEFAULT_SIDE),
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
    if any(isinstance(layer, keras.layers.Dense) for layer in model.layers):
        return None
    pooling = keras.layers.GlobalAveragePooling2D
    return [layer for layer in model.layers if isinstance(layer, pooling)][-1]
