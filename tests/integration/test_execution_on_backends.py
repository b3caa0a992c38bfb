"""Precision, determinism and compilation of trainings on each Keras backend."""

import keras
import numpy as np
import pytest
from frameworks import BACKEND, needs_torch
from oracles import degrees_between, lapack_vector
from small_models import small_settings

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.models import MODELS

ROUNDING = {"mixed_bfloat16": 2.0**-8, "mixed_float16": 2.0**-11}


@pytest.fixture(scope="module")
def data():
    return load_data("digits").subset(100, 40)


@pytest.mark.parametrize(
    "architecture", ["mlp", pytest.param("autoencoder", marks=pytest.mark.slow)]
)
def test_half_precision_moves_p_vectors_by_its_rounding(architecture, data):
    """Those of half-precision features are computed without further loss."""
    layer = MODELS[architecture].feature_layer
    samples = data.samples("train", 80)

    def measure(precision):
        settings = small_settings(data, architecture, precision=precision)
        model = training.build_model(settings, data)
        p = kp.model_p_vectors(model, samples, layer, pooling="avg")[layer]
        return model, p

    _, exact = measure("float32")
    for precision, rounding in ROUNDING.items():
        model, p = measure(precision)
        features = model.get_layer(layer).output
        assert f"mixed_{keras.backend.standardize_dtype(features.dtype)}" == precision
        angle = degrees_between(p.vector, exact.vector)
        assert 0 < angle < 5 * np.degrees(rounding)
        if architecture == "mlp":
            outputs = keras.Model(model.input, features)(samples.x)
            outputs = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
            # Two programs need not round alike; each rounds single entries once.
            expected = lapack_vector(outputs)
            assert degrees_between(p.vector, expected) < np.degrees(rounding)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize("architecture", ["mlp", "autoencoder", "simclr"])
def test_training_in_half_precision(architecture, precision, data, tmp_path):
    settings = small_settings(data, architecture, epochs=2, precision=precision)
    run = training.train(settings, data, tmp_path)
    assert np.isfinite(run.metrics["loss"]).all()
    assert len(run.moments) == 3
    assert np.isfinite(run.angles()["angle_deg"]).all()
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.skipif(BACKEND == "tensorflow", reason="lasts for the process; see there")
def test_determinism(data, tmp_path):
    # Convolutions, where that costs little.
    architecture = "autoencoder" if BACKEND == "torch" else "mlp"
    paths = [tmp_path / name for name in "ab"]
    try:
        for path in paths:
            settings = small_settings(data, architecture, epochs=1, deterministic=True)
            training.train(settings, data, path)
            if BACKEND == "torch":
                import torch

                assert torch.are_deterministic_algorithms_enabled()
    finally:
        if BACKEND == "torch":
            torch.use_deterministic_algorithms(False)
    for file in ("log.csv", "metrics.csv"):
        one, other = ((path / file).read_text() for path in paths)
        assert one == other


@needs_torch
@pytest.mark.slow
def test_torch_compile_trains_the_same_network(data, tmp_path):
    runs = [
        training.train(
            small_settings(data, epochs=2, jit_compile=jit), data, tmp_path / str(jit)
        )
        for jit in (False, True)
    ]
    losses = [run.metrics["loss"] for run in runs]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    angles = [run.angles()["angle_deg"] for run in runs]
    np.testing.assert_allclose(*angles, atol=0.01)
