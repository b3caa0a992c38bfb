"""The callback in trainings of many kinds: it logs what is true and changes nothing."""

import keras
import numpy as np
import pandas as pd
import pytest
from frameworks import BACKEND, as_numpy, needs_tensorflow
from keras import layers
from oracles import degrees_between, lapack_vector

import keras_pvec as kp

if BACKEND == "tensorflow":
    import tensorflow as tf

N_STEPS = 12  # 96 images in batches of 8


@pytest.fixture
def data(rng):
    x = rng.random((96, 6, 6, 1)).astype("float32")
    return x, rng.integers(0, 4, 96)


@pytest.fixture
def samples(data):
    return kp.SampleSet(data[0][:40], data[1][:40], name="toy")


CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build():
    """A network that is quick to trace, for what depends on the callback alone."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(8, activation="relu", name="features"),
            layers.Dense(4, name="logits"),
        ]
    )
    model.compile("sgd", CROSSENTROPY)
    return model


def build_with_state(**compile_options):
    """A network with moving statistics, random state, metrics and moments of Adam."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(8, activation="relu", name="features"),
            layers.Dropout(0.3),
            layers.Dense(4, name="logits"),
        ]
    )
    model.compile("adam", CROSSENTROPY, metrics=["accuracy"], **compile_options)
    return model


def fit(model, data, callbacks=(), **options):
    keras.utils.set_random_seed(8)
    options = {"batch_size": 8, "epochs": 2, "verbose": 0, **options}
    return model.fit(*data, callbacks=list(callbacks), **options)


def assert_same_weights(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("log_freq", "compile_options", "fit_options"),
    [
        ("epoch", {}, {}),
        (3, {}, {}),
        (3, {"jit_compile": True}, {}),
        (3, {"run_eagerly": True}, {}),
        (3, {"steps_per_execution": 4}, {}),
        # Does not divide the 12 steps.
        ("epoch", {"steps_per_execution": 5}, {}),
        (3, {"steps_per_execution": 5}, {}),
        (3, {}, {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.0}}),
        ("epoch", {}, {"validation_split": 0.25}),
    ],
    ids=str,
)
def test_training_is_bit_for_bit_the_same(
    log_freq, compile_options, fit_options, data, samples, tmp_path
):
    logger = kp.PVectorLogger(
        tmp_path, samples, ["conv", "features"], log_freq=log_freq
    )
    if BACKEND == "torch" and "steps_per_execution" in compile_options:
        pytest.skip("Keras has no steps_per_execution on PyTorch")
    with_logger, without = (build_with_state(**compile_options) for _ in range(2))
    fit(with_logger, data, [logger], **fit_options)
    fit(without, data, **fit_options)
    assert_same_weights(with_logger, without)
    moments = kp.open_run(tmp_path).moments
    assert moments[-1] == (1, int(as_numpy(with_logger.optimizer.iterations)))
    if log_freq == 3 and len(compile_options) == 0:
        assert len(moments) > 3


def test_within_an_epoch_the_first_layer_alone_if_wanted(data, samples, tmp_path):
    runs = {}
    for which in ("first", "all"):
        logger = kp.PVectorLogger(
            tmp_path / which,
            samples,
            ["features", "conv"],
            references={"previous": "previous"},
            log_freq=4,
            layers_within_epoch=which,
        )
        fit(build(), data, [logger])
        runs[which] = kp.open_run(tmp_path / which)
    first, whole = runs["first"], runs["all"]
    moments = [(-1, 0), (0, 4), (0, 8), (0, 12), (1, 16), (1, 20), (1, 24)]
    assert first.moments == whole.moments == moments
    for moment in moments:
        ends_epoch = moment[1] % 12 == 0
        layers = {"features", "conv"} if ends_epoch else {"features"}
        assert set(first.p_vectors(moment)) == layers
        for layer in layers:
            p, q = (run.p_vectors(moment)[layer] for run in (first, whole))
            np.testing.assert_array_equal(p.vectors, q.vectors)
    # One row per moment and layer: the last step of an epoch is not logged twice.
    log = first.log
    assert not log.duplicated(["epoch", "step", "layer"]).any()
    assert list(log[log["layer"] == "conv"]["step"]) == [0, 12, 24]
    # What was before is told layer by layer.
    of_conv = log[log["layer"] == "conv"].iloc[-1]["angle_deg"]
    expected = kp.angle(
        *(first.p_vectors((e, s))["conv"] for e, s in ((0, 12), (1, 24)))
    )
    np.testing.assert_allclose(of_conv, expected)
    with pytest.raises(ValueError, match="'none'"):
        kp.PVectorLogger(tmp_path, samples, layers_within_epoch="none")


