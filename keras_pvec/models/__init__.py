"""Architectures by name. They know nothing of P-vectors."""

from keras_pvec.models.architecture import Architecture
from keras_pvec.models.autoencoder import AUTOENCODER
from keras_pvec.models.mlp import MLP
from keras_pvec.models.resnet import RESNET

MODELS: dict[str, Architecture] = {
    "mlp": MLP,
    "resnet": RESNET,
    "autoencoder": AUTOENCODER,
}

__all__ = ["MODELS", "Architecture"]
