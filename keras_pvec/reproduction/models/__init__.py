"""Architectures by name. They do not depend on P-vectors."""

from __future__ import annotations

from keras_pvec.reproduction.model_names import parse_model_name
from keras_pvec.reproduction.models.architecture import Architecture
from keras_pvec.reproduction.models.autoencoder import (
    AUTOENCODER,
    DENOISING_AUTOENCODER,
    DENSE_AUTOENCODER,
)
from keras_pvec.reproduction.models.simclr import ENCODERS, SIMCLR

MODELS: dict[str, Architecture] = {
    **ENCODERS,
    "autoencoder": AUTOENCODER,
    "denoising_autoencoder": DENOISING_AUTOENCODER,
    "dense_autoencoder": DENSE_AUTOENCODER,
    "simclr": SIMCLR,
}

__all__ = ["ENCODERS", "MODELS", "Architecture", "parse_model_name"]