def test_two_loggers_of_one_training(data, samples, tmp_path):
    others = kp.SampleSet(data[0][40:60], name="others")
    loggers = [
        kp.PVectorLogger(
            tmp_path / name,
            chosen,
            references={"data": kp.data_p_vector(chosen)},
            name=name,
        )
        for name, chosen in (("pvec", samples), ("pvec_others", others))
    ]
    history = fit(build(), data, loggers).history
    for logger, name in zip(loggers, ("pvec", "pvec_others"), strict=True):
        log = kp.open_run(tmp_path / name).log
        angles = history[f"{logger.name}_angle_data"]
        np.testing.assert_allclose(angles, log["angle_deg"][1:])


def test_mixed_precision(data, samples, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with_logger, without = build(), build()
    finally:
        keras.config.set_dtype_policy("float32")
    fit(with_logger, data, [kp.PVectorLogger(tmp_path, samples, "features")])
    fit(without, data)
    assert_same_weights(with_logger, without)
    run = kp.open_run(tmp_path)
    assert [epoch for epoch, _ in run.moments] == [-1, 0, 1]
    part = keras.Model(with_logger.inputs, with_logger.get_layer("features").output)
    features = part.predict(samples.x, verbose=0)
    assert features.dtype == np.float16
    truth = lapack_vector(features)
    assert degrees_between(run.p_vector(1).vector, truth) < 0.1  # half precision


def test_rows_are_what_an_outsider_computes(data, samples, tmp_path):
    reference = kp.data_p_vector(samples)
    logger = kp.PVectorLogger(
        tmp_path, samples, ["features", "conv"], references={"data": reference}
    )
    model = build()
    outside = []

    def record(*_):
        part = keras.Model(model.inputs, model.get_layer("features").output)
        outside.append(lapack_vector(part.predict(samples.x, verbose=0)))

    record()
    fit(model, data, [logger, keras.callbacks.LambdaCallback(on_epoch_end=record)])
    log = pd.read_csv(tmp_path / "log.csv").query("layer == 'features'")
    assert list(log["epoch"]) == [-1, 0, 1]
    assert list(log["step"]) == [0, N_STEPS, 2 * N_STEPS]
    expected = [degrees_between(u, reference.vector) for u in outside]
    np.testing.assert_allclose(log["angle_deg"], expected, atol=1e-3)
    assert set(log["samples_sha256"]) == {samples.sha256}
    run = kp.open_run(tmp_path)
    np.testing.assert_allclose(
        run.angles("final", "features")["angle_deg"],
        [degrees_between(u, outside[-1]) for u in outside],
        atol=1e-3,
    )
    assert log["n_features"].unique() == [8]


@pytest.mark.parametrize(
    ("log_freq", "steps"),
    [
        ("epoch", [0, 12, 24]),
        (5, [0, 5, 10, 12, 15, 20, 24]),
        (6, [0, 6, 12, 18, 24]),
        ({"first_epoch": 4}, [0, 4, 8, 12, 24]),
        ({"first_epoch": 1}, [*range(13), 24]),
    ],
)
def test_moments(log_freq, steps, data, samples, tmp_path):
    logger = kp.PVectorLogger(tmp_path, samples, "features", log_freq=log_freq)
    fit(build(), data, [logger])
    moments = kp.open_run(tmp_path).moments
    assert [step for _, step in moments] == steps
    assert [epoch for epoch, _ in moments] == [
        -1 if s == 0 else (s - 1) // N_STEPS for s in steps
    ]


@needs_tensorflow  # for TensorBoard
def test_other_callbacks_see_the_angles(data, samples, tmp_path):
    logger = kp.PVectorLogger(
        tmp_path / "run",
        samples,
        ["features", "conv"],
        references={"data": kp.data_p_vector(samples), "before": "previous"},
    )
    csv = keras.callbacks.CSVLogger(tmp_path / "metrics.csv")
    board = keras.callbacks.TensorBoard(tmp_path / "board")
    stop = keras.callbacks.EarlyStopping("pvec_angle_data", patience=0, mode="max")
    history = fit(build(), data, [logger, csv, board, stop], epochs=3).history
    names = {
        f"pvec_angle_{r}{suffix}"
        for r in ("data", "before")
        for suffix in ("", "_conv")
    }
    assert names <= set(history)
    assert names <= set(pd.read_csv(tmp_path / "metrics.csv"))
    log = kp.open_run(tmp_path / "run").log
    of_epochs = log.query("layer == 'features' and reference == 'data' and epoch >= 0")
    np.testing.assert_array_equal(history["pvec_angle_data"], of_epochs["angle_deg"])
    events = list((tmp_path / "board").rglob("events*"))
    assert any(b"pvec_angle_data" in event.read_bytes() for event in events)
    metrics = kp.open_run(tmp_path / "run").metrics
    np.testing.assert_allclose(metrics["pvec_angle_data"], of_epochs["angle_deg"])
    np.testing.assert_allclose(metrics["learning_rate"], 0.01)


class BatchLogs(keras.callbacks.Callback):
    """Notes the logs of batches."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


@pytest.mark.parametrize("log_freq", [5, {"first_epoch": 1}])
def test_angles_within_an_epoch_are_in_the_logs(log_freq, data, samples, tmp_path):
    """Of the steps at which they are measured, and of no other."""
    logger = kp.PVectorLogger(
        tmp_path,
        samples,
        ["features", "conv"],
        references={"data": kp.data_p_vector(samples)},
        log_freq=log_freq,
        layers_within_epoch="first",
    )
    seen = BatchLogs()
    fit(build(), data, [logger, seen])
    assert len(seen.logs) == 2 * N_STEPS
    log = logger.run.log.query("layer == 'features' and step > 0")
    within = {
        step: logs["pvec_angle_data"]
        for step, logs in enumerate(seen.logs, start=1)
        if "pvec_angle_data" in logs
    }
    expected = {
        step: angle
        for step, angle in zip(log["step"], log["angle_deg"], strict=True)
        if logger.recorder.schedule.is_due((step - 1) // N_STEPS, step - 1, step)
    }
    assert within == expected
    assert len(within) == (4 if log_freq == 5 else N_STEPS)
    assert all("loss" in logs for logs in seen.logs)
    assert not any("pvec_angle_data_conv" in logs for logs in seen.logs)


def test_previous_moment_as_reference(data, samples, tmp_path):
    logger = kp.PVectorLogger(
        tmp_path, samples, "features", references={"before": "previous"}
    )
    fit(build(), data, [logger])
    run = kp.open_run(tmp_path)
    angles = run.log["angle_deg"]
    assert np.isnan(angles[0])
    for i, epoch in enumerate([0, 1], start=1):
        expected = kp.angle(run.p_vector(epoch), run.p_vector(epoch - 1))
        np.testing.assert_allclose(angles[i], expected)


def test_no_reference_gives_rows_without_angle(data, samples, tmp_path):
    fit(build(), data, [kp.PVectorLogger(tmp_path, samples)])
    log = kp.open_run(tmp_path).log
    assert len(log) == 3
    assert log["angle_deg"].isna().all()
    assert log["energy1"].between(0, 1).all()


def test_references_by_layer(data, samples, tmp_path):
    fit(build(), data, [kp.PVectorLogger(tmp_path / "a", samples, "re:conv|fea")])
    final = kp.open_run(tmp_path / "a").p_vectors((1, 24))
    again = kp.PVectorLogger(
        tmp_path / "b", samples, "re:conv|fea", references={"final": final}
    )
    fit(build(), data, [again])
    last = kp.open_run(tmp_path / "b").log.query("epoch == 1")
    np.testing.assert_allclose(last["angle_deg"], 0, atol=1e-9)


class Plain(keras.Model):
    """A subclassed model with its own `train_step` and without a `training` flag."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(8, activation="relu", name="hidden")
        self.out = layers.Dense(4, name="out")
        self.flatten = layers.Flatten()

    def call(self, x):
        return self.out(self.hidden(self.flatten(x)))

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(
                keras.losses.sparse_categorical_crossentropy(y, self(x), True)
            )
        variables = self.trainable_variables
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        return {"my_loss": loss}


@needs_tensorflow
def test_subclassed_model_with_custom_train_step(data, samples, tmp_path):
    def trained(callbacks):
        keras.utils.set_random_seed(1)
        model = Plain()
        model.compile("sgd")
        fit(model, data, callbacks)
        return model

    logged = trained([kp.PVectorLogger(tmp_path, samples)])
    assert_same_weights(logged, trained([]))
    run = kp.open_run(tmp_path)
    assert run.layers == ["hidden"]
    truth = lapack_vector(logged.hidden(logged.flatten(samples.x)).numpy())
    assert degrees_between(run.p_vector().vector, truth) < 1e-3
    assert list(run.metrics["my_loss"]) == sorted(run.metrics["my_loss"])[::-1]


class TwoOptimizers(Plain):
    """Steps optimizers of its own; the one that Keras knows of stands still."""

    def compile(self):
        super().compile()
        self.own = [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.01)]

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(
                keras.losses.sparse_categorical_crossentropy(y, self(x), True)
            )
        parts = [self.hidden.trainable_variables, self.out.trainable_variables]
        for optimizer, part, gradients in zip(
            self.own, parts, tape.gradient(loss, parts), strict=True
        ):
            optimizer.apply_gradients(zip(gradients, part, strict=True))
        return {"loss": loss}


