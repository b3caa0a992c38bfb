"""Wide residual networks.

Zagoruyko and Komodakis 2016, "Wide residual networks" (arXiv 1605.07146), with
pre-activation blocks in three stages. Wide-ResNet-28-10 with 10 classes has 36,479,194
trainable parameters.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.reproduction.models.architecture import Architecture, normalize
from keras_pvec.reproduction.models.convolution import convolution, normalization

_STEM_CHANNELS = 16


def build_wide_resnet(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    depth: int = 28,
    widen: int = 10,
    dropout: float = 0.0,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """A Wide-ResNet-`depth`-`widen`.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Number of logits.
        depth: 6 n + 4, for n blocks in each of the three stages.
        widen: Factor on the 16, 32 and 64 channels of the stages.
        dropout: Dropout rate between the convolutions of a block.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.

    Raises:
        ValueError: `depth` is not 6 n + 4.
    """
    n_blocks, rest = divmod(depth - 4, 6)
    if rest or n_blocks < 1:
        raise ValueError(
            f"`depth` must be 6 n + 4, such as 10, 16, 28 or 40. Received: {depth}"
        )
    inputs = keras.Input(input_shape)
    x = convolution(normalize(inputs, mean, variance), _STEM_CHANNELS, 3, 1, "stem")
    for stage in range(3):
        for i in range(n_blocks):
            strides = 2 if stage > 0 and i == 0 else 1
            channels = _STEM_CHANNELS * 2**stage * widen
            name = f"block_{stage * n_blocks + i + 1}"
            x = _block(x, channels, strides, dropout, name)
    x = layers.ReLU(name="top_relu")(normalization(x, "top"))
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(n_classes, name="logits")(x)
    return keras.Model(inputs, outputs, name=f"wide_resnet{depth}_{widen}")


def _block(
    x: keras.KerasTensor, channels: int, strides: int, dropout: float, name: str
) -> keras.KerasTensor:
    activated = layers.ReLU(name=f"{name}_1_relu")(normalization(x, f"{name}_1"))
    y = convolution(activated, channels, 3, strides, f"{name}_1")
    y = layers.ReLU(name=f"{name}_2_relu")(normalization(y, f"{name}_2"))
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
    y = convolution(y, channels, 3, 1, f"{name}_2")
    if strides != 1 or x.shape[-1] != channels:
        x = convolution(activated, channels, 1, strides, f"{name}_shortcut")
    return layers.Add(name=name)([x, y])


WIDE_RESNET = Architecture(
    build=build_wide_resnet,
    task="classification",
    feature_layer="avg_pool",
    block_layers=r"^block_\d+$",
    width_option="widen",
)
