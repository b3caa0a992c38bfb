"""Residual networks for small images: a 3 x 3 stem without max pooling.

He et al. 2016, "Deep residual learning for image recognition" (arXiv 1512.03385), with
the four stages of the ImageNet networks. At width 64 and with 10 classes, ResNet-18 has
11,173,962 trainable parameters and ResNet-50 has 23,520,842.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.reproduction.models.architecture import Architecture, normalize
from keras_pvec.reproduction.models.convolution import convolution, normalization

# By depth: blocks in each of the four stages, and whether they are bottlenecks
# (table 1).
_STAGES = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
}
_BOTTLENECK_EXPANSION = 4


def build_resnet(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    depth: int = 18,
    width: int = 64,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """A residual network of basic blocks, or of bottleneck blocks at depth 50.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Number of logits.
        depth: 18, 34 or 50.
        width: Channels of the 3 x 3 convolutions of the first stage. Each later stage
            has twice as many; bottleneck blocks put out four times as many.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.

    Raises:
        ValueError: `depth` has another value.
    """
    if depth not in _STAGES:
        raise ValueError(f"`depth` must be one of {list(_STAGES)}. Received: {depth}")
    stages, is_bottleneck = _STAGES[depth]
    block = _bottleneck_block if is_bottleneck else _basic_block
    inputs = keras.Input(input_shape)
    x = convolution(normalize(inputs, mean, variance), width, 3, 1, "stem")
    x = layers.ReLU(name="stem_relu")(normalization(x, "stem"))
    number = 0
    for stage, n_blocks in enumerate(stages):
        for i in range(n_blocks):
            number += 1
            strides = 2 if stage > 0 and i == 0 else 1
            x = block(x, width * 2**stage, strides, f"block_{number}")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(n_classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


def _basic_block(
    x: keras.KerasTensor, channels: int, strides: int, name: str
) -> keras.KerasTensor:
    y = _convolution_norm(x, channels, 3, strides, f"{name}_1", relu=True)
    y = _convolution_norm(y, channels, 3, 1, f"{name}_2")
    return _join(x, y, strides, name)


def _bottleneck_block(
    x: keras.KerasTensor, channels: int, strides: int, name: str
) -> keras.KerasTensor:
    y = _convolution_norm(x, channels, 1, 1, f"{name}_1", relu=True)
    y = _convolution_norm(y, channels, 3, strides, f"{name}_2", relu=True)
    y = _convolution_norm(y, channels * _BOTTLENECK_EXPANSION, 1, 1, f"{name}_3")
    return _join(x, y, strides, name)


def _join(
    x: keras.KerasTensor, y: keras.KerasTensor, strides: int, name: str
) -> keras.KerasTensor:
    """Adds the shortcut; it is projected if the shapes differ (option B)."""
    if strides != 1 or x.shape[-1] != y.shape[-1]:
        x = _convolution_norm(x, y.shape[-1], 1, strides, f"{name}_shortcut")
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([x, y]))


def _convolution_norm(
    x: keras.KerasTensor,
    channels: int,
    size: int,
    strides: int,
    name: str,
    relu: bool = False,
) -> keras.KerasTensor:
    x = normalization(convolution(x, channels, size, strides, name), name)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


RESNET = Architecture(
    build=build_resnet,
    task="classification",
    feature_layer="avg_pool",
    block_layers=r"^block_\d+$",
)
