"""Runs: trained once, resumed without a trace, reused, never overwritten."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from oracles import degrees_between, lapack_vector
from small_models import small_settings

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training import (
    Recipe,
    fit,
    load_weights,
    references,
    stored_weights,
    weight_moments,
)
from keras_pvec.reproduction.training.checkpoint import checkpoints
from keras_pvec.runs import RunFolder
from keras_pvec.solver import ZeroMatrixError

HERE = Path(__file__).parent
# For processes that import `small_models`.
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE.parents[1])))
}


@pytest.fixture(scope="module")
def data():
    return load_data("digits").subset(200, 50)


@pytest.fixture(scope="module")
def mlp_settings(data):
    """Three epochs of four updates, logged on both splits and within the first epoch,
    where only the first layer is measured."""
    return small_settings(
        data,
        num_samples={"train": 100, "test": 40},
        layers=training.watched_layers("mlp"),
        layers_within_epoch="first",
        log_freq={"first_epoch": 2},
        k=3,
        keep_weights=True,
    )


@pytest.fixture(scope="module")
def mlp_run(mlp_settings, data, tmp_path_factory):
    """A finished run, to be read only."""
    path = tmp_path_factory.mktemp("mlp") / "run"
    return training.train(mlp_settings, data, path)


def convolutional_settings(data):
    """A network with batch normalization, random crops and momentum."""
    return small_settings(
        data,
        "wide_resnet",
        epochs=4,
        log_freq={"first_epoch": 1},
        layers=["avg_pool", "re:block"],
        keep_weights=True,
    )


@pytest.fixture(scope="module")
def convolutional_run(data, tmp_path_factory):
    """A finished run, to be read only."""
    path = tmp_path_factory.mktemp("wide_resnet") / "run"
    return training.train(convolutional_settings(data), data, path)


class Interrupt(keras.callbacks.Callback):
    """Stops a training at the beginning of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def interrupted(settings, data, path, epoch):
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, data, path, callbacks=[Interrupt(epoch)])


def log_of(run, split="train"):
    return (run.on(split).path / "log.csv").read_text()


def times_of(path):
    return {p: p.stat().st_mtime_ns for p in path.rglob("*") if p.name != ".lock"}


def test_the_files_of_a_run(mlp_run):
    names = {p.name for p in mlp_run.path.iterdir() if not p.name.startswith(".")}
    assert names == {
        "SHA256SUMS",
        "log.csv",
        "metrics.csv",
        "model.keras",
        "pvectors",
        "run.json",
        "samples.npz",
        "test",
        "weights",
    }


def test_what_a_run_notes(mlp_run, mlp_settings, data):
    info = json.loads((mlp_run.path / "run.json").read_text())
    assert info["status"] == "finished"
    assert info["settings"] == mlp_settings.as_json()
    assert info["wall_time_s"] > 0
    assert info["n_train"] == 200
    assert info["n_parameters"] == (64 + 1) * 8 + 2 * (8 + 1) * 8 + (8 + 1) * 10
    assert {"python", "keras", "tensorflow", "numpy"} <= set(info["versions"])
    assert set(info["evaluation"]) == {"train", "test"}
    metrics = mlp_run.metrics
    np.testing.assert_allclose(
        info["evaluation"]["test"]["loss"], metrics["val_loss"].iloc[-1], rtol=1e-5
    )
    assert (
        info["training_quality"]["accuracy"] == info["evaluation"]["test"]["accuracy"]
    )
    assert "linear_accuracy" not in info
    assert metrics["loss"].iloc[-1] < metrics["loss"].iloc[0]
    # The cosine has come down.
    np.testing.assert_allclose(metrics["learning_rate"].iloc[-1], 0, atol=1e-7)
    assert {"pvec_angle_data", "pvec_test_angle_data"} <= set(metrics)
    record = TrainingRecord.of(mlp_run.on("test"))
    assert record.settings == info["settings"]


