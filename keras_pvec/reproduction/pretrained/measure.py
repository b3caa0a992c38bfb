"""Computes P-vectors of pretrained networks, one network after the other."""

from __future__ import annotations

import dataclasses
import gc
import re
from collections.abc import Sequence

import keras

from keras_pvec.measurement import model_p_vectors
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.pretrained.images import Images
from keras_pvec.reproduction.pretrained.networks import (
    Network,
    feature_layer,
    network_inputs,
)
from keras_pvec.reproduction.pretrained.weights import (
    Weights,
    load_network,
    weights_of_each,
)


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
    for network in networks:
        model = load_network(network, sources[network.name])
        try:
            measured = model_p_vectors(
                model,
                network_inputs(network, model, images),
                feature_layer(model),
                k=k,
                batch_size=batch_size,
                max_feature_bytes=max_feature_bytes,
            )
        except ValueError as error:
            raise ValueError(f"{network.name}: {error}") from error
        (vector,) = measured.values()
        found[network.name] = dataclasses.replace(
            vector, layer=_first_of_its_kind(vector.layer)
        )
        # Keras models contain reference cycles, and two models may not fit into memory.
        del model
        gc.collect()
    return found


def untrained_p_vectors(
    networks: Sequence[Network], images: Images, n_copies: int, *, k: int = 1
) -> dict[str, dict[str, PVector]]:
    """Computes P-vectors of networks with random weights.

    Args:
        networks: The networks, as from `find_networks`.
        images: The images.
        n_copies: Copies of each network, with seeds from 1.
        k: Number of left singular vectors.

    Returns:
        By name of the network: its P-vectors by names of the copies.

    Raises:
        ValueError: See `p_vectors`.
    """
    found: dict[str, dict[str, PVector]] = {network.name: {} for network in networks}
    for seed in range(1, n_copies + 1):
        keras.utils.set_random_seed(seed)
        for name, vector in p_vectors(networks, images, k=k).items():
            found[name][f"{name}, untrained, seed {seed}"] = vector
    return found


def _first_of_its_kind(layer: str | None) -> str | None:
    """The name of a pooling layer without the number that Keras increases from model to
    model."""
    return layer and re.sub(r"(?<=pooling2d)_\d+$", "", layer)
