"""Linear evaluation of features."""

import keras
import numpy as np
import pytest

import keras_pvec as kp
from keras_pvec.reproduction.evaluation import linear_accuracy


@pytest.fixture
def model():
    """Its features `scaled` are the inputs, badly scaled."""
    inputs = keras.Input((3,))
    features = keras.layers.Rescaling([1e3, 1.0, 1e-3], name="scaled")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(features))


def test_what_is_linear_in_the_features_is_found(model, rng):
    x = rng.standard_normal((600, 3)).astype("float32")
    # The smallest feature decides.
    train, test = (kp.SampleSet(part, part[:, 2] > 0) for part in (x[:400], x[400:]))
    assert linear_accuracy(model, "scaled", train, test) > 0.97


def test_what_is_not_there_is_not_found(model, rng):
    x = rng.standard_normal((900, 3)).astype("float32")
    labels = rng.integers(0, 3, 900)
    train, test = (
        kp.SampleSet(x[part], labels[part]) for part in (slice(600), slice(600, 900))
    )
    accuracy = linear_accuracy(model, "scaled", train, test)
    assert abs(accuracy - 1 / 3) < 5 * np.sqrt(2 / 9 / 300)


def test_unknown_layer(model, rng):
    samples = kp.SampleSet(rng.random((5, 3)).astype("float32"), np.arange(5))
    with pytest.raises(kp.LayerChoiceError, match="encoder"):
        linear_accuracy(model, "encoder", samples, samples)


def test_samples_without_labels(model, rng):
    samples = kp.SampleSet(rng.random((5, 3)).astype("float32"), name="unlabelled")
    with pytest.raises(ValueError, match="unlabelled"):
        linear_accuracy(model, "scaled", samples, samples)