@pytest.mark.parametrize("architecture", ["autoencoder", "simclr"])
def test_networks_without_labels_are_rated_by_a_linear_classifier(
    architecture, data, tmp_path
):
    settings = small_settings(data, architecture, epochs=2)
    run = training.train(settings, data, tmp_path)
    record = TrainingRecord.of(run)
    assert set(record.linear_accuracy) == {"untrained", "trained"}
    assert record.training_quality["accuracy"] == record.linear_accuracy["trained"]
    assert set(record.evaluation["test"]) == {"loss"}


@pytest.mark.parametrize(("split", "n"), [("train", 100), ("test", 40)])
def test_both_splits_are_logged_by_one_training(split, n, mlp_run, data):
    """References are P-vectors of the pixels and of what the network makes of them
    first."""
    logged = mlp_run.on(split)
    assert logged.moments == [(-1, 0), (0, 2), (0, 4), (1, 8), (2, 12)]
    assert logged.layers == ["features", "block_1", "block_2"]
    assert set(logged.p_vectors((0, 2))) == {"features"}
    assert set(logged.p_vectors((0, 4))) == {"features", "block_1", "block_2"}
    assert logged.p_vector(layer="features").vectors.shape == (n, 3)
    log = logged.log
    assert list(log["reference"].unique()) == ["data", "input", "untrained"]
    mean, variance = data.channel_moments()
    x = data.samples(split, n).x.reshape(n, -1).astype(float)
    for reference, matrix in (
        ("data", x),
        ("input", (x - mean[0]) / np.sqrt(variance[0])),
    ):
        row = log[(log["reference"] == reference) & (log["layer"] == "features")]
        expected = degrees_between(
            logged.p_vector(layer="features").vector, lapack_vector(matrix)
        )
        np.testing.assert_allclose(row["angle_deg"].iloc[-1], expected, atol=1e-4)


