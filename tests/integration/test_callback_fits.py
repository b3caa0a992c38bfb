"""Fits that end, begin or are called in unusual ways."""

import copy
import json
import pickle
import re
import threading
import warnings

import keras
import numpy as np
import pytest
from frameworks import BACKEND, as_numpy
from keras import layers
from oracles import degrees_between, lapack_vector

import keras_pvec as kp
from keras_pvec.diagnostics import diagnose
from keras_pvec.diagnostics.findings import Kind

N_STEPS = 4  # 32 samples in batches of 8


@pytest.fixture
def data(rng):
    return rng.random((32, 5)).astype("float32"), rng.integers(0, 3, 32)


@pytest.fixture
def samples(data):
    return kp.SampleSet(data[0][:20], name="toy")


def build(seed=3, optimizer="sgd", **options):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(6, name="hidden"), layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **options)
    return model


def fit(model, data, callbacks, **options):
    keras.utils.set_random_seed(8)
    options = {"batch_size": 8, "epochs": 2, "verbose": 0, **options}
    return model.fit(*data, callbacks=callbacks, **options)


def ways_on(next_epoch):
    """A pattern of messages that name all ways on, in whatever order."""
    ways = ("resume=True", f"initial_epoch={next_epoch}", "overwrite=True")
    return "".join(f"(?=.*{re.escape(way)})" for way in ways)


def truth(model, samples):
    # Without `predict`, which draws a random number on PyTorch.
    kernel, bias = model.get_layer("hidden").get_weights()
    return lapack_vector(samples.x @ kernel + bias)


