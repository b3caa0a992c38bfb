"""Convolutional and dense autoencoders, with or without denoising.

Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural
networks"; denoising as in Vincent et al. 2008, "Extracting and composing robust
features with denoising autoencoders". The features are the output of the bottleneck,
which is linear.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import keras
from keras import layers

from keras_pvec.reproduction.models.architecture import Architecture, normalize

_HALVINGS = 3


def build_autoencoder(
    input_shape: tuple[int, ...],
    n_classes: int = 0,
    *,
    width: int = 32,
    bottleneck: int = 128,
    noise: float = 0.0,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """A convolutional autoencoder with a dense bottleneck.

    The encoder has three strided convolutions, the decoder three transposed ones.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`. If a side cannot
            be halved three times, it is rounded up and the reconstruction is cropped.
        n_classes: Not used, since the model reconstructs its input; all builders take
            the same positional arguments.
        width: Channels of the first convolution. Each later one has twice as many.
        bottleneck: Units of the bottleneck.
        noise: Standard deviation of the Gaussian noise that is added to the pixels
            during training.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.
    """
    del n_classes
    inputs = keras.Input(input_shape)
    height, width_px, channels = input_shape
    small = [math.ceil(side / 2**_HALVINGS) for side in (height, width_px)]
    filters = [width * 2**i for i in range(_HALVINGS)]

    x = normalize(_corrupt(inputs, noise), mean, variance)
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

    n_expanded = math.prod(small) * filters[-1]
    x = layers.Dense(n_expanded, activation="relu", name="expand")(x)
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


def build_dense_autoencoder(
    input_shape: tuple[int, ...],
    n_classes: int = 0,
    *,
    width: int = 512,
    depth: int = 2,
    bottleneck: int = 64,
    noise: float = 0.0,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """A dense autoencoder.

    Each hidden layer of the encoder has half as many units as the one before it; the
    decoder mirrors the encoder.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Not used; see `build_autoencoder`.
        width: Units of the first hidden layer.
        depth: Number of hidden layers in the encoder, and in the decoder.
        bottleneck: Units of the bottleneck.
        noise: As in `build_autoencoder`.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.
    """
    del n_classes
    inputs = keras.Input(input_shape)
    units = [max(width // 2**i, 1) for i in range(depth)]

    x = normalize(_corrupt(inputs, noise), mean, variance)
    x = layers.Flatten(name="flatten")(x)
    for i, n in enumerate(units, start=1):
        x = _hidden(n, f"block_{i}")(x)
    x = layers.Dense(bottleneck, name="bottleneck")(x)
    for i, n in enumerate(reversed(units), start=1):
        x = _hidden(n, f"decoder_{i}")(x)
    x = layers.Dense(math.prod(input_shape), activation="sigmoid", name="pixels")(x)
    outputs = layers.Reshape(input_shape, name="reconstruction")(x)
    return keras.Model(inputs, outputs, name="dense_autoencoder")


def _corrupt(pixels: keras.KerasTensor, noise: float) -> keras.KerasTensor:
    return layers.GaussianNoise(noise, name="noise")(pixels) if noise else pixels


def _hidden(units: int, name: str) -> layers.Layer:
    return layers.Dense(
        units, activation="relu", kernel_initializer="he_normal", name=name
    )


AUTOENCODER = Architecture(
    build=build_autoencoder,
    task="reconstruction",
    feature_layer="bottleneck",
    block_layers=r"^block_\d+$",
)
# A fifth of the range of the pixels: the noise is clearly visible, and so is the image.
DENOISING_AUTOENCODER = dataclasses.replace(
    AUTOENCODER, build=functools.partial(build_autoencoder, noise=0.2)
)
DENSE_AUTOENCODER = Architecture(
    build=build_dense_autoencoder,
    task="reconstruction",
    feature_layer="bottleneck",
    block_layers=r"^block_\d+$",
)