@pytest.mark.parametrize(("split", "n"), [("train", 100), ("test", 40)])
def test_samples_are_described(split, n, mlp_run, data):
    stored = mlp_run.on(split).samples
    pixels = data.samples(split, n).x.astype(float)
    np.testing.assert_array_equal(stored["labels"], getattr(data, split).labels[:n])
    np.testing.assert_allclose(stored["mean"], pixels.mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(stored["std"], pixels.std(axis=(1, 2, 3)))
    np.testing.assert_allclose(stored["channel_std"], pixels.std(axis=(1, 2)))
    assert stored["channel_mean"].shape == (n, 1)


def test_every_moment_is_compared_with_an_untrained_twin(mlp_run, mlp_settings, data):
    """The same network with other weights, whose P-vectors do not change. Building it
    does not change the training."""
    seed = mlp_settings.seed + references.TWIN_SEED_OFFSET
    twin = training.build_model(dataclasses.replace(mlp_settings, seed=seed), data)
    samples = data.samples("train", 100)
    of_twin = kp.model_p_vectors(twin, samples, mlp_settings.layers)
    log = mlp_run.log
    rows = log[(log["reference"] == "untrained") & (log["layer"] == "features")]
    expected = [
        kp.angle(mlp_run.p_vectors(moment)["features"], of_twin["features"])
        for moment in mlp_run.moments
    ]
    np.testing.assert_allclose(rows["angle_deg"], expected, atol=1e-4)
    assert expected[0] > 1
    model = training.build_model(mlp_settings, data)
    before = kp.model_p_vectors(model, samples, "features")["features"]
    assert kp.angle(before, mlp_run.p_vector(-1, "features")) < 1e-5


def test_a_twin_without_a_p_vector_does_not_stop_the_training(
    data, tmp_path, monkeypatch
):
    def without_p_vector(*args, **kwargs):
        raise ZeroMatrixError("Layer 'block_1' has no P-vector.")

    monkeypatch.setattr(references, "model_p_vectors", without_p_vector)
    with pytest.warns(UserWarning, match="'block_1'"):
        run = training.train(small_settings(data, epochs=1), data, tmp_path)
    assert list(run.log["reference"].unique()) == ["data", "input"]


def test_kept_weights_are_those_of_their_moments(convolutional_run, data):
    """The P-vectors of a moment are those of its weights; every third one is tried."""
    settings = convolutional_settings(data)
    kept = stored_weights(RunFolder(convolutional_run.path))
    assert list(kept) == weight_moments(epochs=4, steps=4)
    model = training.build_model(dataclasses.replace(settings, seed=7), data)
    samples = data.samples("train", 100)
    for moment, path in list(kept.items())[::3]:
        load_weights(model, path)
        p = kp.model_p_vectors(model, samples, "avg_pool")["avg_pool"]
        assert kp.angle(p, convolutional_run.p_vectors(moment)["avg_pool"]) < 1e-5
    model = training.load_model(convolutional_run.path)
    p = kp.model_p_vectors(model, samples, "avg_pool")["avg_pool"]
    assert kp.angle(p, convolutional_run.p_vector("final", "avg_pool")) < 1e-5


def test_a_finished_run_is_reused(mlp_run, mlp_settings, data):
    before = times_of(mlp_run.path)
    training.train(mlp_settings, data, mlp_run.path)
    assert times_of(mlp_run.path) == before


def test_a_run_that_another_process_finishes_meanwhile_is_reused(
    data, tmp_path, monkeypatch
):
    settings = small_settings(data, epochs=1)
    build = fit.build_model
    calls = []

    def build_while_another_finishes(*args):
        calls.append(1)
        model = build(*args)
        if len(calls) == 1:
            training.train(settings, data, tmp_path)
        return model

    monkeypatch.setattr(fit, "build_model", build_while_another_finishes)
    run = training.train(settings, data, tmp_path)
    assert len(calls) == 2  # one by each of them
    assert TrainingRecord.of(run).status == "finished"
    assert run.moments[-1] == (0, 4)


def test_other_settings_in_the_same_place_are_an_error(mlp_run, mlp_settings, data):
    before = times_of(mlp_run.path)
    for changes in ({"epochs": 5}, {"seed": 1}, {"recipe": Recipe("adam", 0.5)}):
        asked = dataclasses.replace(mlp_settings, **changes)
        with pytest.raises(kp.RunConflictError, match=next(iter(changes))):
            training.train(asked, data, mlp_run.path)
    assert times_of(mlp_run.path) == before


def test_a_wrong_layer_or_other_images_write_nothing(data, tmp_path):
    path = tmp_path / "run"
    with pytest.raises(kp.LayerChoiceError, match="'fc'"):
        training.train(small_settings(data, layers=["fc"]), data, path)
    with pytest.raises(ValueError, match=data.fingerprint()[:12]):
        training.train(small_settings(data, data_sha256="0" * 64), data, path)
    assert not path.exists()


def test_seeds_decide(mlp_run, mlp_settings, data, tmp_path):
    other = dataclasses.replace(mlp_settings, seed=1)
    same = training.train(mlp_settings, data, tmp_path / "same")
    other = training.train(other, data, tmp_path / "other")
    assert log_of(same) == log_of(mlp_run) != log_of(other)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(precision, data, tmp_path):
    settings = small_settings(data, "wide_resnet", epochs=2, precision=precision)
    run = training.train(settings, data, tmp_path)
    loss = run.metrics["loss"]
    assert loss.iloc[-1] < loss.iloc[0]
    model = training.load_model(run.path)
    assert model.get_layer("logits").dtype_policy.name == precision
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_xla(mlp_run, mlp_settings, data, tmp_path):
    """The same training but for rounding."""
    settings = dataclasses.replace(mlp_settings, jit_compile=True)
    run = training.train(settings, data, tmp_path)
    np.testing.assert_allclose(run.metrics["loss"], mlp_run.metrics["loss"], rtol=1e-4)
    angles = [r.angles(layer="features")["angle_deg"] for r in (run, mlp_run)]
    np.testing.assert_allclose(*angles, atol=0.01)


def run_program(program):
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=ENVIRONMENT,
        check=True,
        timeout=600,
    )


