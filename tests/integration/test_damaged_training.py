"""Trainings of the experiments that were killed or whose files were damaged."""

import functools
import shutil

import keras
import numpy as np
import pytest
from small_models import small_settings

import keras_pvec as kp
from keras_pvec.diagnostics import Severity, diagnose
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.training import load_weights, stored_weights
from keras_pvec.reproduction.training.build import load_model
from keras_pvec.reproduction.training.checkpoint import checkpoints, save_checkpoint
from keras_pvec.runs import RunFolder, partial_files

EPOCHS = 3


@pytest.fixture(scope="module")
def data():
    return load_data("digits").subset(200, 50)


@pytest.fixture(scope="module")
def settings(data):
    """Three epochs, logged on both splits and within the first epoch."""
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
def finished(settings, data, tmp_path_factory):
    """A finished run, to be read only."""
    path = tmp_path_factory.mktemp("finished") / "run"
    return training.train(settings, data, path).path


class Kill(keras.callbacks.Callback):
    """Stops a training after the checkpoint of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def trainings_killed(settings, data, tmp_path_factory):
    """Returns the folder, to be read only, of a training that was killed after an
    epoch."""

    @functools.cache
    def train_and_kill(epoch):
        path = tmp_path_factory.mktemp("killed") / "run"
        with pytest.raises(KeyboardInterrupt):
            training.train(settings, data, path, callbacks=[Kill(epoch)])
        return path

    return train_and_kill


@pytest.fixture
def killed(trainings_killed, tmp_path):
    """Returns a copy of the folder of a training that was killed after an epoch."""
    return lambda epoch: shutil.copytree(trainings_killed(epoch), tmp_path / "run")


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def assert_same(path, other):
    """The same files; logs and P-vectors byte for byte."""
    files = [
        sorted(f.relative_to(p).as_posix() for f in p.rglob("*") if f.is_file())
        for p in (path, other)
    ]
    assert files[0] == files[1]
    for name in files[0]:
        if name.endswith(("log.csv", "metrics.csv")) or "pvectors/" in name:
            assert (path / name).read_bytes() == (other / name).read_bytes(), name
    for folder in (path, path / "test"):
        assert kp.open_run(folder).info.complete
        assert (folder / "SHA256SUMS").exists()
    errors = [f for f in diagnose(path).findings if f.severity is Severity.ERROR]
    assert errors == []


def test_a_kill_between_the_last_checkpoint_and_the_end(
    settings, data, killed, finished
):
    path = killed(EPOCHS - 1)
    assert not kp.open_run(path).info.complete
    (path / "weights" / "epoch_0000_step_00000001.npz.17.partial").touch()
    (path / "model.keras.17.partial.keras").touch()
    training.train(settings, data, path)
    assert_same(path, finished)


def test_a_log_that_lost_its_rows_on_the_way(settings, data, killed, finished):
    path = killed(1)
    for log in (path / "log.csv", path / "test" / "log.csv"):
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[: len(lines) // 2]))
    with pytest.warns(UserWarning, match=r"log\.csv"):
        training.train(settings, data, path)
    assert_same(path, finished)


@pytest.mark.parametrize("file", ["metrics.csv", "test/metrics.csv"])
def test_metrics_that_lost_their_rows_on_the_way(file, settings, data, killed):
    path = killed(1)
    lines = (path / file).read_text().splitlines(keepends=True)
    (path / file).write_text(lines[0])
    vectors = sorted(path.rglob("pvectors/*"))
    with pytest.raises(kp.DamagedRunError, match=file):
        training.train(settings, data, path)
    assert sorted(path.rglob("pvectors/*")) == vectors


def test_a_log_that_lost_its_end_after_the_last_checkpoint(settings, data, killed):
    path = killed(EPOCHS - 1)
    lines = (path / "test" / "log.csv").read_text().splitlines(keepends=True)
    (path / "test" / "log.csv").write_text("".join(lines[:-9]))
    with pytest.raises(kp.DamagedRunError, match=r"test/log\.csv"):
        training.train(settings, data, path)


def test_a_run_resumes_from_the_checkpoint_before_a_damaged_one(
    settings, data, killed, finished
):
    path = killed(1)
    older, newest = (checkpoint.path for checkpoint in checkpoints(RunFolder(path)))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match=newest.name):
        run = training.train(settings, data, path)
    assert run.info.notes["damaged_checkpoints"] == [newest.name]
    assert not older.exists()
    assert_same(path, finished)


@pytest.mark.parametrize("kind", ["weights", "model.keras"])
def test_altered_weights_of_a_finished_run(kind, settings, data, copied):
    """Whole files with other numbers: only a checksum tells."""
    folder = RunFolder(copied)
    path = list(stored_weights(folder).values())[1]
    model = load_model(copied)
    load_weights(model, path)
    if kind == "weights":
        arrays = dict(np.load(path))
        arrays["0000"] = arrays["0000"] + 1
        np.savez(path, **arrays)
        with pytest.raises(kp.DamagedRunError, match=path.name):
            load_weights(model, path)
    else:
        path = folder.model_path
        model.save(path)
        with pytest.raises(kp.DamagedRunError, match=path.name):
            load_model(copied)
    with pytest.raises(kp.DamagedRunError, match=path.name):
        training.train(settings, data, copied)
    assert path.relative_to(copied).as_posix() in {
        finding.file for finding in diagnose(copied).findings
    }


def test_a_finished_run_of_fewer_epochs(settings, data, copied):
    """Its rows, P-vectors and metrics of the last epoch are gone; checksums too."""
    for folder in (copied, copied / "test"):
        run = RunFolder(folder)
        run.unseal()
        run.rewind(EPOCHS - 1)
        last = kp.open_run(folder).info.logged_with.last_moment
        assert last.epoch == EPOCHS - 1
        with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
            print(kp.open_run(folder).moments)
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        training.train(settings, data, copied)


def test_what_is_left_in_a_finished_run_is_removed(settings, data, copied):
    """A kill came before the checkpoints were removed."""
    model = load_model(copied)
    save_checkpoint(model, RunFolder(copied), EPOCHS)
    left = copied / "run.json.17.partial"
    left.touch()
    training.train(settings, data, copied)
    assert not checkpoints(RunFolder(copied))
    assert not partial_files(copied)


def test_a_model_that_cannot_be_loaded(copied):
    path = RunFolder(copied).model_path
    RunFolder(copied).unseal()
    for content in (b"", b"no archive", path.read_bytes()[:500]):
        path.write_bytes(content)
        with pytest.raises(kp.DamagedRunError, match=r"model\.keras"):
            load_model(copied)
    path.unlink()
    with pytest.raises(kp.DamagedRunError, match=r"model\.keras"):
        load_model(copied)


def test_a_logger_whose_training_was_killed_after_its_last_epoch(data, tmp_path):
    """There is no epoch left to train, and the run is complete all the same."""
    images = data.train.images[:40].reshape(40, -1).astype("float32") / 16
    samples = kp.SampleSet(images, name="digits")

    def fit(*callbacks):
        model = keras.Sequential(
            [keras.Input((images.shape[1],)), keras.layers.Dense(8, name="features")]
        )
        model.add(keras.layers.Dense(10))
        model.compile("sgd", "mse")
        logger = kp.PVectorLogger(tmp_path / "run", samples, resume=True)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        targets = np.zeros((40, 10))
        callbacks = [backup, logger, *callbacks]
        model.fit(images, targets, epochs=2, callbacks=callbacks, verbose=0)

    with pytest.raises(KeyboardInterrupt):
        fit(Kill(1))
    assert not kp.open_run(tmp_path / "run").info.complete
    fit()
    run = kp.open_run(tmp_path / "run")
    assert run.info.complete
    assert [moment.epoch for moment in run.moments] == [-1, 0, 1]
    assert list(run.metrics["epoch"]) == [0, 1]
