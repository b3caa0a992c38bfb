"""Architectures by name. They know nothing of P-vectors."""

from __future__ import annotations

import re
from typing import Any

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


def parse_model_name(name: str) -> tuple[str, dict[str, Any]]:
    """Splits a model name into a key of `MODELS` and builder options.

    The numbers behind the key are options in the order of `Architecture.variant`:
    `"resnet-50"` has depth 50, `"wide_resnet-28-2"` depth 28 and widening 2,
    `"mlp-512x3"` three layers of width 512. Behind `simclr` stands the name of its
    encoder, as in `"simclr-wide_resnet-28-2"`.

    Raises:
        ValueError: An unknown model, or numbers that it does not take.
    """
    if name.startswith("simclr-"):
        encoder, options = parse_model_name(name.removeprefix("simclr-"))
        if encoder not in ENCODERS:
            raise ValueError(
                f"Unknown encoder in {name!r}. Choose of: {', '.join(ENCODERS)}."
            )
        return "simclr", {"encoder": encoder, "encoder_options": options}
    key, *numbers = re.split(r"[-x](?=\d)", name)
    if key not in MODELS:
        raise ValueError(f"Unknown model {name!r}. Choose of: {', '.join(MODELS)}.")
    options = MODELS[key].variant
    if len(numbers) > len(options) or not all(n.isdecimal() for n in numbers):
        form = "".join(f"[-<{option}>" for option in options) + "]" * len(options)
        raise ValueError(f"Unknown variant {name!r}. The form is {key}{form}.")
    return key, dict(zip(options, map(int, numbers), strict=False))


__all__ = ["ENCODERS", "MODELS", "Architecture", "parse_model_name"]
