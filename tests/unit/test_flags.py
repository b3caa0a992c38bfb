"""The command line of the experiments, without a process."""

import dataclasses
import errno
import os
from pathlib import Path

import pytest
from absl import flags as absl_flags

from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction import flags
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.devices import DeviceUnavailableError
from keras_pvec.reproduction.experiment import NoRunsError, Outcome
from keras_pvec.reproduction.flags.program import exit_code
from keras_pvec.reproduction.imagenet import PretrainedConfig
from keras_pvec.reproduction.pretrained import WeightsUnavailableError
from keras_pvec.reproduction.reproduction_config import ReproductionConfig
from keras_pvec.reproduction.results import ResultsNotWrittenError
from keras_pvec.runs import RunConflictError


def parsed(define, *arguments):
    values = absl_flags.FlagValues()
    define(values)
    values(["program", *arguments])
    return values


def test_one_flag_for_each_setting():
    values = parsed(flags.define_experiment_flags)
    assert set(values) == {field.name for field in dataclasses.fields(ExperimentConfig)}
    assert flags.experiment_config(values) == ExperimentConfig()


def test_flags_become_settings():
    values = parsed(
        flags.define_experiment_flags,
        "--models=mlp,vgg16",
        "--seeds=2,0",
        "--log_freq=first_epoch:5",
        "--pooling=flatten",
        "--noaugment",
        "--notrain",
        "--learning_rate=0.5",
        "--layers=a,re:b.*",
        "--out_dir=out",
    )
    assert flags.experiment_config(values) == ExperimentConfig(
        models=("mlp", "vgg16"),
        seeds=(2, 0),
        log_freq={"first_epoch": 5},
        pooling=None,
        augment=False,
        train=False,
        learning_rate=0.5,
        layers=("a", "re:b.*"),
        out_dir=Path("out"),
    )


def test_flags_of_pretrained_networks():
    values = parsed(flags.define_imagenet_flags)
    assert flags.imagenet_config(values) == PretrainedConfig()
    values = parsed(flags.define_imagenet_flags, "--models=A,B", "--num_images=5")
    config = flags.imagenet_config(values)
    assert config == PretrainedConfig(networks=("A", "B"), num_images=5)
    assert set(config.flag_values()) == set(values)


def test_flags_of_a_reproduction():
    values = parsed(flags.define_reproduction_flags)
    assert flags.reproduction_config(values) == ReproductionConfig()
    values = parsed(
        flags.define_reproduction_flags,
        "--datasets=mnist,digits",
        "--only=C3",
        "--pretrained=A",
        "--epochs=2",
    )
    config = flags.reproduction_config(values)
    assert config.datasets == ("mnist", "digits")
    assert config.only == ("C3",)
    assert config.pretrained.networks == ("A",)
    assert config.experiment == ExperimentConfig(epochs=2)
    assert set(config.flag_values()) == set(values)


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--dataset=imagenet", "cifar100"),
        ("--preset=huge", "paper"),
        ("--split=validation", "test"),
        ("--epochs=many", "many"),
        ("--nonsense=1", "nonsense"),
    ],
)
def test_absl_refuses_what_cannot_be_parsed(argument, named):
    with pytest.raises(absl_flags.Error, match=named):
        parsed(flags.define_experiment_flags, argument)


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--learning_rate=nan", "learning_rate"),
        ("--learning_rate=1e400", "learning_rate"),
        ("--weight_decay=-inf", "weight_decay"),
        ("--runs_dir=", "runs_dir"),
        ("--out_dir=", "out_dir"),
        ("--data_dir=", "data_dir"),
        ("--seeds=4294967295", "4294967295"),
        ("--seeds=", "seeds"),
        ("--models=mlp-999999999999", "mlp-999999999999"),
        ("--epochs=100000000000000000000", "epochs"),
    ],
)
@pytest.mark.parametrize(
    ("define", "config_of"),
    [
        (flags.define_experiment_flags, flags.experiment_config),
        (flags.define_reproduction_flags, flags.reproduction_config),
    ],
)
def test_values_out_of_range_are_named(define, config_of, argument, named):
    values = parsed(define, argument)
    with pytest.raises(ConfigError, match=named):
        config_of(values)


@pytest.mark.parametrize("flag", ["out_dir", "data_dir", "images", "weights"])
def test_empty_paths_of_pretrained_networks_are_named(flag):
    values = parsed(flags.define_imagenet_flags, f"--{flag}=")
    with pytest.raises(ConfigError, match=flag):
        flags.imagenet_config(values)


def test_the_last_line_says_where_results_are(tmp_path, capsys):
    assert exit_code(lambda: Outcome(tmp_path)) == 0
    printed = capsys.readouterr()
    assert str(tmp_path) in printed.out.splitlines()[-1]
    assert not printed.err


def test_failures_are_told_beside_the_results(tmp_path, capsys):
    assert exit_code(lambda: Outcome(tmp_path, ["one", "two"])) == 1
    printed = capsys.readouterr()
    assert str(tmp_path) in printed.out.splitlines()[-1]
    assert [line[-3:] for line in printed.err.splitlines()] == ["one", "two"]


@pytest.mark.parametrize(
    "kind",
    [
        ConfigError,
        DatasetUnavailableError,
        DeviceUnavailableError,
        LayerChoiceError,
        NoRunsError,
        ResultsNotWrittenError,
        RunConflictError,
        WeightsUnavailableError,
    ],
)
def test_a_mistake_of_the_user_gets_one_line(kind, capsys):
    def experiment():
        raise kind("what to do")

    assert exit_code(experiment) == 1
    printed = capsys.readouterr()
    assert not printed.out
    (line,) = printed.err.splitlines()
    assert "what to do" in line


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (MemoryError(), "MemoryError"),
        (MemoryError("10 TiB"), "10 TiB"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), os.strerror(errno.ENOSPC)),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "a/b"),
    ],
    ids=str,
)
def test_what_the_machine_lacks_gets_one_line(error, named, capsys):
    def experiment():
        raise error

    assert exit_code(experiment) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def test_each_failed_run_gets_a_line(capsys):
    def experiment():
        raise NoRunsError("one failed\ntwo failed\nnone is left")

    assert exit_code(experiment) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_mistake_of_ours_keeps_its_traceback():
    def experiment():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exit_code(experiment)


def test_an_interrupted_program_ends_with_130():
    def experiment():
        raise KeyboardInterrupt

    assert exit_code(experiment) == 130


def test_arguments_that_are_no_flags_are_refused(tmp_path, capsys):
    assert exit_code(lambda: Outcome(tmp_path), ["cifar100"]) == 1
    assert "cifar100" in capsys.readouterr().err
