"""What the callback watches: a part, a default layer, layers that are numbered anew."""

import copy

import keras
import numpy as np
import pytest
from frameworks import BACKEND
from keras import layers, ops

import keras_pvec as kp

X = np.random.default_rng(0).random((24, 5)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
SAMPLES = kp.SampleSet(X[:12], name="toy")


def unnamed():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.Dense(3)])
    model.add(layers.Dense(1))
    model.compile("sgd", "mse")
    return model


def fit(model, *callbacks, **options):
    options = {"epochs": 1, "batch_size": 8, "verbose": 0, **options}
    return model.fit(X, Y, callbacks=list(callbacks), **options)


def names_of(model):
    return [layer.name for layer in model.layers]


def test_the_default_layer_is_recorded_and_printed(tmp_path, capsys):
    model = unnamed()
    fit(model, kp.PVectorLogger(tmp_path / "silent", SAMPLES))
    assert not capsys.readouterr().out
    name = names_of(model)[1]
    assert kp.open_run(tmp_path / "silent").info.notes["default_layer"] == name
    fit(model, kp.PVectorLogger(tmp_path / "verbose", SAMPLES), verbose=2)
    assert f"{name!r}" in capsys.readouterr().out
    fit(model, kp.PVectorLogger(tmp_path / "chosen", SAMPLES, name), verbose=2)
    assert f"{name!r}" not in capsys.readouterr().out
    assert "default_layer" not in kp.open_run(tmp_path / "chosen").info.notes


def test_a_run_resumes_although_its_layers_are_numbered_anew(tmp_path):
    fit(first := unnamed(), kp.PVectorLogger(tmp_path, SAMPLES, "re:dense"))
    resumed = unnamed()
    assert names_of(first) != names_of(resumed)
    resumed.set_weights(first.get_weights())
    logger = kp.PVectorLogger(tmp_path, SAMPLES, "re:dense", resume=True)
    fit(resumed, logger, initial_epoch=1, epochs=2)
    run = kp.open_run(tmp_path)
    assert run.layers == names_of(first)
    assert set(run.log["layer"]) == set(names_of(first))
    hidden = ops.convert_to_numpy(resumed.layers[0](SAMPLES.x))
    found = run.p_vector("final", names_of(first)[0])
    assert kp.angle(found, kp.p_vector(hidden, samples=SAMPLES)) < 1e-3


def test_references_by_layer_are_found_although_they_are_numbered_anew(tmp_path):
    fit(first := unnamed(), kp.PVectorLogger(tmp_path / "a", SAMPLES, "re:dense"))
    last = kp.open_run(tmp_path / "a").p_vectors((0, 3))
    second = unnamed()
    references = {"first": last}
    logger = kp.PVectorLogger(
        tmp_path / "b", SAMPLES, "re:dense", references=references
    )
    fit(second, logger)
    log = kp.open_run(tmp_path / "b").log.query("epoch == 0")
    assert list(log["layer"]) == names_of(second) != names_of(first)
    np.testing.assert_allclose(log["angle_deg"], 0, atol=1e-4)


def test_a_model_whose_only_layer_starts_at_zero_is_trained(tmp_path):
    keras.utils.set_random_seed(0)
    zero = layers.Dense(3, kernel_initializer="zeros", name="zero")
    model = keras.Sequential([keras.Input((5,)), zero, layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="'zero'.*epoch -1"):
        fit(model, kp.PVectorLogger(tmp_path, SAMPLES, "zero"), epochs=2)
    run = kp.open_run(tmp_path)
    assert [moment.epoch for moment in run.moments] == [0, 1]
    assert [failure.layer for failure in run.info.failures] == ["zero"]
    assert run.info.complete
    features = ops.convert_to_numpy(zero(SAMPLES.x))
    truth = kp.p_vector(features, samples=SAMPLES)
    assert kp.angle(run.p_vector("final"), truth) < 1e-3


@pytest.mark.parametrize("part", [3, "encoder"])
def test_a_part_that_is_no_model(part, tmp_path):
    with pytest.raises(TypeError, match=repr(part)):
        kp.PVectorLogger(tmp_path / "run", SAMPLES, model=part)
    logger = kp.PVectorLogger(tmp_path / "run", SAMPLES, model=lambda model: part)
    with pytest.raises(TypeError, match=repr(part)):
        fit(unnamed(), logger)
    assert not (tmp_path / "run").exists()


def test_a_copy_of_a_part_is_told(tmp_path):
    model = unnamed()
    part = keras.Sequential([keras.Input((5,)), *model.layers[:2]], name="part")
    fit(model, kp.PVectorLogger(tmp_path / "a", SAMPLES, model=part))
    logger = kp.PVectorLogger(
        tmp_path / "b", SAMPLES, names_of(model)[1], model=copy.deepcopy(part)
    )
    with pytest.warns(UserWarning, match="'part'"):
        fit(model, logger)


@pytest.mark.skipif(BACKEND == "jax", reason="Keras traces every model on JAX")
def test_a_layer_as_a_part_of_a_model_that_runs_eagerly(tmp_path):
    class Block(layers.Layer):
        """Python code that cannot be compiled."""

        def __init__(self):
            super().__init__(name="block")
            self.dense = layers.Dense(4, name="dense")

        def build(self, shape):
            self.dense.build(shape)

        def call(self, x):
            return self.dense(np.sqrt(x.numpy()))

        def compute_output_shape(self, shape):
            return (shape[0], 4)

    block = Block()
    model = keras.Sequential([keras.Input((5,)), block, layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    logger = kp.PVectorLogger(
        tmp_path, SAMPLES, "dense", model=lambda model: model.layers[0]
    )
    fit(model, logger)
    features = ops.convert_to_numpy(block(SAMPLES.x))
    truth = kp.p_vector(features, samples=SAMPLES)
    assert kp.angle(kp.open_run(tmp_path).p_vector(), truth) < 1e-3
