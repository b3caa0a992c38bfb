"""Errors that an experiment finds before it trains, and that they leave nothing."""

import dataclasses
import socket
import urllib.request

import pytest

from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.experiment import NoRunsError, run_study
from keras_pvec.reproduction.reproduce import reproduce
from keras_pvec.reproduction.reproduction_config import ReproductionConfig

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
