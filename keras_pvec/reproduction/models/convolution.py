"""Convolution and normalisation as residual and densely connected networks use them."""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.reproduction.models.batch_normalization import FusedBatchNormalization


def convolution(
    x: keras.KerasTensor, channels: int, size: int, strides: int, name: str
) -> keras.KerasTensor:
    """A convolution without bias, He-initialised by fan-out (He et al. 2015)."""
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
    """BatchNormalization with the customary constants: what PyTorch calls a momentum
    of 0.1 is 0.9 in Keras; epsilon is 1e-5."""
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
