"""What an entry of `MODELS` says about a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A builder, with the names of what is worth watching in the models it makes.

    Attributes:
        build: Called with `input_shape`, `n_classes` and the keyword options of its
            own; returns a built, uncompiled Keras model that takes pixels in [0, 1].
        task: `"classification"` (logits), `"reconstruction"` (pixels) or
            `"contrastive"` (pairs of views in, the model knows its own loss).
        feature_layer: Name of the layer whose output is "the features" of a model:
            the one before the classifier, or the bottleneck.
        block_layers: Regular expression for the names of the outputs of the blocks,
            which the models number from the input on.
        variant: Options of the builder that numbers behind the name stand for, in
            their order, as in `"wide_resnet-28-2"` or `"mlp-512x3"`.
        width_option: Option of the builder that all widths are multiples of.
    """

    build: Callable[..., keras.Model]
    task: str
    feature_layer: str
    block_layers: str
    variant: tuple[str, ...] = ()
    width_option: str = "width"


def normalize(
    pixels: keras.KerasTensor, mean: list[float] | None, variance: list[float] | None
) -> keras.KerasTensor:
    """Standardises the channels inside the model, so that it takes raw pixels."""
    if mean is None or variance is None:
        return pixels
    return keras.layers.Normalization(
        axis=-1, mean=mean, variance=variance, name="normalize"
    )(pixels)
