"""Architectures: published sizes, names, shapes and tasks."""

import re

import keras
import numpy as np
import pytest

from keras_pvec.models import MODELS


def n_trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def test_resnet_18_has_its_published_size():
    assert n_trainable(MODELS["resnet"].build((32, 32, 3), 10)) == 11_173_962


def test_resnet_34_has_its_published_size():
    model = MODELS["resnet"].build((32, 32, 3), 10, depth=34)
    assert n_trainable(model) == 21_282_122
    with pytest.raises(ValueError, match="Received: 19"):
        MODELS["resnet"].build((32, 32, 3), 10, depth=19)


def test_mlp_has_the_size_of_its_layers():
    model = MODELS["mlp"].build((28, 28, 1), 10, width=100, depth=2)
    expected = (784 + 1) * 100 + (100 + 1) * 100 + (100 + 1) * 10
    assert n_trainable(model) == expected


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3)])
def test_every_model_takes_every_size(name, shape):
    architecture = MODELS[name]
    model = architecture.build(shape, 7, width=8)
    output = model(np.zeros((2, *shape), "float32"))
    if architecture.task == "reconstruction":
        assert output.shape == (2, *shape)
    else:
        assert output.shape == (2, 7)
    assert len(model.get_layer(architecture.feature_layer).output.shape) == 2
    names = [layer.name for layer in model.layers]
    blocks = [n for n in names if re.search(architecture.block_layers, n)]
    expected = {"mlp": 3, "resnet": 8, "autoencoder": 3}[name]
    assert len(blocks) == expected


@pytest.mark.parametrize("name", MODELS)
def test_pixels_are_normalised_within(name):
    """A model that is told the moments treats raw pixels as one that is given
    standardised pixels."""
    rng = np.random.default_rng(0)
    pixels = rng.random((4, 8, 8, 3)).astype("float32")
    mean, variance = [0.5, 0.4, 0.3], [0.04, 0.09, 0.01]
    inside = MODELS[name].build((8, 8, 3), 5, width=8, mean=mean, variance=variance)
    outside = MODELS[name].build((8, 8, 3), 5, width=8)
    outside.set_weights(inside.get_weights())
    standardised = (pixels - mean) / np.sqrt(variance)
    np.testing.assert_allclose(
        inside.predict(pixels, verbose=0),
        outside.predict(standardised, verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", MODELS)
def test_models_survive_saving(name, tmp_path):
    model = MODELS[name].build((8, 8, 1), 3, width=8, mean=[0.3], variance=[0.2])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((3, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )
