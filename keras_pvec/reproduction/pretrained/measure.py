"""Computes P-vectors of pretrained networks, one network after the other."""

from __future__ import annotations

import dataclasses
import gc
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_pvec.measurement import model_p_vectors
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.pretrained.accuracy import Accuracy, accuracy
from keras_pvec.reproduction.pretrained.depths import (
    FEATURES,
    depth_names,
    maps_by_depth,
)
from keras_pvec.reproduction.pretrained.images import Images
from keras_pvec.reproduction.pretrained.networks import (
    DEFAULT_SIDE,
    Network,
    dense_layers,
    feature_layer,
    network_inputs,
)
from keras_pvec.reproduction.pretrained.weights import (
    Weights,
    load_network,
    weights_of_each,
)


@dataclasses.dataclass(frozen=True)
class MeasuredNetwork:
    """What was measured of a network.

    Attributes:
        p_vectors: By name of the depth (see `depth_names`), the features last.
        accuracy: On the labelled images; `None` if it is not known.
    """

    p_vectors: Mapping[str, PVector]
    accuracy: Accuracy | None = None

    @property
    def features(self) -> PVector:
        """The P-vector of the features."""
        return self.p_vectors[FEATURES]


def measure_networks(
    networks: Sequence[Network],
    images: Images,
    *,
    weights: Weights = None,
    batch_size: int = 32,
    k: int = 1,
    max_feature_bytes: int = 2**30,
    n_layers: int = 1,
    labels: np.ndarray | None = None,
) -> dict[str, MeasuredNetwork]:
    """Computes P-vectors of layers of networks on the same images, and accuracies.

    Args:
        networks: As in `p_vectors`.
        images: As in `p_vectors`.
        weights: As in `p_vectors`.
        batch_size: As in `p_vectors`.
        k: As in `p_vectors`.
        max_feature_bytes: As in `p_vectors`.
        n_layers: Number of layers, up to 5: the features, and the last feature maps at
            1/16, 1/8, ... of the image's side, averaged over positions.
        labels: Indices of the classes of the images, shape `(n,)`, for accuracies.

    Returns:
        By name of the network, in the order of `networks`.

    Raises:
        ValueError: See `p_vectors`; or a network without feature maps of that size.
        WeightsUnavailableError: See `p_vectors`.
    """
    names = [network.name for network in networks]
    if len(set(names)) < len(names):
        raise ValueError(f"`networks` must have different names. Received: {names}")
    sources = weights_of_each(networks, weights)
    if weights is not None:
        # All but the first are tried here; the first is loaded next in any case.
        for network in networks[1:]:
            load_network(network, sources[network.name])
            gc.collect()
    found = {}
    depths = depth_names(n_layers)
    for network in networks:
        model = load_network(network, sources[network.name])
        inputs = network_inputs(network, model, images)
        try:
            measured = model_p_vectors(
                model,
                inputs,
                _layers(model, n_layers),
                k=k,
                pooling=None if n_layers == 1 else "avg",
                batch_size=batch_size,
                max_feature_bytes=max_feature_bytes,
            )
        except ValueError as error:
            raise ValueError(f"{network.name}: {error}") from error
        found[network.name] = MeasuredNetwork(
            {
                depth: dataclasses.replace(p, layer=_first_of_its_kind(p.layer))
                for depth, p in zip(depths, measured.values(), strict=True)
            },
            None if labels is None else accuracy(model, inputs, labels, batch_size),
        )
        # Keras models contain reference cycles, and two models may not fit into memory.
        del model
        gc.collect()
    return found


def p_vectors(
    networks: Sequence[Network],
    images: Images,
    *,
    weights: Weights = None,
    batch_size: int = 32,
    k: int = 1,
    max_feature_bytes: int = 2**30,
) -> dict[str, PVector]:
    """Computes P-vectors of networks on the same images.

    The features are the input of the last Dense layer, or the output of the last global
    pooling of a network that classifies by convolutions (MobileNet, MobileNetV3).

    Args:
        networks: The networks, as from `find_networks`.
        images: The images.
        weights: `"imagenet"` for those that Keras downloads and caches; `None` for
            random ones, seeded by `keras.utils.set_random_seed`; else a weights file,
            for a single network, or a folder that holds `<name>.weights.h5`,
            `<name>.h5` or `<name>.keras` for each.
        batch_size: Images run through a network at a time.
        k: Number of left singular vectors.
        max_feature_bytes: Largest number of bytes of features that are held at once;
            beyond it, the images are decoded and run again for each pass of the solver.
            The default holds 4,096 features of 65,536 images.

    Returns:
        A dict from the name of each network to its `PVector`, in the order of
        `networks`. All carry the fingerprint of the images, so they can be compared.

    Raises:
        ValueError: Networks of the same name, an image that cannot be decoded, or
            features that have no P-vector (all zero, NaN).
        WeightsUnavailableError: Weights are missing or do not fit. This is checked
            before any network is run.

    Example:

    ```python
    images = Images(image_files("photos", 1000), name="photos")
    networks = find_networks(["ResNet50", "VGG16"])
    found = p_vectors(networks, images, weights="imagenet")
    kp.angle(found["ResNet50"], found["VGG16"])
    ```
    """
    measured = measure_networks(
        networks,
        images,
        weights=weights,
        batch_size=batch_size,
        k=k,
        max_feature_bytes=max_feature_bytes,
    )
    return {name: network.features for name, network in measured.items()}


def measure_untrained(
    networks: Sequence[Network],
    images: Images,
    n_copies: int,
    *,
    k: int = 1,
    n_layers: int = 1,
) -> dict[str, dict[str, MeasuredNetwork]]:
    """Computes P-vectors of networks with random weights.

    Args:
        networks: The networks, as from `find_networks`.
        images: The images.
        n_copies: Copies of each network, with seeds from 1.
        k: Number of left singular vectors.
        n_layers: As in `measure_networks`.

    Returns:
        By name of the network: its copies by names of their own.

    Raises:
        ValueError: See `measure_networks`.
    """
    found: dict[str, dict[str, MeasuredNetwork]] = {n.name: {} for n in networks}
    for seed in range(1, n_copies + 1):
        keras.utils.set_random_seed(seed)
        measured = measure_networks(networks, images, k=k, n_layers=n_layers)
        for name, network in measured.items():
            found[name][f"{name}, untrained, seed {seed}"] = network
    return found


def _layers(model: keras.Model, n_layers: int) -> list[Any] | Any | None:
    """The layers at the depths of `depth_names`, as `model_p_vectors` takes them.

    Raises:
        ValueError: The model has no feature maps of that size.
    """
    features: Any = feature_layer(model)
    if n_layers == 1:
        return features
    maps = maps_by_depth(model, DEFAULT_SIDE)
    *wanted, _ = depth_names(n_layers)
    missing = [depth for depth in wanted if depth not in maps]
    if missing:
        raise ValueError(
            f"it has no feature maps at {', '.join(missing)} of the image's side; it "
            f"has {', '.join(maps) or 'none'}. Ask for fewer layers."
        )
    if features is None:
        features = f"{dense_layers(model)[-1].name}.input"
    return [*(maps[depth] for depth in wanted), features]


def _first_of_its_kind(layer: str | None) -> str | None:
    """The name of a pooling layer without the number that Keras increases from model to
    model."""
    return layer and re.sub(r"(?<=pooling2d)_\d+$", "", layer)
