"""Runs: trained once, resumed without a trace, reused, never overwritten."""

import dataclasses
import json
import os
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
from small_models import SMALL_MODELS

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training import (
    PRESETS,
    RECIPES,
    DamagedCheckpointError,
    Recipe,
    ReferenceAccuracy,
    RunSettings,
    fit,
    load_weights,
    rate_training,
    stored_weights,
    weight_moments,
)
from keras_pvec.reproduction.training.build import build_optimizer
from keras_pvec.reproduction.training.checkpoint import (
    checkpoints,
    restore_checkpoint,
    save_checkpoint,
    save_weights,
    weights_path,
)
from keras_pvec.runs import RunFolder
from keras_pvec.solver import ZeroMatrixError

HERE = Path(__file__).parent
# Of processes that use what this module defines.
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
}


@pytest.fixture(scope="module")
def data():
    return load_data("digits").subset(200, 50)


def settings_for(data, model="mlp", **changes):
    settings = RunSettings(
        dataset="digits",
        data_sha256=data.fingerprint(),
        model=model,
        model_options=SMALL_MODELS[model],
        recipe=RECIPES[model],
        epochs=3,
        batch_size=64,
        seed=0,
        num_samples={"train": 100},
        layers=[MODELS[model].feature_layer],
    )
    return dataclasses.replace(settings, **changes)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_leaves_what_the_design_promises(model, data, tmp_path):
    settings = settings_for(data, model, epochs=4)
    run = training.train(settings, data, tmp_path / "run")
    names = {path.name for path in run.path.iterdir() if not path.name.startswith(".")}
    assert names == {
        "log.csv",
        "metrics.csv",
        "model.keras",
        "pvectors",
        "run.json",
        "samples.npz",
    }
    assert run.moments == [(-1, 0), (0, 4), (1, 8), (2, 12), (3, 16)]
    assert list(run.log["reference"].unique()) == ["data", "input", "untrained"]
    loss = run.metrics["loss"]
    assert loss.iloc[-1] < loss.iloc[0]
    recipe = settings.recipe
    end = recipe.learning_rate * recipe.factor ** len(recipe.milestones)
    np.testing.assert_allclose(
        run.metrics["learning_rate"].iloc[-1],
        end if recipe.milestones else 0,  # the cosine has come down
        atol=1e-7,
    )
    info = json.loads((run.path / "run.json").read_text())
    assert info["status"] == "finished"
    assert info["settings"]["seed"] == 0
    assert info["settings"]["data_sha256"] == data.fingerprint()
    assert info["wall_time_s"] > 0
    assert info["n_train"] == 200
    assert set(info["evaluation"]) == {"train", "test"}
    last = run.metrics.iloc[-1]
    np.testing.assert_allclose(
        info["evaluation"]["test"]["loss"], last["val_loss"], rtol=1e-5
    )
    supervised = MODELS[model].task == "classification"
    assert ("accuracy" in info["evaluation"]["train"]) == supervised
    assert ("linear_accuracy" in info) != supervised
    assert {"python", "keras", "tensorflow", "numpy"} <= set(info["versions"])
    # The saved model is the one that the last P-vector is of.
    model = keras.saving.load_model(run.path / "model.keras")
    p = kp.model_p_vectors(model, data.samples("train", 100), settings.layers)
    assert kp.angle(p[settings.layers[0]], run.p_vector("final")) < 1e-5


def test_both_splits_are_logged_by_one_training(data, tmp_path):
    """On training and on test samples, blocks at the ends of epochs only; references
    are P-vectors of the pixels and of what the network makes of them first."""
    settings = settings_for(
        data,
        num_samples={"train": 100, "test": 40},
        layers=training.watched_layers("mlp"),
        layers_within_epoch="first",
        log_freq={"first_epoch": 2},
        k=3,
        epochs=2,
    )
    run = training.train(settings, data, tmp_path)
    test = run.on("test")
    assert run.on("train") is run
    mean, variance = data.channel_moments()
    for logged, split, n in ((run, "train", 100), (test, "test", 40)):
        assert logged.moments == [(-1, 0), (0, 2), (0, 4), (1, 8)]
        assert logged.layers == ["features", "block_1", "block_2"]
        assert set(logged.p_vectors((0, 2))) == {"features"}
        assert set(logged.p_vectors((0, 4))) == {"features", "block_1", "block_2"}
        assert logged.p_vector(layer="features").vectors.shape == (n, 3)
        x = data.samples(split, n).x.reshape(n, -1).astype(float)
        for reference, matrix in (
            ("data", x),
            ("input", (x - mean[0]) / np.sqrt(variance[0])),
        ):
            log = logged.log
            row = log[(log["reference"] == reference) & (log["layer"] == "features")]
            expected = degrees_between(
                logged.p_vector(layer="features").vector, lapack_vector(matrix)
            )
            np.testing.assert_allclose(row["angle_deg"].iloc[-1], expected, atol=1e-4)
    assert {"pvec_angle_data", "pvec_test_angle_data"} <= set(run.metrics.columns)
    assert TrainingRecord.of(test).settings == TrainingRecord.of(run).settings
    with pytest.raises(kp.RunNotFoundError):
        training.train(settings_for(data), data, tmp_path / "b").on("test")


def test_every_moment_is_compared_with_an_untrained_twin(data, tmp_path):
    """The same network with other weights, whose P-vectors stay as they are; that it is
    made leaves the training as it is."""
    settings = settings_for(data, layers=training.watched_layers("mlp"))
    run = training.train(settings, data, tmp_path)
    twin = training.build_model(
        dataclasses.replace(settings, seed=fit._SEED_OF_TWIN), data
    )
    samples = data.samples("train", settings.num_samples["train"])
    for layer, of_twin in kp.model_p_vectors(twin, samples, settings.layers).items():
        rows = run.log[(run.log["reference"] == "untrained")]
        logged = rows[rows["layer"] == layer]["angle_deg"].to_numpy()
        expected = [
            kp.angle(run.p_vector(epoch, layer), of_twin) for epoch in (-1, 0, 1, 2)
        ]
        np.testing.assert_allclose(logged, expected, atol=1e-4)
        assert logged[0] > 1
    model = training.build_model(settings, data)
    before = kp.model_p_vectors(model, samples, settings.layers)
    assert kp.angle(before["features"], run.p_vector(-1, "features")) < 1e-5


def test_a_twin_without_a_p_vector_does_not_stop_the_training(
    data, tmp_path, monkeypatch
):
    def dead(*args, **kwargs):
        raise ZeroMatrixError("Layer 'block_1' has no P-vector.")

    monkeypatch.setattr(fit, "model_p_vectors", dead)
    with pytest.warns(UserWarning, match=r"Without an untrained twin: .*'block_1'"):
        run = training.train(settings_for(data), data, tmp_path)
    assert list(run.log["reference"].unique()) == ["data", "input"]


def test_model_options_of_presets_and_names():
    small, paper = training.PRESETS["small"], training.PRESETS["paper"]
    options = training.model_options
    assert options(paper, "resnet-50") == {"depth": 50}
    assert options(small, "resnet") == {"width": 16}
    assert options(small, "resnet-50") == {"depth": 50, "width": 8}
    assert options(small, "resnet-18-32") == {"depth": 18, "width": 32}
    assert options(paper, "simclr") == {"encoder": "resnet", "encoder_options": {}}
    assert options(small, "simclr-wide_resnet-28-2") == {
        "encoder": "wide_resnet",
        "encoder_options": {"depth": 28, "widen": 2},
    }
    scale = training.scale_width
    assert scale("resnet", {"width": 16}, 0.5) == {"width": 8}
    assert scale("resnet-50", {"depth": 50}, 2) == {"depth": 50, "width": 128}
    assert scale("densenet", {}, 0.5) == {"growth": 16}
    assert scale("wide_resnet", {"widen": 1}, 0.5) == {"widen": 1}