@needs_tensorflow
def test_steps_are_counted_without_the_optimizer(data, samples, tmp_path):
    keras.utils.set_random_seed(1)
    model = TwoOptimizers()
    model.compile()
    for optimizer_options in ({}, {"resume": True, "initial_epoch": 2, "epochs": 4}):
        options = dict(optimizer_options)
        logger = kp.PVectorLogger(
            tmp_path, samples, log_freq=5, resume=options.pop("resume", False)
        )
        fit(model, data, [logger], **options)
    run = kp.open_run(tmp_path)
    steps = [0, 5, 10, 12, 15, 20, 24, 25, 30, 35, 36, 40, 45, 48]
    assert [step for _, step in run.moments] == steps
    assert list(run.metrics["epoch"]) == [0, 1, 2, 3]
    truth = lapack_vector(model.hidden(model.flatten(samples.x)).numpy())
    assert degrees_between(run.p_vector("final").vector, truth) < 1e-3


def test_gradient_accumulation(data, samples, tmp_path):
    model = build()
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=3), model.loss)
    fit(model, data, [kp.PVectorLogger(tmp_path, samples, "features", log_freq=5)])
    steps = [step for _, step in kp.open_run(tmp_path).moments]
    assert steps == [0, 5, 10, 12, 15, 20, 24]


