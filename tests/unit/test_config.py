"""The settings of an experiment: what is allowed, and how flags express it."""

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from keras_pvec.reproduction.config import MAX_SEED, ConfigError, ExperimentConfig
from keras_pvec.reproduction.flag_values import (
    config_from_flags,
    flags_from_config,
    parse_log_freq,
)
from keras_pvec.reproduction.model_names import MAX_SIZE
from keras_pvec.reproduction.training.references import TWIN_SEED_OFFSET

FULL = ExperimentConfig(
    dataset="cifar10",
    models=("mlp", "simclr"),
    preset="whole",
    data_dir="data",
    runs_dir=Path("a/runs"),
    out_dir=Path("out"),
    seeds=(3, 0),
    epochs=7,
    batch_size=64,
    train_samples=500,
    num_samples=100,
    split="test",
    data_matrix="input",
    readings="stored",
    log_freq=20,
    layers=("avg_pool", "re:block.*"),
    pooling=None,
    method="exact",
    optimizer="adam",
    learning_rate=0.01,
    weight_decay=0.0,
    augment=False,
    precision="mixed_float16",
    jit_compile=True,
    deterministic=True,
    distribute="mirrored",
    workers=2,
    cluster="ray",
    ray_address="auto",
    num_cpus=4,
    num_gpus=0.5,
    keep_weights=False,
    device="cpu",
    train=False,
)


def test_the_full_example_differs_from_the_defaults_everywhere():
    for field in dataclasses.fields(ExperimentConfig):
        default = getattr(ExperimentConfig(), field.name)
        assert getattr(FULL, field.name) != default, field.name


def test_values_have_one_type_however_they_are_given():
    config = ExperimentConfig(
        models=["mlp"], seeds=np.arange(2), runs_dir="runs", data_dir=Path("data")
    )
    assert config.models == ("mlp",)
    assert config.seeds == (0, 1)
    assert type(config.seeds[0]) is int
    assert config.runs_dir == Path("runs")
    assert config.data_dir == "data"


def test_it_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.dataset = "mnist"


@pytest.mark.parametrize("config", [ExperimentConfig(), FULL], ids=["default", "full"])
def test_workers_get_an_equal_copy(config):
    assert pickle.loads(pickle.dumps(config)) == config


def test_results_of_data_sets_are_apart():
    assert ExperimentConfig().results_dir == Path("results/digits")
    assert ExperimentConfig(dataset="mnist").results_dir == Path("results/mnist")
    assert FULL.results_dir == Path("out")


@pytest.mark.parametrize(
    ("preset", "keep", "kept"),
    [
        ("small", None, False),
        ("whole", None, True),
        ("paper", None, True),
        ("small", True, True),
        ("paper", False, False),
    ],
)
def test_weights_are_kept_by_preset(preset, keep, kept):
    config = ExperimentConfig(preset=preset, keep_weights=keep)
    assert config.keeps_weights is kept