def contents(folder):
    return {
        p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


class Interrupt(keras.callbacks.Callback):
    """Stops a training in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


# The model that `fit` leaves.


class Restore(keras.callbacks.Callback):
    """Restores the initial weights when the training ends."""

    def on_train_begin(self, logs=None):
        self.initial = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.model.set_weights(self.initial)


def averaged():
    return keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)


ENDS = {
    "averages": (averaged, lambda: []),
    "best": (
        lambda: keras.optimizers.SGD(0.5),
        lambda: [
            keras.callbacks.EarlyStopping(
                "loss", mode="max", patience=5, restore_best_weights=True
            )
        ],
    ),
    "averages at epoch ends": (
        averaged,
        lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    ),
    "restored": (lambda: keras.optimizers.SGD(0.5), lambda: [Restore()]),
    "averages, then restored": (averaged, lambda: [Restore()]),
}


@pytest.mark.parametrize(
    ("name", "logger_first"),
    [
        *((name, True) for name in ENDS),
        ("best", False),
        ("averages, then restored", False),
    ],
)
def test_the_model_that_fit_leaves_is_measured(
    name, logger_first, data, samples, tmp_path
):
    make_optimizer, make_callbacks = ENDS[name]
    model, plain = (build(optimizer=make_optimizer()) for _ in range(2))
    at_last_epoch = []

    def note(*_):
        at_last_epoch[:] = [truth(model, samples)]

    logger = kp.PVectorLogger(tmp_path, samples, "hidden")
    noted = keras.callbacks.LambdaCallback(on_epoch_end=note)
    others = make_callbacks()
    callbacks = [logger, noted, *others] if logger_first else [*others, logger, noted]
    history = fit(model, data, callbacks, epochs=3)
    fit(plain, data, make_callbacks(), epochs=3)
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    run = logger.run
    left = run.p_vector("after_fit", "hidden")
    assert degrees_between(left.vector, truth(model, samples)) < 1e-2
    assert degrees_between(run.p_vector("final").vector, at_last_epoch[0]) < 1e-2
    assert run.moments == [(-1, 0), (0, 4), (1, 8), (2, 12)]
    after_fit = run.info.after_fit
    far = degrees_between(truth(model, samples), at_last_epoch[0])
    assert after_fit.differs == (far > 1e-3)
    if after_fit.differs:
        np.testing.assert_allclose(after_fit.angles_deg["hidden"], far, atol=1e-2)
        (finding,) = [
            f for f in diagnose(tmp_path).findings if f.kind is Kind.AFTER_FIT
        ]
        np.testing.assert_allclose(finding.values["angle_deg"], far, atol=1e-2)
        to_it = run.angles(to="after_fit")["angle_deg"].iloc[-1]
        np.testing.assert_allclose(to_it, far, atol=1e-2)
    assert "on_train_end" not in vars(history)


def test_a_model_that_is_left_as_it_was_is_not_measured_again(data, samples, tmp_path):
    logger = kp.PVectorLogger(tmp_path, samples)
    fit(build(), data, [logger])
    assert not logger.run.info.after_fit.differs
    assert not (tmp_path / "pvectors" / "after_fit.npz").exists()
    np.testing.assert_array_equal(
        logger.run.p_vector("after_fit").vectors, logger.run.p_vector("final").vectors
    )
    assert Kind.AFTER_FIT not in {f.kind for f in diagnose(tmp_path).findings}


@pytest.mark.skipif(
    BACKEND == "jax", reason="Keras cannot go on with averaged weights on JAX"
)
def test_a_training_that_goes_on_forgets_the_model_it_left(data, samples, tmp_path):
    logger = kp.PVectorLogger(tmp_path, samples)
    model = build(optimizer=averaged())
    fit(model, data, [logger])
    assert (tmp_path / "pvectors" / "after_fit.npz").exists()
    with (
        pytest.raises(KeyboardInterrupt),
        pytest.warns(UserWarning, match="different model"),
    ):
        fit(model, data, [logger, Interrupt(3)], initial_epoch=2, epochs=4)
    assert not (tmp_path / "pvectors" / "after_fit.npz").exists()
    with pytest.raises(kp.RunNotFoundError):
        logger.run.p_vector("after_fit")


def test_a_history_before_the_logger(data, samples, tmp_path):
    """What comes after both is measured when the hook is called by hand."""
    logger, restore = kp.PVectorLogger(tmp_path, samples, "hidden"), Restore()
    model = build()
    fit(model, data, [keras.callbacks.History(), logger, restore])
    assert logger.run.info.complete
    assert not logger.run.info.after_fit.differs
    logger.on_train_end()
    left = logger.run.p_vector("after_fit").vector
    assert degrees_between(left, truth(model, samples)) < 1e-2
    assert logger.run.info.after_fit.differs


def test_old_runs_do_not_know_what_fit_left(data, samples, tmp_path):
    logger = kp.PVectorLogger(tmp_path, samples)
    fit(build(), data, [logger])
    entries = json.loads((tmp_path / "run.json").read_text())
    del entries["after_fit"]
    (tmp_path / "run.json").write_text(json.dumps(entries))
    (tmp_path / "SHA256SUMS").unlink(missing_ok=True)
    assert logger.run.info.after_fit is None
    with pytest.raises(kp.RunNotFoundError):
        logger.run.p_vector("after_fit")


# Folders that already hold a run.


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("is_finished", [True, False])
def test_a_training_that_starts_again_keeps_the_run(
    resume, is_finished, data, samples, tmp_path
):
    callbacks = [kp.PVectorLogger(tmp_path, samples)]
    if is_finished:
        fit(build(), data, callbacks, epochs=3)
    else:
        with pytest.raises(KeyboardInterrupt):
            fit(build(), data, [*callbacks, Interrupt(3)], epochs=4)
    before = contents(tmp_path)
    logger = kp.PVectorLogger(tmp_path, samples, resume=resume)
    with pytest.raises(
        kp.RunConflictError,
        match=ways_on(next_epoch=3),
    ):
        fit(build(), data, [logger])
    assert contents(tmp_path) == before
    for options in ({"overwrite": True}, {"overwrite": True, "resume": True}):
        logger = kp.PVectorLogger(tmp_path, samples, **options)
        fit(build(seed=4), data, [logger], epochs=1)
        assert logger.run.moments == [(-1, 0), (0, 4)]
        assert list(logger.run.metrics["epoch"]) == [0]
        assert len(list((tmp_path / "pvectors").iterdir())) == 2
    # What replaced it is a run like any other.
    fresh = kp.PVectorLogger(tmp_path / "fresh", samples)
    fit(build(seed=4), data, [fresh], epochs=1)
    assert (tmp_path / "log.csv").read_bytes() == (
        tmp_path / "fresh" / "log.csv"
    ).read_bytes()


def test_overwriting_with_other_settings_and_from_a_later_epoch(
    data, samples, tmp_path
):
    fit(build(), data, [kp.PVectorLogger(tmp_path, samples)], epochs=3)
    other = kp.SampleSet(data[0][10:], name="other")
    logger = kp.PVectorLogger(tmp_path, other, "hidden", k=2, overwrite=True)
    fit(build(), data, [logger], initial_epoch=5, epochs=6)
    assert logger.run.moments == [(4, 0), (5, 4)]
    assert logger.run.info.logged_with.samples_name == "other"
    with pytest.raises(kp.LayerChoiceError):  # and nothing is lost
        fit(build(), data, [kp.PVectorLogger(tmp_path, other, "none", overwrite=True)])
    assert logger.run.moments == [(4, 0), (5, 4)]


def test_overwrite_with_resume_continues_where_it_can(data, samples, tmp_path):
    model = build()
    options = {"overwrite": True, "resume": True}
    fit(model, data, [kp.PVectorLogger(tmp_path, samples, **options)])
    logger = kp.PVectorLogger(tmp_path, samples, **options)
    fit(model, data, [logger], initial_epoch=2, epochs=3)
    assert [epoch for epoch, _ in logger.run.moments] == [-1, 0, 1, 2]


@pytest.mark.parametrize("seed", [3, 4])
def test_stopped_in_the_first_epoch(seed, data, samples, tmp_path):
    """There was no checkpoint yet, so a training with resume=True starts again."""

    def logger():
        return kp.PVectorLogger(tmp_path, samples, log_freq=3, resume=True)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(build(), data, [logger(), Stop()])
    last = logger()
    fit(build(seed), data, [last])
    assert [step for _, step in last.run.moments] == [0, 3, 4, 6, 8]
    assert degrees_between(
        last.run.p_vector(-1).vector, truth(build(seed), samples)
    ) < (1e-2)


@pytest.mark.parametrize("seed", [3, 4])
def test_stopped_between_the_first_epoch_and_its_checkpoint(
    seed, data, samples, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        fit(build(), data, [kp.PVectorLogger(tmp_path, samples), Interrupt(1)])
    logger = kp.PVectorLogger(tmp_path, samples, resume=True)
    if seed == 4:  # another training
        with pytest.raises(kp.RunConflictError, match="overwrite=True"):
            fit(build(seed), data, [logger])
    else:
        fit(build(seed), data, [logger])
        assert logger.run.info.complete


@pytest.mark.parametrize("is_same_model", [True, False])
def test_a_checkpoint_older_than_the_log(is_same_model, data, samples, tmp_path):
    model, weights = build(), []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: weights.append(model.get_weights())
    )
    with pytest.raises(KeyboardInterrupt):
        logger = kp.PVectorLogger(tmp_path, samples)
        fit(model, data, [logger, keep, Interrupt(3)], epochs=4)
    before = contents(tmp_path)
    model.set_weights(weights[0 if is_same_model else 2])
    logger = kp.PVectorLogger(tmp_path, samples, resume=True)
    if is_same_model:
        fit(model, data, [logger], initial_epoch=1, epochs=3)
        assert logger.run.moments == [(-1, 0), (0, 4), (1, 8), (2, 12)]
    else:  # two finished epochs of another training would be dropped
        with pytest.raises(kp.RunConflictError, match="initial_epoch=3"):
            fit(model, data, [logger], initial_epoch=1, epochs=3)
        assert contents(tmp_path) == before


def test_the_same_callbacks_in_a_second_fit(data, samples, tmp_path):
    model, logger = build(), kp.PVectorLogger(tmp_path, samples)
    fit(model, data, [logger])
    with pytest.raises(
        kp.RunConflictError,
        match=ways_on(next_epoch=2),
    ):
        fit(model, data, [logger])
    replacing = kp.PVectorLogger(tmp_path, samples, overwrite=True)
    for _ in range(2):  # as a cell of a notebook that is run again
        fit(model, data, [replacing])
    assert len(replacing.run.moments) == 3
    fit(model, data, [replacing], initial_epoch=2, epochs=3)
    assert len(replacing.run.moments) == 4


# Several loggers.


def test_two_loggers_of_one_name(data, samples, tmp_path):
    def loggers(*names, references=("data", "data")):
        return [
            kp.PVectorLogger(
                tmp_path / str(i),
                samples,
                references={reference: kp.data_p_vector(samples)},
                name=name,
            )
            for i, (name, reference) in enumerate(zip(names, references, strict=True))
        ]

    with pytest.raises(ValueError, match=r"'pvec'.*pvec_angle_data"):
        fit(build(), data, loggers("pvec", "pvec"))
    assert not list(tmp_path.iterdir())
    history = fit(
        build(), data, loggers("pvec", "pvec", references=("one", "other"))
    ).history
    assert {"pvec_angle_one", "pvec_angle_other"} <= set(history)


# Copies, and loops that are not `fit`.


@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_of_a_logger(duplicate, is_trained, data, samples, tmp_path):
    logger = kp.PVectorLogger(
        tmp_path / "run",
        samples,
        references={"data": kp.data_p_vector(samples), "before": "previous"},
        log_freq=2,
        overwrite=True,
    )
    model = build()
    fit(model, data, [logger])
    before = (tmp_path / "run" / "log.csv").read_bytes()
    if not is_trained:
        logger = kp.PVectorLogger(
            tmp_path / "run",
            samples,
            references={"data": kp.data_p_vector(samples), "before": "previous"},
            log_freq=2,
            overwrite=True,
        )
    same = duplicate(logger)
    assert same.model is None
    fit(build(), data, [same])
    assert (tmp_path / "run" / "log.csv").read_bytes() == before
    # The original is as it was.
    if is_trained:
        assert logger.model is model


def test_a_callback_without_a_list(data, samples, tmp_path):
    logger = kp.PVectorLogger(tmp_path / "epochs", samples)
    fit(build(), data, logger)
    assert [step for _, step in logger.run.moments] == [0, 4, 8]
    logger = kp.PVectorLogger(tmp_path / "steps", samples, log_freq=2)
    fit(build(), data, logger)
    assert [step for _, step in logger.run.moments] == [0, 2, 4, 6, 8]
    in_list = kp.PVectorLogger(tmp_path / "list", samples, log_freq=2)
    fit(build(), data, [in_list])
    assert (tmp_path / "steps" / "log.csv").read_bytes() == (
        tmp_path / "list" / "log.csv"
    ).read_bytes()


@pytest.mark.parametrize("per_call", [1, 3])
def test_steps_of_a_callback_without_a_list(per_call, data, samples, tmp_path):
    """Keras may report them from other threads; the weights are those of the step."""
    if per_call > 1 and BACKEND == "torch":
        pytest.skip("Keras runs one step per call on PyTorch")
    logger = kp.PVectorLogger(tmp_path / "alone", samples, log_freq={"first_epoch": 1})
    model = build(steps_per_execution=per_call)
    fit(model, data, logger, epochs=3)
    in_list = kp.PVectorLogger(tmp_path / "list", samples, log_freq={"first_epoch": 1})
    other = build(steps_per_execution=per_call)
    fit(other, data, [in_list], epochs=3)
    assert len(logger.run.moments) == 3 + (4 if per_call == 1 else 2)
    assert logger.run.moments == in_list.run.moments
    assert (tmp_path / "alone" / "log.csv").read_bytes() == (
        tmp_path / "list" / "log.csv"
    ).read_bytes()
    for weight, same in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_hooks_of_several_threads(data, samples, tmp_path):
    logger, model = kp.PVectorLogger(tmp_path, samples, log_freq=1), build()
    logger.set_model(model)
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    for batch in range(2):
        elsewhere = threading.Thread(target=logger.on_train_batch_end, args=(batch,))
        elsewhere.start()
        elsewhere.join()
    with pytest.raises(RuntimeError, match="thread"):
        logger.on_epoch_end(0)


@pytest.mark.parametrize("add_history", [True, False])
def test_a_callback_list(add_history, data, samples, tmp_path):
    logger, model = kp.PVectorLogger(tmp_path, samples), build()
    callbacks = keras.callbacks.CallbackList(
        [logger], model=model, add_history=add_history, epochs=2, steps=N_STEPS
    )
    if add_history:
        fit(model, data, callbacks)
    else:
        callbacks.on_train_begin()
        callbacks.on_epoch_begin(0)
        callbacks.on_epoch_end(0)
        callbacks.on_train_end()
    assert logger.run.info.complete


@pytest.mark.parametrize(
    ("calls_batch_hooks", "layers"), [(True, "hidden"), (False, "hidden"), (True, None)]
)
def test_a_loop_of_the_users_own(calls_batch_hooks, layers, data, samples, tmp_path):
    logger, model = kp.PVectorLogger(tmp_path, samples, layers, log_freq=3), build()
    logger.set_model(model)
    logger.on_train_begin()
    for epoch in range(2):
        logger.on_epoch_begin(epoch)
        for batch in range(N_STEPS):
            rows = slice(8 * batch, 8 * batch + 8)
            loss = model.train_on_batch(data[0][rows], data[1][rows])
            if calls_batch_hooks:
                logger.on_train_batch_end(batch)
        logger.on_epoch_end(epoch, {"loss": float(loss)})
    logger.on_train_end()
    within = [3, 6] if calls_batch_hooks else []
    assert [step for _, step in logger.run.moments] == sorted([0, 4, 8, *within])
    assert list(logger.run.metrics["epoch"]) == [0, 1]
    found = logger.run.p_vector("final").vector
    assert degrees_between(found, truth(model, samples)) < 1e-2
    assert logger.run.info.complete


def test_a_loop_that_leaves_out_a_hook(samples, tmp_path):
    logger = kp.PVectorLogger(tmp_path / "run", samples)
    with pytest.raises(RuntimeError, match="set_model"):
        logger.on_epoch_begin(0)
    logger.set_model(build())
    logger.on_train_begin()
    with pytest.raises(RuntimeError, match="on_epoch_begin"):
        logger.on_epoch_end(0)
    logger.on_train_end()
    assert not (tmp_path / "run").exists()
    with pytest.raises(kp.RunNotFoundError):
        _ = logger.run


# Warnings.


def test_warnings_as_errors_do_not_stop_a_training(tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            layer = self.model.layers[0]
            layer.set_weights([0 * w for w in layer.get_weights()])

    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="dies"),
            layers.Dense(2, name="out", bias_initializer="ones"),
        ]
    )
    model.compile("sgd", "mse")
    x = np.eye(4, dtype="float32")[np.arange(12) % 4]  # ambiguous
    model.layers[0].set_weights([np.eye(4), np.zeros(4)])
    logger = kp.PVectorLogger(tmp_path, kp.SampleSet(x), ["dies", "out"])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error", UserWarning)
        model.fit(x, x[:, :2], epochs=2, verbose=0, callbacks=[Kill(), logger])
    assert len(logger.run.moments) == 3
    assert any("'dies'" in str(warning.message) for warning in told)
    assert kp.AmbiguousPVectorWarning in {warning.category for warning in told}


def test_warnings_of_other_libraries_do_not_stop_a_training(data, samples, tmp_path):
    """NumPy deprecates how Keras's variables are converted."""
    references = {"before": "previous"}
    logger = kp.PVectorLogger(tmp_path, samples, log_freq=2, references=references)
    model = build()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, data, [logger], epochs=2)
    assert [epoch for epoch, _ in logger.run.moments][-1] == 1


@pytest.mark.parametrize(
    "x", [np.ones((9, 4), "float32"), [np.ones((9, 5)), np.ones((9, 2))]]
)
def test_samples_that_the_model_does_not_take(x, data, tmp_path):
    logger = kp.PVectorLogger(tmp_path / "run", kp.SampleSet(x, name="wide"))
    model = build()
    with pytest.raises(ValueError, match=r"'wide'.*\(9, "):
        fit(model, data, [logger])
    assert int(as_numpy(model.optimizer.iterations)) == 0
    assert not (tmp_path / "run").exists()
