"""Loggers and tuners of other libraries, with their real packages."""

import keras
import numpy as np
import pytest
from frameworks import needs_tensorflow
from keras import layers

import keras_pvec as kp

N_STEPS = 8  # 32 samples in batches of 4


@pytest.fixture
def data(rng):
    return rng.random((32, 5)).astype("float32"), rng.integers(0, 3, 32)


@pytest.fixture
def samples(data):
    return kp.SampleSet(data[0][:20], name="toy")


def build(width=6):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(width, name="hidden"), layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


def logger_of(path, samples, **options):
    data = kp.data_p_vector(samples)
    return kp.PVectorLogger(path, samples, references={"data": data}, **options)


def fit(data, callbacks):
    build().fit(*data, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)


def logged_angles(logger):
    """Angles to the data by step, of steps within epochs and of ends of epochs."""
    log = logger.run.log
    angles = dict(zip(log["step"], log["angle_deg"], strict=True))
    ends = [N_STEPS, 2 * N_STEPS]
    within = {s: a for s, a in angles.items() if s and s % 4 == 0}
    return within, [angles[step] for step in ends]


@needs_tensorflow
def test_tensorboard(data, samples, tmp_path):
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader"
    )
    logger = logger_of(tmp_path / "run", samples, log_freq=4)
    board = keras.callbacks.TensorBoard(tmp_path / "board", update_freq=4)
    fit(data, [logger, board])
    within, at_ends = logged_angles(logger)
    found = {"batch_pvec_angle_data": {}, "epoch_pvec_angle_data": {}}
    for path in (tmp_path / "board").rglob("events*"):
        for event in events.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag in found:
                    (number,) = value.tensor.float_val or [
                        np.frombuffer(value.tensor.tensor_content, np.float32)[0]
                    ]
                    found[value.tag][event.step] = number
    assert found["batch_pvec_angle_data"] == pytest.approx(within, rel=1e-6)
    assert list(found["epoch_pvec_angle_data"].values()) == pytest.approx(
        at_ends, rel=1e-6
    )


@needs_tensorflow  # which the callbacks of Weights & Biases import
def test_weights_and_biases(data, samples, tmp_path, monkeypatch):
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb = pytest.importorskip("wandb")
    integration = pytest.importorskip("wandb.integration.keras")
    logger = logger_of(tmp_path / "run", samples, log_freq=4)
    with wandb.init(mode="offline", project="test", dir=str(tmp_path)) as run:
        for name in ("batch/pvec_angle_data", "epoch/pvec_angle_data"):
            run.define_metric(name, summary="min,max,last")
        # Every batch, since W&B would otherwise pick batches 0, 4, 8, ..., which end
        # the steps 1, 5, 9, ...
        fit(data, [logger, integration.WandbMetricsLogger(log_freq="batch")])
        summary = {key: run.summary[key] for key in run.summary.keys()}  # noqa: SIM118
    within, at_ends = logged_angles(logger)
    for name, angles in (("batch", [*within.values()]), ("epoch", at_ends)):
        found = summary[f"{name}/pvec_angle_data"]
        assert found["min"] == pytest.approx(min(angles))
        assert found["max"] == pytest.approx(max(angles))
        last = found["last"] if "last" in found.keys() else angles[-1]  # noqa: SIM118
        assert last == pytest.approx(angles[-1])


@pytest.mark.parametrize("every_epoch", [False, True])
def test_mlflow(every_epoch, data, samples, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.keras")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("test", artifact_location=(tmp_path / "a").as_uri())
    mlflow.set_experiment("test")
    logger = logger_of(tmp_path / "run", samples, log_freq=4)
    callback = mlflow.keras.MlflowCallback(
        log_every_epoch=every_epoch, log_every_n_steps=None if every_epoch else 4
    )
    with mlflow.start_run() as run:
        fit(data, [logger, callback])
    mlflow.flush_async_logging()
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "pvec_angle_data")
    within, at_ends = logged_angles(logger)
    expected = dict(enumerate(at_ends)) if every_epoch else within
    assert {metric.step: metric.value for metric in history} == pytest.approx(expected)


def test_keras_tuner(data, samples, tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")

    def build_trial(hp):
        return build(hp.Choice("width", [4, 7]))

    tuner = keras_tuner.GridSearch(
        build_trial,
        objective=keras_tuner.Objective("loss", "min"),
        directory=tmp_path / "tuner",
        project_name="test",
    )
    logger = logger_of(tmp_path / "run", samples, overwrite=True)
    tuner.search(*data, batch_size=4, epochs=2, verbose=0, callbacks=[logger])
    # Each trial had a copy of its own, and replaced the run of the one before.
    assert logger.model is None
    assert logger.run.info.complete
    assert [moment.epoch for moment in logger.run.moments] == [-1, 0, 1]
    assert set(logger.run.log["n_features"]) == {7}


def test_each_trial_of_a_tuner_has_its_own_folder(data, samples, tmp_path):
    """As docs/how-to/loggers.md shows it."""
    keras_tuner = pytest.importorskip("keras_tuner")

    class Network(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp.Choice("width", [4, 7]))

        def fit(self, hp, model, *args, callbacks=(), **kwargs):
            folder = tmp_path / f"width_{hp['width']}"
            logger = logger_of(folder, samples, overwrite=True)
            return model.fit(*args, callbacks=[*callbacks, logger], **kwargs)

    tuner = keras_tuner.GridSearch(
        Network(),
        objective=keras_tuner.Objective("loss", "min"),
        directory=tmp_path / "tuner",
        project_name="test",
    )
    tuner.search(*data, batch_size=4, epochs=1, verbose=0)
    for width in (4, 7):
        run = kp.open_run(tmp_path / f"width_{width}")
        assert run.info.complete
        assert set(run.log["n_features"]) == {width}