# Each value must be named by the error about it, next to what is allowed.
@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("dataset", "imagenet", ["imagenet", "cifar100"]),
        ("models", ("mlp", "alexnet"), ["alexnet", "mlp"]),
        ("models", ("mlp", "mlp"), ["mlp"]),
        ("models", (), ["()"]),
        ("models", "mlp", ["'mlp'"]),
        ("preset", "huge", ["huge", "small", "whole", "paper"]),
        ("seeds", (), ["()"]),
        ("seeds", (0, 0), ["(0, 0)"]),
        ("seeds", (-1,), ["-1"]),
        ("seeds", (0.5,), ["0.5"]),
        ("seeds", ("0",), ["'0'"]),
        ("seeds", 3, ["3"]),
        ("epochs", 0, ["0", "1"]),
        ("epochs", 1.5, ["1.5"]),
        ("epochs", True, ["True"]),
        ("batch_size", 0, ["0", "1"]),
        ("train_samples", 1, ["1", "2"]),
        ("num_samples", 1, ["1", "2"]),
        ("split", "validation", ["validation", "train", "test"]),
        ("data_matrix", "raw", ["raw", "input"]),
        ("log_freq", "sometimes", ["sometimes", "first_epoch"]),
        ("log_freq", 0, ["0"]),
        ("log_freq", {"first_epoch": 0}, ["0"]),
        ("log_freq", {"last_epoch": 1}, ["last_epoch"]),
        ("layers", (), ["()"]),
        ("pooling", "max", ["max", "avg"]),
        ("method", "svd", ["svd", "exact"]),
        ("optimizer", "lars", ["lars", "sgd", "adam"]),
        ("learning_rate", 0.0, ["0.0"]),
        ("learning_rate", float("nan"), ["nan"]),
        ("learning_rate", float("inf"), ["inf"]),
        ("learning_rate", -1.0, ["-1.0"]),
        ("learning_rate", "0.1", ["'0.1'"]),
        ("weight_decay", -0.1, ["-0.1"]),
        ("weight_decay", float("nan"), ["nan"]),
        ("weight_decay", float("inf"), ["inf"]),
        ("runs_dir", "", ["''"]),
        ("runs_dir", " ", ["' '"]),
        ("runs_dir", "a\0b", ["runs_dir"]),
        ("out_dir", "", ["''"]),
        ("data_dir", "", ["''"]),
        ("models", ("mlp_999999999999x3",), ["mlp_999999999999x3", str(MAX_SIZE)]),
        ("models", ("mlp-" + "9" * 5000,), [str(MAX_SIZE)]),
        ("seeds", (MAX_SEED + 1,), [str(MAX_SEED + 1), str(MAX_SEED)]),
        ("epochs", 10**20, [str(10**20)]),
        ("batch_size", 2**31, [str(2**31)]),
        ("log_freq", 10**20, [str(10**20)]),
        ("precision", "float64", ["float64", "mixed_bfloat16"]),
        ("distribute", "tpu", ["tpu", "mirrored"]),
        ("workers", 0, ["0", "1"]),
        ("cluster", "slurm", ["slurm", "ray"]),
        ("num_cpus", 0, ["0", "1"]),
        ("num_gpus", -1.0, ["-1.0"]),
        ("num_gpus", 1.5, ["1.5"]),
        ("device", "tpu", ["tpu", "gpu"]),
    ],
)
def test_what_is_not_allowed_is_named(name, value, named):
    with pytest.raises(ConfigError) as error:
        ExperimentConfig(**{name: value})
    assert all(word in str(error.value) for word in named)


def test_the_largest_seed_is_one_that_numpy_takes_for_the_untrained_twin_too():
    ExperimentConfig(seeds=(MAX_SEED,))
    np.random.RandomState(MAX_SEED + TWIN_SEED_OFFSET)
    with pytest.raises(ValueError, match=r"2\*\*32"):
        np.random.RandomState(MAX_SEED + TWIN_SEED_OFFSET + 1)


@pytest.mark.parametrize("config", [ExperimentConfig(), FULL], ids=["default", "full"])
def test_flags_express_every_setting(config):
    values = flags_from_config(config)
    assert set(values) == {field.name for field in dataclasses.fields(config)}
    # As they come back from `flags.json`.
    assert config_from_flags(json.loads(json.dumps(values))) == config


def test_flags_of_single_experiments_are_ignored():
    values = flags_from_config(FULL) | {"only": ["C1"], "weights": "none"}
    assert config_from_flags(values) == FULL


def test_a_missing_flag_has_its_default():
    assert config_from_flags({"epochs": 3}) == ExperimentConfig(epochs=3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("epoch", "epoch"),
        ("20", 20),
        ("first_epoch:1", {"first_epoch": 1}),
        ("first_epoch:20", {"first_epoch": 20}),
    ],
)
def test_log_freq_is_parsed(text, value):
    assert parse_log_freq(text) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_freq", "sometimes"),
        ("log_freq", "last_epoch:1"),
        ("log_freq", "first_epoch:0"),
        ("log_freq", "first_epoch:x"),
        ("log_freq", "0"),
        ("seeds", ["a"]),
        ("seeds", ["0", "00"]),
        ("seeds", ["-1"]),
        ("pooling", "max"),
    ],
)
def test_text_that_expresses_nothing_is_an_error(name, value):
    with pytest.raises(ConfigError, match=name):
        config_from_flags({name: value})
