"""DenseNet-121 with bottlenecks and compression, for small images: a 3 x 3 stem.

Huang et al. 2017, "Densely connected convolutional networks" (arXiv 1608.06993).
"""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.reproduction.models.architecture import Architecture, normalize
from keras_pvec.reproduction.models.convolution import convolution, normalization

# Layers of each dense block (table 1).
_BLOCKS = (6, 12, 24, 16)
_BOTTLENECK = 4


def build_densenet(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    growth: int = 32,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """DenseNet-121.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Number of logits.
        growth: Growth rate: the channels that each layer adds. The stem has twice as
            many.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.
    """
    inputs = keras.Input(input_shape)
    x = convolution(normalize(inputs, mean, variance), 2 * growth, 3, 1, "stem")
    for number, n_layers in enumerate(_BLOCKS, start=1):
        for i in range(1, n_layers + 1):
            last = i == n_layers
            name = f"block_{number}" if last else f"block_{number}_{i}"
            x = _dense_layer(x, growth, name)
        if number < len(_BLOCKS):
            name = f"transition_{number}"
            x = layers.ReLU(name=f"{name}_relu")(normalization(x, name))
            x = convolution(x, x.shape[-1] // 2, 1, 1, name)
            x = layers.AveragePooling2D(2, padding="same", name=name)(x)
    x = layers.ReLU(name="top_relu")(normalization(x, "top"))
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(n_classes, name="logits")(x)
    return keras.Model(inputs, outputs, name="densenet121")


def _dense_layer(x: keras.KerasTensor, growth: int, name: str) -> keras.KerasTensor:
    y = layers.ReLU(name=f"{name}_1_relu")(normalization(x, f"{name}_1"))
    y = convolution(y, _BOTTLENECK * growth, 1, 1, f"{name}_1")
    y = layers.ReLU(name=f"{name}_2_relu")(normalization(y, f"{name}_2"))
    y = convolution(y, growth, 3, 1, f"{name}_2")
    return layers.Concatenate(name=name)([x, y])


DENSENET = Architecture(
    build=build_densenet,
    task="classification",
    feature_layer="avg_pool",
    block_layers=r"^block_\d+$",
    width_option="growth",
)
