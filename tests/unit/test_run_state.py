"""What the folder of a run says, without any training."""

import dataclasses

import numpy as np
import pytest
from small_models import small_settings

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training import is_finished
from keras_pvec.reproduction.training.run_state import reopen_logs
from keras_pvec.runs import LoggedWith, Moment, RunFolder, log_row


@pytest.fixture(scope="module")
def settings():
    return small_settings(load_data("digits").subset(200, 50))


def write(path, settings, status="finished", **changes):
    stored = {**settings.as_json(), **changes}
    RunFolder(path).note(settings=stored, status=status)


def test_an_empty_folder_holds_no_run(settings, tmp_path):
    assert not is_finished(settings, tmp_path)
    assert not is_finished(settings, tmp_path / "nowhere")
    assert training.epochs_done(tmp_path / "nowhere") == 0


def test_finished_and_unfinished_runs(settings, tmp_path):
    write(tmp_path, settings, status="running")
    assert not is_finished(settings, tmp_path)
    write(tmp_path, settings)
    assert is_finished(settings, tmp_path)


def test_other_settings_are_a_conflict(settings, tmp_path):
    write(tmp_path, settings)
    asked = dataclasses.replace(settings, epochs=17, seed=23)
    with pytest.raises(kp.RunConflictError) as error:
        is_finished(asked, tmp_path)
    for part in (str(tmp_path), "epochs", "3", "17", "seed", "0", "23"):
        assert part in str(error.value)


def test_a_foreign_run_is_a_conflict(settings, tmp_path):
    p = kp.p_vector(np.random.default_rng(0).random((9, 3)), layer="fc")
    row = log_row(Moment(0, 1), p, "data", kp.compare(p, p))
    RunFolder(tmp_path).write_moment(Moment(0, 1), {"fc": p}, [row])
    with pytest.raises(kp.RunConflictError, match=str(tmp_path)):
        is_finished(settings, tmp_path)


def test_what_no_longer_matters_once_a_run_is_finished(settings, tmp_path):
    """On the way, batches decide the numbers; kept weights can be asked for only
    before."""
    asked = dataclasses.replace(settings, keep_weights=True)
    write(tmp_path, settings, batches=1)
    assert is_finished(asked, tmp_path)
    write(tmp_path, settings, status="running", batches=1)
    with pytest.raises(kp.RunConflictError):
        is_finished(settings, tmp_path)
    write(tmp_path, settings, status="running")
    with pytest.raises(kp.RunConflictError, match="keep_weights"):
        is_finished(asked, tmp_path)


@pytest.mark.parametrize("status", ["finished", "running"])
def test_a_run_under_an_old_name_is_the_same_run(status, settings, tmp_path):
    write(tmp_path, settings, status, model="mlp-8", model_options={"width": 8})
    asked = dataclasses.replace(
        settings, model="mlp_8x3", model_options={"width": 8, "depth": 3}
    )
    assert is_finished(asked, tmp_path) == (status == "finished")
    assert TrainingRecord.of(RunFolder(tmp_path).read_info()).model == "mlp_8x3"
    other = dataclasses.replace(asked, model_options={"width": 8, "depth": 2})
    with pytest.raises(kp.RunConflictError, match="model_options"):
        is_finished(other, tmp_path)


def test_epochs_that_are_done(tmp_path):
    for epochs in (3, 12):
        (tmp_path / f"checkpoint_{epochs:04d}-{'0' * 16}.npz").touch()
    (tmp_path / "checkpoint_0013-0.npz.partial").touch()
    assert training.epochs_done(tmp_path) == 12


def test_logs_are_reopened(tmp_path):
    folders = {
        "train": RunFolder(tmp_path),
        "test": RunFolder(tmp_path / "test"),
    }
    reopen_logs(folders["train"], folders)  # nothing is logged yet
    for folder in folders.values():
        folder.update_info(logged_with=LoggedWith(layers=("fc",), complete=True))
    reopen_logs(folders["train"], folders)
    for folder in folders.values():
        assert folder.read_info().logged_with == LoggedWith(layers=("fc",))


def test_the_record_of_a_run(tmp_path):
    """The name and the architecture of a network, whatever its spelling."""
    for stored, options, name, architecture in (
        ("wide_resnet", {"depth": 28, "widen": 1}, "wide_resnet28_1", "wide_resnet"),
        ("wide_resnet28_1", {}, "wide_resnet28_1", "wide_resnet"),
        ("resnet-50", None, "resnet50", "resnet"),
        ("simclr-resnet", None, "simclr", "simclr"),
        ("lenet", None, "lenet", "lenet"),
    ):
        record = TrainingRecord({"model": stored, "model_options": options})
        assert (record.model, record.architecture) == (name, architecture)
    assert TrainingRecord().model is None
    assert TrainingRecord().architecture is None
