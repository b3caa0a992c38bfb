"""What training takes from each Keras backend."""

import dataclasses
import importlib.util

import keras
import numpy as np
import pytest
from frameworks import BACKEND, needs_torch
from small_models import small_settings

from keras_pvec.reproduction import training
from keras_pvec.reproduction.backends import (
    DISTRIBUTIONS,
    UnsupportedOnBackendError,
    backend,
    check_distribution,
)
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.data import DatasetUnavailableError, load_data
from keras_pvec.reproduction.devices import DeviceUnavailableError, prepare_process
from keras_pvec.reproduction.planner import plan_runs
from keras_pvec.reproduction.studies import STUDIES
from keras_pvec.runs import RunFolder

OTHER = "jax" if BACKEND == "torch" else "torch"


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="tpu"):
        prepare_process("tpu")
    if backend().has_gpu():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceUnavailableError, match=backend().TITLE):
        prepare_process("gpu")
    prepare_process("cpu", shared=True)
    assert keras.ops.convert_to_numpy(keras.ops.ones(2)).sum() == 2


def test_each_backend_shares_batches_in_its_own_way(tmp_path):
    own = {"tensorflow": "mirrored", "jax": "data_parallel", "torch": "none"}[BACKEND]
    assert own == backend().DISTRIBUTION
    for distribute in DISTRIBUTIONS:
        if distribute in ("none", own):
            check_distribution(distribute)
            continue
        with pytest.raises(UnsupportedOnBackendError, match=f"{own}.*{distribute}"):
            check_distribution(distribute)
        config = ExperimentConfig(
            models=("mlp",), distribute=distribute, runs_dir=tmp_path
        )
        with pytest.raises(ConfigError, match=distribute):
            plan_runs(config, {STUDIES["convergence"]: ["mlp"]})


def test_a_model_is_built_on_the_backend_of_its_run():
    data = load_data("digits").subset(40, 20)
    settings = small_settings(data)
    assert settings.backend == BACKEND
    with pytest.raises(ValueError, match=f"{OTHER}.*{BACKEND}"):
        training.build_model(small_settings(data, backend=OTHER), data)


def test_runs_of_other_backends_can_be_analysed(tmp_path):
    config = ExperimentConfig(models=("mlp",), runs_dir=tmp_path, train=False)
    studies = {STUDIES["convergence"]: ["mlp"]}
    (job,) = plan_runs(config, studies)[STUDIES["convergence"]]
    assert job.settings.backend == BACKEND
    other = dataclasses.replace(job.settings, backend=OTHER)
    job.path.mkdir(parents=True)
    RunFolder(job.path).note(settings=other.as_json(), status="running")
    (job,) = plan_runs(config, studies)[STUDIES["convergence"]]
    assert job.settings.backend == OTHER


@needs_torch
def test_the_state_of_dropout():
    layer = keras.layers.Dropout(0.5)
    x = np.ones((4, 50), "float32")
    state = {name: values.copy() for name, values in backend().random_state().items()}
    first = keras.ops.convert_to_numpy(layer(x, training=True))
    second = keras.ops.convert_to_numpy(layer(x, training=True))
    backend().set_random_state(state)
    np.testing.assert_array_equal(layer(x, training=True), first)
    assert (first != second).any()


@pytest.mark.parametrize("missing", ["tensorflow", "tensorflow_datasets"])
def test_reading_without_tensorflow_names_what_to_install(
    missing, tmp_path, monkeypatch
):
    found = {"tensorflow", "tensorflow_datasets"} - {missing}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: name if name in found else None
    )
    with pytest.raises(DatasetUnavailableError, match="mnist") as raised:
        load_data("mnist", data_dir=tmp_path)
    assert f"pip install {missing.replace('_', '-')}" in str(raised.value)