def test_a_finished_run_is_reused(data, tmp_path):
    settings = settings_for(data)
    run = training.train(settings, data, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    training.train(settings, data, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_a_run_that_another_process_finishes_meanwhile_is_reused(
    data, tmp_path, monkeypatch
):
    settings = settings_for(data)
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
    assert len(calls) == 4  # of either, the twin and the model
    assert TrainingRecord.of(run).status == "finished"
    assert run.moments[-1] == (2, 12)


def test_other_settings_in_the_same_place_are_an_error(data, tmp_path):
    training.train(settings_for(data), data, tmp_path)
    before = (tmp_path / "log.csv").read_bytes()
    for changes, message in (
        ({"epochs": 5}, "epochs is 3 there and 5 now"),
        ({"seed": 1}, "seed is 0 there and 1 now"),
        ({"recipe": Recipe("adam", 0.5)}, "recipe is .*0.001.* there and .*0.5"),
    ):
        with pytest.raises(kp.RunConflictError, match=message):
            training.train(settings_for(data, **changes), data, tmp_path)
    assert (tmp_path / "log.csv").read_bytes() == before


def test_a_foreign_run_is_not_touched(data, tmp_path, rng):
    samples = kp.SampleSet(rng.random((20, 3)).astype("float32"))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    logger = kp.PVectorLogger(tmp_path, samples)
    model.fit(samples.x, np.ones(20), callbacks=[logger], verbose=0)
    with pytest.raises(kp.RunConflictError, match="not made by an experiment"):
        training.train(settings_for(data), data, tmp_path)


def test_a_wrong_layer_writes_nothing(data, tmp_path):
    with pytest.raises(kp.LayerChoiceError, match="no layer 'fc'"):
        training.train(settings_for(data, layers=["fc"]), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_seeds_decide(data, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        training.train(settings_for(data, seed=seed), data, tmp_path / name)
    logs = {name: (tmp_path / name / "log.csv").read_text() for name in "abc"}
    assert logs["a"] == logs["b"] != logs["c"]


def test_weight_decay_spares_biases_and_normalisation(data):
    """One update at rate 0.1 without a gradient: kernels shrink as an L2 penalty of
    0.05 would in the long run make them shrink with momentum 0.9, tenfold."""
    recipe = Recipe("sgd", 0.1, weight_decay=0.05)
    model = training.build_model(settings_for(data, "resnet", recipe=recipe), data)
    before = {v.path: keras.ops.convert_to_numpy(v) for v in model.trainable_variables}
    zeros = [keras.ops.zeros_like(v) for v in model.trainable_variables]
    model.optimizer.apply(zeros)
    for variable in model.trainable_variables:
        is_kernel = variable.path.endswith("kernel")
        expected = before[variable.path] * (1 - 0.1 * 0.05 * 10 if is_kernel else 1)
        np.testing.assert_allclose(variable, expected, rtol=1e-5)


def test_decoupled_decay_is_as_strong_as_the_penalty_of_the_papers():
    """Long-run shrinkage of a weight that has no other gradient, against a plain loop
    of gradient descent with an L2 penalty and momentum."""
    rate, penalty, steps = 0.01, 0.05, 3000
    weight, velocity = 1.0, 0.0
    for _ in range(steps):
        velocity = 0.9 * velocity + penalty * weight
        weight -= rate * velocity
    variable = keras.Variable(1.0, name="kernel")
    recipe = Recipe("sgd", rate, weight_decay=penalty, milestones=[1.0])
    optimizer = build_optimizer(recipe, 10 * steps)
    for _ in range(steps // 10):
        optimizer.apply([0.0], [variable])
    np.testing.assert_allclose(np.log(variable), np.log(weight) / 10, rtol=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "mixed_float16"},
        {"precision": "mixed_bfloat16"},
        {"jit_compile": True},
        {"deterministic": True},
    ],
    ids=str,
)
def test_precision_xla_and_determinism(changes, data, tmp_path):
    """In a process of its own, since determinism cannot be switched off again."""
    program = f"""
        from test_training import settings_for
        from keras_pvec.reproduction import training
        from keras_pvec.reproduction.data import load_data

        data = load_data("digits").subset(200, 50)
        for name in "ab":
            settings = settings_for(data, "resnet", **{changes!r})
            run = training.train(settings, data, {str(tmp_path)!r} + "/" + name)
        loss = run.metrics["loss"]
        assert loss.iloc[-1] < loss.iloc[0], loss
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=ENVIRONMENT,
        check=True,
        timeout=300,
    )
    logs = [(tmp_path / name / "log.csv").read_text() for name in "ab"]
    assert logs[0] == logs[1]
    model = keras.saving.load_model(tmp_path / "a" / "model.keras")
    policy = model.get_layer("logits").dtype_policy
    assert policy.name == changes.get("precision", "float32")


MIRRORED = """
    import sys
    import keras
    import numpy as np
    import tensorflow as tf

    # Two devices on any machine: the processor, twice.
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    mirrored = tf.distribute.MirroredStrategy
    tf.distribute.MirroredStrategy = lambda: mirrored(["CPU:0", "CPU:1"])

    from test_training import settings_for
    from keras_pvec.reproduction import training
    from keras_pvec.reproduction.data import load_data
    from keras_pvec.reproduction.training import build

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations.numpy()) == 6:
                raise KeyboardInterrupt

    data = load_data("digits").subset(256, 50)
    runs = {{}}
    for name in ("none", "mirrored", "interrupted"):
        settings = settings_for(
            data, distribute=name if name == "none" else "mirrored", log_freq=2
        )
        path = {path!r} + "/" + name
        if name == "interrupted":
            try:
                training.train(settings, data, path, callbacks=[Interrupt()])
            except KeyboardInterrupt:
                pass
        runs[name] = training.train(settings, data, path)
    assert build._strategy("mirrored").num_replicas_in_sync == 2
    for column in ("loss", "accuracy", "val_loss"):
        np.testing.assert_allclose(
            runs["mirrored"].metrics[column], runs["none"].metrics[column], rtol=1e-4
        )
    angles = [runs[name].angles()["angle_deg"] for name in ("mirrored", "none")]
    assert len(angles[0]) == 7
    np.testing.assert_allclose(*angles, atol=1e-3)
    logs = [(runs[n].path / "log.csv").read_text() for n in ("mirrored", "interrupted")]
    assert logs[0] == logs[1]
"""


def test_mirrored_training_is_that_of_one_device(tmp_path):
    program = textwrap.dedent(MIRRORED.format(path=str(tmp_path)))
    subprocess.run(
        [sys.executable, "-c", program], env=ENVIRONMENT, check=True, timeout=300
    )


def test_schedules(data):
    cosine = build_optimizer(Recipe("adam", 0.4), 100).learning_rate
    steps = build_optimizer(
        Recipe("sgd", 0.1, milestones=[0.3, 0.6, 0.8], factor=0.2), 200
    )._learning_rate
    for share, rate in ((0.1, 0.1), (0.4, 0.02), (0.7, 0.004), (0.9, 0.0008)):
        np.testing.assert_allclose(steps(share * 200), rate, rtol=1e-6)
    np.testing.assert_allclose(cosine, 0.4)


TRAIN = """
    import dataclasses
    from test_training import settings_for
    from keras_pvec.reproduction import training
    from keras_pvec.reproduction.data import load_data

    data = load_data("digits").subset(200, 50)
    settings = settings_for(
        data, "resnet", epochs=5, log_freq={{"first_epoch": 1}}, layers=["re:block|avg"]
    )
    settings = dataclasses.replace(settings, keep_weights=True)
    print("ready", flush=True)
    training.train(settings, data, {path!r})
"""


def start(path):
    program = textwrap.dedent(TRAIN.format(path=str(path)))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def n_moments(path):
    log = path / "log.csv"
    return len({line.split(",")[1] for line in log.open()}) - 1 if log.exists() else 0


def test_a_killed_run_resumes_and_ends_with_the_same_rows(tmp_path):
    """SIGKILL before the first row, in the first epoch, between epochs and near the
    end; what is resumed is killed again."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole)
    assert process.wait(timeout=300) == 0

    for moments in (0, 3, 6, 6, 8):
        process = start(killed)
        deadline = time.monotonic() + 120
        while n_moments(killed) < moments:
            assert process.poll() is None, "finished before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    process = start(killed)
    assert process.wait(timeout=300) == 0

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
    kept = stored_weights(RunFolder(whole))
    assert list(kept) == weight_moments(epochs=5, steps=4)


def test_weights_of_about_ten_moments_are_kept(data, tmp_path):
    """Whatever the length: before training, within the first epoch, log-spaced epochs
    to the last. The P-vectors of a moment are those of its weights."""
    for epochs in (20, 30, 60, 200):
        moments = weight_moments(epochs, 391)
        assert len(moments) == 10
        steps = np.array([step for _, step in moments])
        assert (np.diff(steps) > 0).all()
        assert moments[0] == (-1, 0)
        assert moments[-1] == (epochs - 1, 391 * epochs)
        assert sum(epoch == 0 and step < 391 for epoch, step in moments) == 3
        # Even on a log scale, but for the rounding of the first ones.
        ratios = steps[5:] / steps[4:-1]
        assert ratios.max() < 2.5 * ratios.min()
    assert weight_moments(1, 1) == [(-1, 0), (0, 1)]

    settings = settings_for(
        data, "resnet", keep_weights=True, log_freq={"first_epoch": 1}
    )
    run = training.train(settings, data, tmp_path)
    kept = stored_weights(RunFolder(tmp_path))
    assert list(kept) == weight_moments(3, 4)
    model = training.build_model(dataclasses.replace(settings, seed=7), data)
    samples = data.samples("train", 100)
    for moment, path in kept.items():
        load_weights(model, path)
        p = kp.model_p_vectors(model, samples, settings.layers)["avg_pool"]
        assert kp.angle(p, run.p_vectors(moment)["avg_pool"]) < 1e-5


def test_damaged_or_foreign_weights_are_told(data, tmp_path):
    model = training.build_model(settings_for(data), data)
    path = weights_path(RunFolder(tmp_path), (0, 4))
    save_weights(model, path)
    content = bytearray(path.read_bytes())
    other = training.build_model(settings_for(data, "resnet"), data)
    with pytest.raises(ValueError, match="another model"):
        load_weights(other, path)
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = model.get_weights()
    with pytest.raises(ValueError, match="epoch_0000_step_00000004"):
        load_weights(model, path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_damaged_checkpoint_is_passed_over(data, tmp_path):
    """The one before serves; if none is whole, one sentence and nothing is touched."""
    folder = RunFolder(tmp_path)
    folder.note(status="running")
    model = training.build_model(settings_for(data), data)
    save_checkpoint(model, folder, 1)
    before = model.get_weights()
    model.set_weights([w + 1 for w in before])
    newest = save_checkpoint(model, folder, 2)
    content = bytearray(newest.read_bytes())
    content[-100] ^= 4
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match=newest.name):
        assert restore_checkpoint(model, folder) == 1
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    first = checkpoints(folder)[0][1]
    first.write_bytes(b"")
    with (
        pytest.warns(UserWarning),
        pytest.raises(DamagedCheckpointError, match=first.name),
    ):
        restore_checkpoint(model, folder)
    assert len(checkpoints(folder)) == 2


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(data, tmp_path):
    """And ends with the same rows as one that was never stopped."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    settings = settings_for(data, epochs=4)
    whole = training.train(settings, data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, data, tmp_path / "cut", callbacks=[Interrupt()])
    (_, older), (_, newest) = checkpoints(RunFolder(tmp_path / "cut"))
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="damaged"):
        cut = training.train(settings, data, tmp_path / "cut")
    assert not older.exists()
    assert (cut.path / "log.csv").read_text() == (whole.path / "log.csv").read_text()


def test_samples_are_described(data, tmp_path):
    settings = settings_for(data, num_samples={"train": 100, "test": 40})
    run = training.train(settings, data, tmp_path)
    for split, n in settings.num_samples.items():
        stored = run.on(split).samples
        pixels = data.samples(split, n).x.astype(float)
        np.testing.assert_array_equal(stored["labels"], getattr(data, split).labels[:n])
        np.testing.assert_allclose(stored["mean"], pixels.mean(axis=(1, 2, 3)))
        np.testing.assert_allclose(stored["std"], pixels.std(axis=(1, 2, 3)))
        np.testing.assert_allclose(stored["channel_std"], pixels.std(axis=(1, 2)))
        assert stored["channel_mean"].shape == (n, 1)


def test_runs_of_earlier_versions(data, tmp_path):
    """A finished one is reused although its settings lack what is new; one that was
    begun on other batches is refused, and neither is changed."""
    settings = settings_for(data)
    training.train(settings, data, tmp_path)
    path = tmp_path / "run.json"
    info = json.loads(path.read_text())
    for name in ("batches", "keep_weights"):
        del info["settings"][name]
    for name in ("decay_share", "final_rate"):
        del info["settings"]["recipe"][name]
    path.write_text(json.dumps(info))
    asked = dataclasses.replace(settings, keep_weights=True)
    assert training.is_finished(asked, tmp_path)
    path.write_text(json.dumps(info | {"status": "running"}))
    with pytest.raises(kp.RunConflictError, match="another version"):
        training.train(settings, data, tmp_path)
    with pytest.raises(kp.RunConflictError, match="seed is 0 there and 1 now"):
        training.train(dataclasses.replace(settings, seed=1), data, tmp_path)


def test_other_images_than_the_settings_name_are_refused(data, tmp_path):
    settings = settings_for(data, data_sha256="0" * 64)
    with pytest.raises(ValueError, match=data.fingerprint()[:12]):
        training.train(settings, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_gate_holds_losses_and_accuracy_against_a_reference():
    """Both sides of both thresholds; what cannot be told is neither met nor failed."""
    reference = ReferenceAccuracy(0.9, "a paper")
    falling = list(np.linspace(2, 1, 18))
    flat, moving = [*falling, 1.0, 0.9905], [*falling, 1.0, 0.97]
    met = rate_training(flat, 0.851, reference)
    assert met.well_trained is True
    assert met.reference_source == "a paper"
    np.testing.assert_allclose(met.loss_change, 0.0095 / 1.0095)
    np.testing.assert_allclose(met.loss_change_by_itself, 0.0095)
    assert rate_training(flat, 0.849, reference).well_trained is False
    assert rate_training(moving, 0.99, reference).well_trained is False
    assert rate_training(flat, 0.99, None).well_trained is None
    assert rate_training(moving, 0.99, None).well_trained is False
    assert rate_training([1.0], 0.99, reference).loss_change is None
    assert rate_training([2.0, float("nan")], 0.99, reference).well_trained is False
    # A spike on the way is not what the loss came down by.
    spike = [2.3, 60.0, *np.linspace(2.2, 1.0, 18)]
    assert rate_training(spike, 0.99, reference).well_trained is False
    assert rate_training([1.0, 2.0, 3.0], 0.99, reference).well_trained is False
    # An interpolating network: the loss shrinks by a tenth of next to nothing.
    tiny = rate_training([1.7, *np.geomspace(1, 1e-3, 18), 9e-4], 0.99, reference)
    assert tiny.well_trained is True
    assert tiny.converged_by_itself is False


def test_recipes_of_a_preset():
    whole, small = PRESETS["whole"], PRESETS["small"]
    assert training.recipe_of(small, "resnet-50") == RECIPES["resnet"]
    early = training.recipe_of(whole, "wide_resnet-28-1")
    assert (early.milestones, early.decay_share, early.final_rate) == ((), 0.9, 0.01)
    assert training.epochs_of(whole, "resnet", "cifar10") == 30
    assert training.epochs_of(whole, "resnet-50", "cifar10") == 20
    assert training.epochs_of(whole, "resnet-50", "mnist") == 10
    assert training.epochs_of(small, "resnet", "mnist") == 15
    rate = build_optimizer(early, 1000)._learning_rate
    np.testing.assert_allclose(float(rate(0)), 0.1, rtol=1e-6)
    np.testing.assert_allclose(float(rate(450)), 0.1 * (0.01 + 0.99 / 2), rtol=1e-5)
    np.testing.assert_allclose([rate(900), rate(990)], 0.001, rtol=1e-5)


@pytest.mark.parametrize("n_damaged", [1, 2])
def test_a_run_that_was_stopped_after_its_last_epoch_goes_on(
    n_damaged, data, tmp_path, monkeypatch
):
    """Its logs say that they are complete. If the last checkpoint is damaged, the last
    epoch is repeated, and if all are and were deleted, everything."""
    settings = settings_for(data, num_samples={"train": 100, "test": 40})
    whole = training.train(settings, data, tmp_path / "whole")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fit, "rate_training", stop)
        training.train(settings, data, tmp_path / "cut")
    found = [path for _, path in checkpoints(RunFolder(tmp_path / "cut"))]
    assert len(found) == 2
    if n_damaged == 1:
        found[1].write_bytes(b"")
        with pytest.warns(UserWarning, match="damaged"):
            cut = training.train(settings, data, tmp_path / "cut")
    else:
        for path in found:
            path.unlink()
        cut = training.train(settings, data, tmp_path / "cut")
    for split in settings.num_samples:
        logs = [(run.on(split).path / "log.csv").read_text() for run in (whole, cut)]
        assert logs[0] == logs[1]
        assert cut.on(split).info.complete


def test_the_model_of_a_run_is_loaded(data, tmp_path):
    run = training.train(settings_for(data, "resnet"), data, tmp_path)
    p = kp.model_p_vectors(
        training.load_model(run.path), data.samples("train", 100), "avg_pool"
    )
    assert kp.angle(p["avg_pool"], run.p_vector("final")) < 1e-5
