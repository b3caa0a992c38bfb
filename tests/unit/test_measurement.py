"""P-vectors of models: one forward pass, bounded memory, and what is held or not."""

import keras
import numpy as np
import pytest
from keras import layers
from oracles import degrees_between, lapack_vector

import keras_pvec as kp
from keras_pvec.measurement import MeasurementOptions, PVectorProbe
from keras_pvec.solver import ZeroMatrixError


@pytest.fixture
def samples(rng):
    return kp.SampleSet(rng.random((150, 8, 8, 1)).astype("float32"))


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def expected(model, samples, layer):
    part = keras.Model(model.inputs, model.get_layer(layer).output)
    return lapack_vector(part.predict(samples.x, verbose=0))


@pytest.mark.parametrize("max_feature_bytes", [0, 150 * 8 * 4, 2**30])
def test_held_or_streamed_the_vectors_are_the_same(max_feature_bytes, model, samples):
    measured = kp.model_p_vectors(
        model,
        samples,
        ["conv", "pool"],
        batch_size=32,
        max_feature_bytes=max_feature_bytes,
    )
    for layer, p in measured.items():
        assert degrees_between(p.vector, expected(model, samples, layer)) < 2e-3
        assert p.layer == layer
        assert p.samples_sha256 == samples.sha256


def test_exact_method(model, samples):
    measured = kp.model_p_vectors(model, samples, method="exact")
    assert degrees_between(
        measured["pool"].vector, expected(model, samples, "pool")
    ) < (1e-3)


def test_one_forward_pass_for_all_layers_that_fit(model, samples, monkeypatch):
    options = MeasurementOptions(batch_size=50)
    probe = PVectorProbe(model, samples, "re:conv|pool|logits", options)
    passes = []
    blocks = probe._extractor.blocks
    monkeypatch.setattr(
        probe._extractor,
        "blocks",
        lambda *args, **kwargs: passes.append(1) or blocks(*args, **kwargs),
    )
    assert len(probe.measure().p_vectors) == 3
    assert len(passes) == 1


def test_a_dead_layer_does_not_hide_the_others(model, samples):
    model.get_layer("logits").set_weights([np.zeros((8, 4)), np.zeros(4)])
    probe = PVectorProbe(model, samples, ["logits", "pool"])
    measured = probe.measure()
    assert list(measured.p_vectors) == ["pool"]
    assert measured.layers == ("logits", "pool")
    assert isinstance(measured.failures["logits"], ZeroMatrixError)
    with pytest.raises(ZeroMatrixError, match="'logits'"):
        kp.model_p_vectors(model, samples, ["logits", "pool"])