@pytest.mark.slow
def test_determinism(tmp_path):
    """In a process of its own, where it cannot be switched off again."""
    run_program(f"""
        import tensorflow as tf
        from small_models import small_settings
        from keras_pvec.reproduction import training
        from keras_pvec.reproduction.data import load_data

        enable = tf.config.experimental.enable_op_determinism
        calls = []

        def count_calls():
            calls.append(1)
            enable()

        tf.config.experimental.enable_op_determinism = count_calls
        data = load_data("digits").subset(200, 50)
        for name, deterministic in (("a", False), ("b", True), ("c", True)):
            settings = small_settings(
                data, "wide_resnet", epochs=1, deterministic=deterministic
            )
            training.train(settings, data, {str(tmp_path)!r} + "/" + name)
            assert bool(calls) == deterministic
    """)
    logs = [(tmp_path / name / "log.csv").read_text() for name in "bc"]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_mirrored_training_is_that_of_one_device(tmp_path):
    """Two devices on any machine: the processor, twice."""
    run_program(f"""
        import keras
        import numpy as np
        import tensorflow as tf

        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            processor, [tf.config.LogicalDeviceConfiguration()] * 2
        )
        mirrored = tf.distribute.MirroredStrategy
        tf.distribute.MirroredStrategy = lambda: mirrored(["CPU:0", "CPU:1"])

        from small_models import small_settings
        from keras_pvec.reproduction import training
        from keras_pvec.reproduction.data import load_data
        from keras_pvec.reproduction.backends.tensorflow import mirrored_strategy

        class Interrupt(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if int(self.model.optimizer.iterations.numpy()) == 6:
                    raise KeyboardInterrupt

        data = load_data("digits").subset(256, 50)
        runs = {{}}
        for name in ("none", "mirrored", "interrupted"):
            settings = small_settings(
                data,
                epochs=2,
                log_freq=2,
                distribute=name if name == "none" else "mirrored",
            )
            path = {str(tmp_path)!r} + "/" + name
            if name == "interrupted":
                try:
                    training.train(settings, data, path, callbacks=[Interrupt()])
                except KeyboardInterrupt:
                    pass
            runs[name] = training.train(settings, data, path)
        assert mirrored_strategy().num_replicas_in_sync == 2
        for column in ("loss", "accuracy", "val_loss"):
            np.testing.assert_allclose(
                runs["mirrored"].metrics[column],
                runs["none"].metrics[column],
                rtol=1e-4,
            )
        angles = [runs[name].angles()["angle_deg"] for name in ("mirrored", "none")]
        assert len(angles[0]) == 5
        np.testing.assert_allclose(*angles, atol=1e-3)
        logs = [
            (runs[name].path / "log.csv").read_text()
            for name in ("mirrored", "interrupted")
        ]
        assert logs[0] == logs[1]
    """)


def start(path):
    program = f"""
        from small_models import small_settings
        from test_training import convolutional_settings
        from keras_pvec.reproduction import training
        from keras_pvec.reproduction.data import load_data

        data = load_data("digits").subset(200, 50)
        settings = convolutional_settings(data)
        print("ready", flush=True)
        training.train(settings, data, {str(path)!r})
    """
    paths = os.pathsep.join([str(HERE), ENVIRONMENT["PYTHONPATH"]])
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=ENVIRONMENT | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def n_moments(path):
    log = path / "log.csv"
    return len({line.split(",")[1] for line in log.open()}) - 1 if log.exists() else 0


