"""Trainings on each Keras backend: resumed bit for bit, shared among devices."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from frameworks import BACKEND, needs_jax
from small_models import SMALL_MODELS, small_settings

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.record import TrainingRecord

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def data():
    return load_data("digits").subset(70, 20)


class Interrupt(keras.callbacks.Callback):
    """Stops a training within its second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        # Batch statistics and momentum; PyTorch's dropout has random state of its own.
        pytest.param(
            "wide_resnet",
            {**SMALL_MODELS["wide_resnet"], "dropout": 0.3},
            marks=pytest.mark.slow if BACKEND == "tensorflow" else (),
        ),
        ("denoising_autoencoder", {"width": 4, "noise": 0.2}),
        ("simclr", SMALL_MODELS["simclr"]),
    ],
)
def test_a_resumed_training_equals_an_uninterrupted_one(
    architecture, options, data, tmp_path
):
    settings = small_settings(
        data,
        architecture,
        model_options=options,
        epochs=2,
        batch_size=40,
        num_samples={"train": 60},
    )
    whole = training.train(settings, data, tmp_path / "whole")
    keras.utils.set_random_seed(99)  # as in another process
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, data, tmp_path / "parts", callbacks=[Interrupt()])
    if architecture != "wide_resnet":
        record = TrainingRecord.of(kp.open_run(tmp_path / "parts"))
        assert set(record.linear_accuracy) == {"untrained"}
    keras.utils.set_random_seed(98)
    parts = training.train(settings, data, tmp_path / "parts")
    for file in ("log.csv", "metrics.csv"):
        assert (parts.path / file).read_text() == (whole.path / file).read_text()
    accuracies = [TrainingRecord.of(run).linear_accuracy for run in (whole, parts)]
    assert accuracies[0] == accuracies[1]
    weights = [training.load_model(run.path).get_weights() for run in (whole, parts)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert json.loads((whole.path / "run.json").read_text())["settings"]["backend"] == (
        BACKEND
    )


def test_a_run_of_another_backend_is_not_resumed(data, tmp_path):
    settings = small_settings(data, epochs=1, num_samples={"train": 60})
    run = training.train(settings, data, tmp_path)
    (run.path / "SHA256SUMS").unlink()
    info = json.loads((run.path / "run.json").read_text())
    for stored in ("tensorflow", "jax", "torch", None):
        if stored is None:
            del info["settings"]["backend"]  # as in earlier versions
        else:
            info["settings"]["backend"] = stored
        (run.path / "run.json").write_text(json.dumps(info))
        if (stored or "tensorflow") == BACKEND:
            assert training.is_finished(settings, run.path)
            continue
        with pytest.raises(kp.RunConflictError, match=f"backend.*{BACKEND}"):
            training.is_finished(settings, run.path)
        assert training.stored_backend(run.path) == (stored or "tensorflow")


@needs_jax
@pytest.mark.parametrize("architecture", ["mlp", "simclr"])
def test_data_parallel_training_is_that_of_one_device(architecture, tmp_path):
    """Two devices on any machine: the processor, twice. Of 205 images, those of the
    last batch cannot be shared equally."""
    program = f"""
        import keras
        import numpy as np
        from small_models import small_settings
        from keras_pvec.reproduction import training
        from keras_pvec.reproduction.data import load_data

        class Interrupt(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                assert len(self.model.weights[-1].value.sharding.device_set) == 2
                if int(self.model.optimizer.iterations) == 6:
                    raise KeyboardInterrupt

        def train(name, data, distribute, **options):
            settings = small_settings(
                data, {architecture!r}, epochs=2, log_freq=2, distribute=distribute
            )
            path = {str(tmp_path)!r} + "/" + name
            return training.train(settings, data, path, **options)

        assert len(keras.distribution.list_devices()) == 2
        data = load_data("digits").subset(206, 50)
        one = train("one", data, "none")
        two = train("two", data, "data_parallel")
        for column in ("loss", "val_loss"):
            np.testing.assert_allclose(
                one.metrics[column], two.metrics[column], rtol=1e-3
            )
        angles = [run.angles()["angle_deg"] for run in (one, two)]
        np.testing.assert_allclose(*angles, atol=1e-2)
        data = load_data("digits").subset(205, 51)
        whole = train("whole", data, "data_parallel")
        try:
            train("parts", data, "data_parallel", callbacks=[Interrupt()])
        except KeyboardInterrupt:
            pass
        parts = train("parts", data, "data_parallel")
        logs = [(run.path / "log.csv").read_text() for run in (whole, parts)]
        assert logs[0] == logs[1]
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE.parents[1]))),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        check=True,
        timeout=600,
    )
