"""The contract between an architecture and the code that trains it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

Task = Literal["classification", "reconstruction", "contrastive"]

# Arguments of every builder that are not options.
_DATA_ARGUMENTS = ("input_shape", "n_classes", "mean", "variance")


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A builder, with the names of the layers that are measured in its models.

    Attributes:
        build: Called with `input_shape`, `n_classes` and the keyword options of the
            architecture. Returns a built, uncompiled Keras model that takes pixels in
            [0, 1].
        task: `"classification"` (the outputs are logits), `"reconstruction"` (pixels)
            or `"contrastive"` (projections of two views; the model computes its loss).
        feature_layer: Name of the layer whose output is the features: the one before
            the classifier, or the bottleneck.
        block_layers: Regular expression that matches the names of the blocks' output
            layers, which are numbered from the input.
        width_option: The option that all widths are multiples of; `None` without such
            an option.
    """

    build: Callable[..., keras.Model]
    task: Task
    feature_layer: str
    block_layers: str
    width_option: str | None = "width"

    def all_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The given options together with the builder's defaults for the others."""
        parameters = inspect.signature(self.build).parameters
        defaults = {
            name: parameter.default
            for name, parameter in parameters.items()
            if name not in _DATA_ARGUMENTS
        }
        return {**defaults, **options}


def normalize(
    pixels: keras.KerasTensor, mean: list[float] | None, variance: list[float] | None
) -> keras.KerasTensor:
    """Standardizes the channels inside the model, so that it takes raw pixels."""
    if mean is None or variance is None:
        return pixels
    return keras.layers.Normalization(
        axis=-1, mean=mean, variance=variance, name="normalize"
    )(pixels)
