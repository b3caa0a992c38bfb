"""Multi-layer perceptron."""

from __future__ import annotations

import keras
from keras import layers

from keras_pvec.reproduction.models.architecture import Architecture, normalize


def build_mlp(
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    width: int = 512,
    depth: int = 3,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """An MLP with `depth` hidden ReLU layers of `width` units.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Number of logits.
        width: Units per hidden layer.
        depth: Number of hidden layers.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.
    """
    inputs = keras.Input(input_shape)
    x = layers.Flatten(name="flatten")(normalize(inputs, mean, variance))
    for i in range(1, depth + 1):
        name = "features" if i == depth else f"block_{i}"
        x = layers.Dense(
            width, activation="relu", kernel_initializer="he_normal", name=name
        )(x)
    return keras.Model(inputs, layers.Dense(n_classes, name="logits")(x), name="mlp")


MLP = Architecture(
    build=build_mlp,
    task="classification",
    feature_layer="features",
    block_layers=r"^(block_\d+|features)$",
)
