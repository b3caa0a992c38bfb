"""Networks of the experiments that are quick to train, and settings to train them."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.training import RECIPES, RunSettings

# Builder options that make every architecture quick to train.
SMALL_MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"width": 8},
    "resnet": {"width": 4},
    "wide_resnet": {"depth": 10, "widen": 1},
    "vgg": {"width": 4},
    "densenet": {"growth": 2},
    "autoencoder": {"width": 4},
    "denoising_autoencoder": {"width": 4},
    "dense_autoencoder": {"width": 8},
    "simclr": {"encoder": "mlp", "encoder_options": {"width": 8}},
}
NAMES = {
    "resnet": "resnet18",
    "wide_resnet": "wide_resnet10_1",
    "vgg": "vgg16",
    "densenet": "densenet121",
    "simclr": "simclr_mlp",
}


def small_settings(
    data: ImageData, architecture: str = "mlp", **changes: Any
) -> RunSettings:
    """Settings of a run that takes seconds."""
    settings = RunSettings(
        dataset=data.name,
        data_sha256=data.fingerprint(),
        model=NAMES.get(architecture, architecture),
        model_options=SMALL_MODELS[architecture],
        recipe=RECIPES[architecture],
        epochs=3,
        batch_size=64,
        seed=0,
        num_samples={"train": 100},
        layers=[MODELS[architecture].feature_layer],
    )
    return dataclasses.replace(settings, **changes)