def test_sequential_model_without_an_input(data, samples, tmp_path):
    def trained(callbacks):
        keras.utils.set_random_seed(4)
        model = keras.Sequential([layers.Flatten(), layers.Dense(6), layers.Dense(4)])
        model.compile(
            "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        fit(model, data, callbacks)
        return model

    assert_same_weights(trained([kp.PVectorLogger(tmp_path, samples)]), trained([]))


def test_functional_model_with_several_inputs_and_outputs(rng, tmp_path):
    def trained(callbacks):
        keras.utils.set_random_seed(1)
        text = keras.Input((5,), dtype="int32", name="text")
        picture = keras.Input((6,), name="picture")
        words = layers.GlobalAveragePooling1D()(layers.Embedding(20, 4)(text))
        both = layers.Concatenate(name="both")([words, layers.Dense(4)(picture)])
        hidden = layers.Dense(6, "relu", name="hidden")(both)
        outputs = {
            "kind": layers.Dense(3, name="kind")(hidden),
            "size": layers.Dense(1, name="size")(both),
        }
        model = keras.Model([text, picture], outputs)
        kind_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", {"kind": kind_loss, "size": "mse"})
        inputs = [rng_of.integers(0, 20, (30, 5)), rng_of.random((30, 6))]
        targets = {"kind": np.arange(30) % 3, "size": inputs[1].sum(axis=1)}
        model.fit(
            inputs, targets, epochs=2, batch_size=10, verbose=0, callbacks=callbacks
        )
        return model

    rng_of = np.random.default_rng(5)
    samples = kp.SampleSet([rng.integers(0, 20, (25, 5)), rng.random((25, 6))])
    logger = kp.PVectorLogger(tmp_path, samples, ["both", "hidden"])
    logged = trained([logger])
    rng_of = np.random.default_rng(5)
    assert_same_weights(logged, trained([]))
    part = keras.Model(logged.inputs, logged.get_layer("both").output)
    truth = lapack_vector(part.predict(samples.x, verbose=0))
    found = kp.open_run(tmp_path).p_vector("final", "both")
    assert degrees_between(found.vector, truth) < 1e-3


@needs_tensorflow
def test_sequential_model_on_tf_data(data, samples, tmp_path):
    def trained(callbacks):
        model = build_with_state()
        keras.utils.set_random_seed(3)
        batches = tf.data.Dataset.from_tensor_slices(data).shuffle(96, seed=1).batch(8)
        model.fit(
            batches.repeat(2), epochs=1, shuffle=False, verbose=0, callbacks=callbacks
        )
        return model

    logger = kp.PVectorLogger(tmp_path, samples, log_freq=10)
    assert_same_weights(trained([logger]), trained([]))
    assert [step for _, step in kp.open_run(tmp_path).moments] == [0, 10, 20, 24]


def test_an_existing_run_is_not_overwritten(data, samples, tmp_path):
    fit(build(), data, [kp.PVectorLogger(tmp_path, samples)])
    before = (tmp_path / "log.csv").read_bytes()
    with pytest.raises(kp.RunConflictError, match="resume=True"):
        fit(build(), data, [kp.PVectorLogger(tmp_path, samples)])
    with pytest.raises(kp.RunConflictError, match="initial_epoch=2"):
        fit(build(), data, [kp.PVectorLogger(tmp_path, samples, resume=True)])
    assert (tmp_path / "log.csv").read_bytes() == before


@pytest.mark.parametrize("logger_first", [True, False])
def test_resuming_with_backup_and_restore(logger_first, data, samples, tmp_path):
    """Interrupted after its second epoch, in the third, the run ends as if it had not
    been; whichever way round the two callbacks stand."""

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(as_numpy(self.model.optimizer.iterations)) == 2 * N_STEPS + 5:
                raise KeyboardInterrupt

    def run(folder, backup, extra=()):
        logger = kp.PVectorLogger(
            folder,
            samples,
            references={"data": kp.data_p_vector(samples), "before": "previous"},
            log_freq=4,
            resume=True,
        )
        callbacks = [keras.callbacks.BackupAndRestore(backup), *extra]
        callbacks.insert(0 if logger_first else 1, logger)
        fit(build(), data, callbacks, epochs=4, shuffle=False)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", tmp_path / "backup_a", [Interrupt()])
    interrupted = kp.open_run(tmp_path / "a")
    assert interrupted.moments[-1] == (2, 28)
    run(tmp_path / "a", tmp_path / "backup_a")
    run(tmp_path / "b", tmp_path / "backup_b")
    logs = [(tmp_path / name / "log.csv").read_text() for name in "ab"]
    assert logs[0].count("epoch,step") == 1
    assert logs[0] == logs[1]


def test_a_logger_goes_on_with_its_own_run(data, samples, tmp_path):
    logger, model = kp.PVectorLogger(tmp_path, samples), build()
    fit(model, data, [logger])
    fit(model, data, [logger], initial_epoch=2, epochs=3)
    assert kp.open_run(tmp_path).moments == [(-1, 0), (0, 12), (1, 24), (2, 36)]
    with pytest.raises(kp.RunConflictError, match="resume=True"):
        fit(model, data, [logger])


def test_going_on_with_another_model_is_told(data, samples, tmp_path):
    fit(build(), data, [kp.PVectorLogger(tmp_path, samples)])
    logger = kp.PVectorLogger(tmp_path, samples, resume=True)
    with pytest.warns(UserWarning, match="'features'"):
        fit(build(), data, [logger], initial_epoch=2, epochs=3)


@pytest.mark.parametrize("resume", [True, False])
def test_two_loggers_in_one_folder(resume, data, samples, tmp_path):
    loggers = [kp.PVectorLogger(tmp_path, samples, resume=resume) for _ in range(2)]
    with pytest.raises(kp.RunConflictError):
        fit(build(), data, loggers)
    assert not (tmp_path / "log.csv").exists()


def test_settings_of_a_resumed_run_must_agree(data, samples, tmp_path):
    fit(build(), data, [kp.PVectorLogger(tmp_path, samples)])
    other = kp.SampleSet(samples.x[::-1], name="other")
    for name, options in {
        "samples_name": {"samples": other},
        "layers": {"layers": "conv"},
        "k is 1 there and 2": {"k": 2},
    }.items():
        logger = kp.PVectorLogger(
            tmp_path, **{"samples": samples, "resume": True, **options}
        )
        with pytest.raises(kp.RunConflictError, match=name):
            fit(build(), data, [logger], initial_epoch=2, epochs=3)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"layers": "nope"}, kp.LayerChoiceError, "'nope'.*features"),
        ({"log_freq": 0}, ValueError, "0"),
        ({"log_freq": {"second": 1}}, ValueError, "second"),
        ({"references": np.ones(3)}, ValueError, "ndarray"),
        ({"references": {"a": np.ones(3)}}, ValueError, "'a'"),
        ({"references": {"a": "last"}}, ValueError, "'last'"),
        ({"references": {"a": {}}}, ValueError, "'features'"),
        ({"samples": np.ones((4, 6, 6, 1))}, TypeError, "kp.SampleSet"),
        ({"method": "magic"}, ValueError, "'magic'"),
        ({"name": ""}, ValueError, "''"),
        ({"name": 3}, ValueError, "3"),
    ],
)
def test_bad_settings_show_before_the_first_update(
    options, error, named, data, samples, tmp_path
):
    path = tmp_path / "run"
    model = build()
    with pytest.raises(error, match=named):
        fit(model, data, [kp.PVectorLogger(path, **{"samples": samples, **options})])
    assert int(as_numpy(model.optimizer.iterations)) == 0
    assert not path.exists()