@pytest.mark.slow
def test_a_killed_run_resumes_and_ends_with_the_same_rows(convolutional_run, tmp_path):
    """SIGKILL before the first row, in the first epoch, and between epochs. What was
    resumed is killed again."""
    whole, killed = convolutional_run.path, tmp_path / "killed"
    for moments in (0, 3, 6):
        process = start(killed)
        deadline = time.monotonic() + 300
        while n_moments(killed) < moments:
            assert process.poll() is None, "finished before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert training.epochs_done(killed) >= 1
    process = start(killed)
    assert process.wait(timeout=600) == 0
    process.stdout.close()

    assert (killed / "log.csv").read_text() == (whole / "log.csv").read_text()
    columns = ["epoch", "step", "loss", "val_loss", "accuracy", "pvec_angle_data"]
    metrics = [pd.read_csv(path / "metrics.csv")[columns] for path in (killed, whole)]
    pd.testing.assert_frame_equal(*metrics)
    files = [
        sorted(f.relative_to(path).as_posix() for f in path.rglob("*") if f.is_file())
        for path in (killed, whole)
    ]
    assert files[0] == files[1]
    for name in files[1]:
        if name.endswith(".npz"):  # P-vectors, weights, samples
            a, b = (dict(np.load(path / name)) for path in (killed, whole))
            assert a.keys() == b.keys()
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.parametrize("n_damaged", [1, 2])
def test_a_run_that_was_interrupted_after_its_last_epoch_resumes(
    n_damaged, mlp_run, mlp_settings, data, tmp_path, monkeypatch
):
    """Its logs are marked as complete. If the last checkpoint is damaged, the last
    epoch is repeated; if all are damaged and were deleted, every epoch is."""

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fit, "rate_training", stop)
        training.train(mlp_settings, data, tmp_path)
    found = [checkpoint.path for checkpoint in checkpoints(RunFolder(tmp_path))]
    assert len(found) == 2
    if n_damaged == 1:
        found[1].write_bytes(b"")
        with pytest.warns(UserWarning, match=found[1].name):
            resumed = training.train(mlp_settings, data, tmp_path)
    else:
        for path in found:
            path.unlink()
        resumed = training.train(mlp_settings, data, tmp_path)
    for split in mlp_settings.num_samples:
        assert log_of(resumed, split) == log_of(mlp_run, split)
        assert resumed.on(split).info.complete


def under_an_old_name(settings):
    """The settings of the same run as an earlier version stored them."""
    return dataclasses.replace(settings, model="mlp-8", model_options={"width": 8})


def under_a_new_name(settings):
    options = {"width": 8, "depth": 3}
    return dataclasses.replace(settings, model="mlp_8x3", model_options=options)


def test_a_finished_run_under_an_old_name_is_reused(
    mlp_run, mlp_settings, data, tmp_path
):
    path = tmp_path / "run"
    shutil.copytree(mlp_run.path, path)
    for folder in (path, path / "test"):
        stored = under_an_old_name(mlp_settings).as_json()
        for name in ("batches", "variant"):
            del stored[name]
        RunFolder(folder).note(settings=stored)
    before = times_of(path)
    asked = under_a_new_name(mlp_settings)
    assert training.is_finished(asked, path)
    run = training.train(asked, data, path)
    assert times_of(path) == before
    for split in ("train", "test"):
        assert TrainingRecord.of(run.on(split)).model == "mlp_8x3"


def test_an_unfinished_run_under_an_old_name_resumes(
    mlp_run, mlp_settings, data, tmp_path
):
    interrupted(under_an_old_name(mlp_settings), data, tmp_path, epoch=2)
    assert training.epochs_done(tmp_path) == 2
    first_row = (tmp_path / "metrics.csv").read_text().splitlines()[1]
    resumed = training.train(under_a_new_name(mlp_settings), data, tmp_path)
    # The first epochs were not trained again.
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1] == first_row
    for split in mlp_settings.num_samples:
        assert log_of(resumed, split) == log_of(mlp_run, split)
        assert TrainingRecord.of(resumed.on(split)).settings["model"] == "mlp_8x3"
