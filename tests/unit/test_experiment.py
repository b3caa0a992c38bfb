"""Errors that an experiment finds before it trains, and that they leave nothing."""

import dataclasses
import socket
import urllib.request

import pytest
from planned_runs import write_planned_run

from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction import training
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.experiment import (
    NoRunsError,
    experiment_folders,
    run_study,
)
from keras_pvec.reproduction.planner import plan_runs
from keras_pvec.reproduction.reproduce import reproduce
from keras_pvec.reproduction.reproduction_config import ReproductionConfig
from keras_pvec.reproduction.runner import stored_runs
from keras_pvec.reproduction.studies import STUDIES

N_TRAIN = 1437  # digits


@pytest.fixture
def config(tmp_path):
    return ExperimentConfig(
        models=("mlp",), runs_dir=tmp_path / "runs", out_dir=tmp_path / "out"
    )


def offline(*_, **__):
    raise OSError("offline")


@pytest.mark.parametrize(
    ("settings", "kind", "named"),
    [
        ({"num_samples": 99999}, ConfigError, "99999"),
        ({"train_samples": 99999}, ConfigError, str(N_TRAIN)),
        ({"layers": ("nope",)}, LayerChoiceError, "nope"),
        ({"models": ("simclr",), "augment": False}, ConfigError, "simclr"),
        ({"train": False}, NoRunsError, "runs"),
    ],
    ids=str,
)
def test_errors_come_before_training_and_leave_no_runs(settings, kind, named, config):
    config = dataclasses.replace(config, **settings)
    with pytest.raises(kind, match=named):
        run_study(config, "convergence")
    assert not config.runs_dir.exists()


def test_a_data_set_that_is_nowhere(config, tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    config = dataclasses.replace(
        config, dataset="fashion_mnist", data_dir=tmp_path / "none"
    )
    with pytest.raises(DatasetUnavailableError, match="fashion_mnist"):
        run_study(config, "convergence")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("setting", ["runs_dir", "out_dir"])
def test_a_folder_that_cannot_be_written_to(setting, config, tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    config = dataclasses.replace(config, **{setting: tmp_path / "file" / "inner"})
    with pytest.raises(ConfigError, match="file"):
        run_study(config, "convergence")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("setting", ["runs_dir", "out_dir"])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000], ids=len)
def test_a_folder_with_a_name_that_is_too_long(setting, train, name, config, tmp_path):
    config = dataclasses.replace(config, train=train, **{setting: tmp_path / name})
    with pytest.raises(ConfigError, match=setting):
        run_study(config, "convergence")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("setting", ["runs_dir", "out_dir"])
@pytest.mark.parametrize("inner", ["", "inner"])
def test_a_link_to_nothing_in_place_of_a_folder(setting, inner, config, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    config = dataclasses.replace(config, **{setting: link / inner})
    with pytest.raises(ConfigError, match=str(link)):
        run_study(config, "convergence")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_model_that_does_not_fit_into_memory_does_not_stop_the_plan(
    config, monkeypatch
):
    """Its training will fail and say so; the other models are trained."""

    def check_layers(settings, data):
        tried.append(settings.model)
        if settings.model == "mlp_10000x3":
            raise MemoryError

    tried = []
    monkeypatch.setattr(training, "check_layers", check_layers)
    config = dataclasses.replace(config, models=("mlp_10000x3", "resnet18"))
    study = STUDIES["convergence"]
    jobs = plan_runs(config, {study: config.models})[study]
    assert [job.settings.model for job in jobs] == tried == [*config.models]


def test_finished_runs_may_be_on_a_read_only_disk(config, monkeypatch):
    study = STUDIES["convergence"]
    jobs = plan_runs(config, {study: ["mlp"]})[study]
    assert config.runs_dir in experiment_folders(config, [study], jobs)
    for job in jobs:
        write_planned_run(job)
    assert config.runs_dir not in experiment_folders(config, [study], jobs)
    config = dataclasses.replace(config, train=False, runs_dir="nowhere")
    jobs = plan_runs(config, {study: ["mlp"]})[study]
    assert config.runs_dir not in experiment_folders(config, [study], jobs)


def test_reading_finished_runs_leaves_no_trace(config):
    config = dataclasses.replace(config, epochs=1, num_samples=8, train_samples=16)
    study = STUDIES["convergence"]
    jobs = plan_runs(config, {study: ["mlp"]})[study]
    for job in jobs:
        write_planned_run(job)
    before = sorted(config.runs_dir.rglob("*"))
    assert len(stored_runs(jobs).runs) == 1
    assert sorted(config.runs_dir.rglob("*")) == before


def test_a_reproduction_finds_the_errors_of_all_its_data_sets_first(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    config = dataclasses.replace(config, data_dir=tmp_path / "none")
    reproduction = ReproductionConfig(
        config, datasets=("digits", "fashion_mnist"), only=("C3",)
    )
    with pytest.raises(DatasetUnavailableError, match="fashion_mnist"):
        reproduce(reproduction)
    assert not any(tmp_path.iterdir())
