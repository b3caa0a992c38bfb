"""Linear evaluation: the accuracy of a linear classifier on the features of a model."""

from __future__ import annotations

import keras
import numpy as np

from keras_pvec.features import FeatureExtractor, LayerChoice
from keras_pvec.samples import SampleSet

_MAX_ITERATIONS = 1000


def linear_accuracy(
    model: keras.Model, layer: LayerChoice, train: SampleSet, test: SampleSet
) -> float:
    """Test accuracy of a logistic regression on the features of a layer.

    The usual measure of representations learned without labels (Chen et al. 2020,
    section 2.3). Features are standardized with the moments of the training samples.

    Args:
        model: A built model, run in inference mode.
        layer: As in `FeatureExtractor`.
        train: Samples with labels that the classifier is fitted to.
        test: Samples with labels that it is evaluated on.

    Returns:
        Share of the test samples that are classified correctly, in [0, 1].

    Raises:
        ValueError: Samples without labels.
        LayerChoiceError: The model has no such layer.
    """
    for samples in (train, test):
        if samples.y is None:
            raise ValueError(f"The sample set {samples.name!r} has no labels.")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    extractor = FeatureExtractor(model, layer)
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=_MAX_ITERATIONS)
    )
    classifier.fit(_features(extractor, train), train.y)
    return float(classifier.score(_features(extractor, test), test.y))


def _features(extractor: FeatureExtractor, samples: SampleSet) -> np.ndarray:
    blocks = []
    for features in extractor.blocks(samples):
        (block,) = features.values()
        blocks.append(keras.ops.convert_to_numpy(block))
    return np.concatenate(blocks).astype(np.float32)
