"""Convolutional autoencoder."""

from __future__ import annotations

import math

import keras
from keras import layers

from keras_pvec.models.architecture import Architecture, normalize

_HALVINGS = 3


def build_autoencoder(
    input_shape: tuple[int, ...],
    n_classes: int = 0,
    *,
    width: int = 32,
    bottleneck: int = 128,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """Three strided convolutions down to a dense bottleneck, and back to pixels.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`; sides that do
            not halve evenly are rounded up and the reconstruction is cropped.
        n_classes: Not used: the model reconstructs its input. It is here so that all
            builders are called alike.
        width: Channels after the first convolution; each later one has twice as many.
        bottleneck: Units of the bottleneck, which are the features; no activation.
        mean: Channel means of the pixels; with `variance`, they are standardised.
        variance: Channel variances of the pixels.
    """
    del n_classes
    inputs = keras.Input(input_shape)
    height, width_px, channels = input_shape
    small = [math.ceil(side / 2**_HALVINGS) for side in (height, width_px)]
    filters = [width * 2**i for i in range(_HALVINGS)]

    x = normalize(inputs, mean, variance)
    for i, n in enumerate(filters, start=1):
        x = layers.Conv2D(
            n,
            3,
            2,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"block_{i}",
        )(x)
    x = layers.Dense(bottleneck, name="bottleneck")(layers.Flatten(name="flatten")(x))

    x = layers.Dense(math.prod(small) * filters[-1], activation="relu", name="expand")(
        x
    )
    x = layers.Reshape((*small, filters[-1]), name="reshape")(x)
    for i, n in enumerate([*filters[-2::-1], channels], start=1):
        last = i == _HALVINGS
        x = layers.Conv2DTranspose(
            n,
            3,
            2,
            padding="same",
            activation="sigmoid" if last else "relu",
            kernel_initializer="glorot_uniform" if last else "he_normal",
            name=f"decoder_{i}",
        )(x)
    extra = [
        (0, side * 2**_HALVINGS - wanted)
        for side, wanted in zip(small, (height, width_px), strict=True)
    ]
    outputs = layers.Cropping2D(extra, name="reconstruction")(x)
    return keras.Model(inputs, outputs, name="autoencoder")


AUTOENCODER = Architecture(
    build=build_autoencoder,
    task="reconstruction",
    feature_layer="bottleneck",
    block_layers=r"^block_\d+$",
)
