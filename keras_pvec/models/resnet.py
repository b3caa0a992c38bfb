"""Residual networks in their CIFAR form: a 3 x 3 stem and no max pooling.

He et al. 2016, "Deep residual learning for image recognition" (arXiv 1512.03385), with
four stages as for ImageNet. ResNet-18 at full width with 10 classes has 11,173,962
trainable parameters.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.models.architecture import Architecture, normalize

# Blocks in each of the four stages (table 1 of the paper).
_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
# PyTorch's customary 0.1 is Keras's 0.9; its epsilon is 1e-5.
_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def build_resnet(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    depth: int = 18,
    width: int = 64,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """A residual network of basic blocks.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Number of logits.
        depth: 18 or 34.
        width: Channels of the first stage; each later stage has twice as many.
        mean: Channel means of the pixels; with `variance`, they are standardised.
        variance: Channel variances of the pixels.

    Raises:
        ValueError: Another depth.
    """
    if depth not in _STAGES:
        raise ValueError(f"`depth` must be one of {list(_STAGES)}. Received: {depth}")
    inputs = keras.Input(input_shape)
    x = _convolution(normalize(inputs, mean, variance), width, 3, 1, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    number = 0
    for stage, n_blocks in enumerate(_STAGES[depth]):
        for i in range(n_blocks):
            number += 1
            strides = 2 if stage > 0 and i == 0 else 1
            x = _basic_block(x, width * 2**stage, strides, f"block_{number}")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(n_classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=f"resnet_{depth}")


def _basic_block(
    x: keras.KerasTensor, channels: int, strides: int, name: str
) -> keras.KerasTensor:
    y = _convolution(x, channels, 3, strides, f"{name}_1")
    y = layers.ReLU(name=f"{name}_1_relu")(y)
    y = _convolution(y, channels, 3, 1, f"{name}_2")
    if strides != 1 or x.shape[-1] != channels:
        x = _convolution(x, channels, 1, strides, f"{name}_shortcut")
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([x, y]))


def _convolution(
    x: keras.KerasTensor, channels: int, size: int, strides: int, name: str
) -> keras.KerasTensor:
    x = layers.Conv2D(
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
    return layers.BatchNormalization(**_NORM, name=f"{name}_norm")(x)


RESNET = Architecture(
    build=build_resnet,
    task="classification",
    feature_layer="avg_pool",
    block_layers=r"^block_\d+$",
)
