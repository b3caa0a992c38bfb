"""Features of chosen layers: which layers, and how their outputs are captured."""

from keras_pvec.features.choice import LayerChoice, LayerChoiceError
from keras_pvec.features.extractor import FeatureExtractor

__all__ = ["FeatureExtractor", "LayerChoice", "LayerChoiceError"]
