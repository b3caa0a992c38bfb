"""The same weights give the same P-vectors on every Keras backend.

NumPy draws the weights and computes the forward pass, in float64. Each backend is
compared with that, and so with the other backends.
"""

import keras
import numpy as np
import pytest
from oracles import (
    autoencoder_features,
    degrees_between,
    lapack_vector,
    mlp_features,
    resnet18_features,
)

import keras_pvec as kp
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.training import load_weights
from keras_pvec.reproduction.training.weights import save_weights

MEAN, VARIANCE = 0.4, 0.09
SAMPLES = kp.SampleSet(
    np.random.default_rng(0).random((80, 9, 10, 1)).astype("float32"), name="toy"
)
# What rounding to float32 within the forward pass adds to the reported error.
ROUNDING_DEG = 1e-4

NETWORKS = {
    "mlp": (MODELS["mlp"], {"width": 24}, mlp_features),
    "autoencoder": (MODELS["autoencoder"], {"width": 6}, autoencoder_features),
    "resnet18": (MODELS["resnet"], {"width": 6}, resnet18_features),
    "simclr": (
        MODELS["simclr"],
        {"encoder": "resnet", "encoder_options": {"width": 6}},
        lambda weights, x: {"encoder": resnet18_features(weights, x)["avg_pool"]},
    ),
}


def layers_of(model):
    parts = (
        [model.encoder, model.projection_head] if "simclr" in model.name else [model]
    )
    return {layer.name: layer for part in parts for layer in part.layers}


def draw_weights(model, seed):
    """Weights by layer, float32, which depend on its name alone."""
    drawn = {}
    for name, layer in layers_of(model).items():
        rng = np.random.default_rng([seed, *name.encode()])
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            low, high = [0.5, -0.3, -0.3, 0.5], [1.5, 0.3, 0.3, 1.5]
            values = [rng.uniform(*ends, shape) for ends in zip(low, high, strict=True)]
        else:
            # Kernels, He's scale; biases.
            values = [
                rng.normal(0, np.sqrt(2 / max(np.prod(w.shape[:-1]), 20)), w.shape)
                for w in layer.get_weights()
            ]
        drawn[name] = [value.astype("float32") for value in values]
    return drawn


@pytest.mark.parametrize("name", NETWORKS)
def test_p_vectors_are_those_of_numpy(name, tmp_path):
    architecture, options, features_of = NETWORKS[name]

    def build(seed):
        keras.utils.set_random_seed(seed)
        return architecture.build(
            (9, 10, 1), 3, mean=[MEAN], variance=[VARIANCE], **options
        )

    model = build(1)
    weights = draw_weights(model, 5)
    for layer, values in weights.items():
        if layer != "normalize":
            layers_of(model)[layer].set_weights(values)
    # As weights move from one backend to another.
    file = tmp_path / "run" / "weights" / "moment.npz"
    save_weights(model, file)
    model = build(2)
    load_weights(model, file)

    pixels = (SAMPLES.x.astype(np.float64) - MEAN) / np.sqrt(VARIANCE)
    expected = features_of(
        {k: [np.float64(v) for v in values] for k, values in weights.items()}, pixels
    )
    found = kp.model_p_vectors(
        model, SAMPLES, list(expected), batch_size=32, pooling="avg"
    )
    assert list(found) == list(expected)
    for layer, p in found.items():
        error = degrees_between(p.vector, lapack_vector(expected[layer]))
        assert error < p.error_deg[0] + ROUNDING_DEG, (layer, error, p.error_deg[0])
        assert p.error_deg[0] < 1e-2
        np.testing.assert_allclose(
            p.sigma1, np.linalg.norm(expected[layer], 2), rtol=1e-5
        )