def test_reference_of_other_samples_is_an_error(data, samples, tmp_path):
    other = kp.SampleSet(data[0][40:80], name="others")
    references = {"data": kp.data_p_vector(other)}
    with pytest.raises(kp.SampleMismatchError, match=r"'toy'.*'others'"):
        kp.PVectorLogger(tmp_path / "x", samples, references=references)
    with pytest.raises(kp.SampleMismatchError, match=r"'toy'.*'others'"):
        kp.PVectorLogger(
            tmp_path / "x",
            samples,
            references={"by layer": {"conv": references["data"]}},
        )
    assert not (tmp_path / "x").exists()


def test_a_layer_that_dies_is_told_and_the_training_goes_on(data, samples, tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                layer = self.model.get_layer("features")
                layer.set_weights([np.full_like(w, -9.0) for w in layer.get_weights()])

    logger = kp.PVectorLogger(tmp_path, samples, ["features", "conv"])
    with pytest.warns(UserWarning, match="'features'.*epoch 1"):
        fit(build(), data, [Kill(), logger])
    run = kp.open_run(tmp_path)
    assert list(run.log.query("epoch == 1")["layer"]) == ["conv"]
    assert len(run.log) == 5
    with pytest.raises(kp.RunNotFoundError, match=r"'features'.*epoch 1"):
        run.p_vector("final", "features")
    assert list(run.angles(to=0, layer="features")["epoch"]) == [-1, 0]


def test_a_layer_that_starts_at_zero_is_logged_once_it_wakes(data, samples, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Flatten(name="flat"),
            layers.Dense(4, kernel_initializer="zeros", name="late"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    with pytest.warns(UserWarning, match="'late'.*epoch -1"):
        fit(model, data, [kp.PVectorLogger(tmp_path, samples, ["flat", "late"])])
    log = kp.open_run(tmp_path).log
    assert list(log["layer"]) == ["flat", "flat", "late", "flat", "late"]


def test_features_that_are_not_finite_at_the_start_are_an_error(data, tmp_path):
    x = data[0][:20].copy()
    x[3] = 1e38
    samples = kp.SampleSet(x)
    model = build()
    weights = model.get_layer("conv").get_weights()
    model.get_layer("conv").set_weights([np.full_like(w, 1e2) for w in weights])
    with pytest.raises(ValueError, match=r"'conv'.*infinity.*3"):
        fit(model, data, [kp.PVectorLogger(tmp_path / "run", samples, "conv")])
    assert not (tmp_path / "run").exists()


def test_what_other_callbacks_put_into_logs_does_no_harm(data, samples, tmp_path):
    class Chatty(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs |= {"text": "abc", "table": {"a": 1}, "none": None, "list": [1, 2]}
            logs["number"] = np.float32(0.5)

    fit(build(), data, [Chatty(), kp.PVectorLogger(tmp_path, samples)])
    metrics = kp.open_run(tmp_path).metrics
    assert "text" not in metrics
    assert list(metrics["number"]) == [0.5, 0.5]
