"""Convolution and normalization, shared by the convolutional classifiers."""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.reproduction.models.batch_normalization import FusedBatchNormalization


def convolution(
    x: keras.KerasTensor, channels: int, size: int, strides: int, name: str
) -> keras.KerasTensor:
    """A convolution without bias; He initialization by fan-out (He et al. 2015)."""
    return layers.Conv2D(
        channels,
        size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(
            2.0, "fan_out", "untruncated_normal"
        ),
        name=f"{name}_conv",
    )(x)


def normalization(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Batch normalization with the usual constants (PyTorch calls the momentum 0.1)."""
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
