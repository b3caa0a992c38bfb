"""VGG-16 with batch normalization, for small images: one dense layer on top.

Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image
recognition" (arXiv 1409.1556), configuration D. Batch normalization is as in Ioffe and
Szegedy 2015; convolutions that it follows need no bias.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.reproduction.models.architecture import Architecture, normalize
from keras_pvec.reproduction.models.convolution import convolution, normalization

# Of each block: the number of convolutions, and their channels as a multiple of
# `width`.
_BLOCKS = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))


def build_vgg(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    width: int = 64,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """VGG-16 with batch normalization.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Number of logits.
        width: Channels of the first block.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.
    """
    inputs = keras.Input(input_shape)
    x = normalize(inputs, mean, variance)
    for number, (n_convolutions, multiple) in enumerate(_BLOCKS, start=1):
        for i in range(1, n_convolutions + 1):
            name = f"block_{number}_{i}"
            x = normalization(convolution(x, width * multiple, 3, 1, name), name)
            x = layers.ReLU(name=f"{name}_relu")(x)
        # Padding admits images smaller than 32 x 32.
        x = layers.MaxPooling2D(2, padding="same", name=f"block_{number}")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(inputs, layers.Dense(n_classes, name="logits")(x), name="vgg16")


VGG = Architecture(
    build=build_vgg,
    task="classification",
    feature_layer="avg_pool",
    block_layers=r"^block_\d+$",
)
