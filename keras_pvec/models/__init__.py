"""Architectures by name. They know nothing of P-vectors."""

from __future__ import annotations

import re

from keras_pvec.models.architecture import Architecture
from keras_pvec.models.autoencoder import AUTOENCODER, DENSE_AUTOENCODER
from keras_pvec.models.densenet import DENSENET
from keras_pvec.models.mlp import MLP
from keras_pvec.models.resnet import RESNET
from keras_pvec.models.vgg import VGG
from keras_pvec.models.wide_resnet import WIDE_RESNET

MODELS: dict[str, Architecture] = {
    "mlp": MLP,
    "resnet": RESNET,
    "wide_resnet": WIDE_RESNET,
    "vgg": VGG,
    "densenet": DENSENET,
    "autoencoder": AUTOENCODER,
    "dense_autoencoder": DENSE_AUTOENCODER,
}


def parse_model_name(name: str) -> tuple[str, dict[str, int]]:
    """Splits a model name into a key of `MODELS` and builder options.

    The numbers behind the key are options in the order of `Architecture.variant`:
    `"resnet-50"` has depth 50, `"wide_resnet-28-2"` depth 28 and widening 2,
    `"mlp-512x3"` three layers of width 512.

    Raises:
        ValueError: An unknown model, or numbers that it does not take.
    """
    key, *numbers = re.split(r"[-x](?=\d)", name)
    if key not in MODELS:
        raise ValueError(f"Unknown model {name!r}. Choose of: {', '.join(MODELS)}.")
    options = MODELS[key].variant
    if len(numbers) > len(options) or not all(n.isdecimal() for n in numbers):
        form = "".join(f"[-<{option}>" for option in options) + "]" * len(options)
        raise ValueError(f"Unknown variant {name!r}. The form is {key}{form}.")
    return key, dict(zip(options, map(int, numbers), strict=False))


__all__ = ["MODELS", "Architecture", "parse_model_name"]
