"""The settings of an experiment as one frozen dataclass."""

from __future__ import annotations

import dataclasses
import math
import operator
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, TypeGuard

import numpy as np

from keras_pvec.reproduction.backends import DISTRIBUTIONS
from keras_pvec.reproduction.claims import ReadingChoice
from keras_pvec.reproduction.data import DATASETS, SPLITS
from keras_pvec.reproduction.devices import DEVICES
from keras_pvec.reproduction.model_names import parse_model_name
from keras_pvec.reproduction.studies import DATA_MATRICES
from keras_pvec.reproduction.training import PRESETS
from keras_pvec.reproduction.training.references import TWIN_SEED_OFFSET

METHODS = ("fast", "exact")
OPTIMIZERS = ("sgd", "adam")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
CLUSTERS = ("none", "ray")
POOLINGS = ("avg", None)
READINGS = tuple(choice.value for choice in ReadingChoice)
# NumPy's generators take seeds below 2**32, also for the untrained twin of a run.
MAX_SEED = 2**32 - 1 - TWIN_SEED_OFFSET
# Above this, TensorFlow and NumPy cannot represent the number.
_MAX_INTEGER = 2**31 - 1

LogFreq = str | int | Mapping[str, int]


class ConfigError(ValueError):
    """Invalid or contradictory settings. The message addresses the user."""


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """All settings that the experiments share. `None` means the default of the preset,
    the study or the model.

    Sequences become tuples and folders become `Path` objects.

    Attributes:
        dataset: One of `data.DATASETS`.
        models: Model names as in `parse_model_name`; `None` for those of the study.
        preset: A key of `training.PRESETS`. Other settings override it.
        data_dir: Folder of tensorflow-datasets, as in `load_data`.
        runs_dir: Folder of trained runs, which later experiments reuse.
        out_dir: Folder of tables and figures; `None` for `results/<dataset>`.
        seeds: Seeds; there is one run per model and seed.
        epochs: Epochs to train.
        batch_size: Images per update.
        train_samples: Number of training images.
        num_samples: Samples of each split that P-vectors are computed on.
        split: Samples to analyse, `"train"` or `"test"`.
        readings: The readings under which claims are rated: `"primary"` (and the
            column-centred one), `"stored"` for all that stored P-vectors allow, or
            `"all"`, for which stored weights are measured again.
        data_matrix: The raw data: `"data"` for pixels in [0, 1], `"input"` for the
            standardized input of the networks.
        log_freq: As in `PVectorLogger`: `"epoch"`, a number of steps, or
            `{"first_epoch": steps}`.
        layers: Layers to watch, the analysed one first.
        pooling: As in `PVectorLogger`: `"avg"`, or `None` to flatten feature maps.
        method: As in `PVectorLogger`: `"fast"` or `"exact"`.
        optimizer: `"sgd"` or `"adam"`.
        learning_rate: Initial learning rate.
        weight_decay: Coefficient of the L2 penalty.
        augment: Whether to augment training images.
        precision: Keras's dtype policy.
        jit_compile: Whether to train under XLA.
        deterministic: Whether training must be reproducible bit for bit.
        distribute: `"none"`, or how each batch is shared among all accelerators of
            this machine: `"mirrored"` on TensorFlow, `"data_parallel"` on JAX.
        workers: Number of runs that are trained at the same time.
        cluster: `"none"` for this machine, or `"ray"` for a Ray cluster.
        ray_address: As in `RayCluster`.
        num_cpus: CPU cores of each run on a cluster.
        num_gpus: GPUs of each run on a cluster, also a fraction of one.
        keep_weights: Whether to keep the weights of about ten moments of each run.
        device: `"auto"`, `"cpu"` or `"gpu"`.
        train: Whether to train missing runs.

    Raises:
        ConfigError: A value that is not allowed.

    Example:

    ```python
    config = ExperimentConfig(dataset="digits", models=("mlp",), seeds=(0, 1))
    run_study(config, "convergence")
    ```
    """

    dataset: str = "digits"
    models: tuple[str, ...] | None = None
    preset: str = "small"
    data_dir: str | None = None
    runs_dir: Path = Path("runs")
    out_dir: Path | None = None
    seeds: tuple[int, ...] = (0,)
    epochs: int | None = None
    batch_size: int = 128
    train_samples: int | None = None
    num_samples: int | None = None
    split: str = "train"
    data_matrix: str = "data"
    readings: str = "primary"
    log_freq: LogFreq = dataclasses.field(default_factory=lambda: {"first_epoch": 1})
    layers: tuple[str, ...] | None = None
    pooling: str | None = "avg"
    method: str = "fast"
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    augment: bool | None = None
    precision: str = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    distribute: str = "none"
    workers: int = 1
    cluster: str = "none"
    ray_address: str | None = None
    num_cpus: int = 1
    num_gpus: float = 0.0
    keep_weights: bool | None = None
    device: str = "auto"
    train: bool = True

    def __post_init__(self) -> None:
        for name, convert in (
            ("models", as_names),
            ("layers", as_names),
            ("seeds", _as_integers),
        ):
            convert_field(self, name, convert)
        for name in ("runs_dir", "out_dir", "data_dir"):
            check_folder(name, getattr(self, name))
        convert_field(self, "runs_dir", Path)
        convert_field(self, "out_dir", Path)
        convert_field(self, "data_dir", str)
        for name, choices in (
            ("dataset", DATASETS),
            ("preset", PRESETS),
            ("split", SPLITS),
            ("data_matrix", DATA_MATRICES),
            ("readings", READINGS),
            ("pooling", POOLINGS),
            ("method", METHODS),
            ("optimizer", (None, *OPTIMIZERS)),
            ("precision", PRECISIONS),
            ("distribute", DISTRIBUTIONS),
            ("cluster", CLUSTERS),
            ("device", DEVICES),
        ):
            check_choice(name, getattr(self, name), choices)
        for name in ("batch_size", "workers", "num_cpus", "num_gpus"):
            check(
                name, getattr(self, name), getattr(self, name) is not None, "a number"
            )
        for name, minimum in (
            ("epochs", 1),
            ("batch_size", 1),
            ("train_samples", 2),
            ("num_samples", 2),
            ("workers", 1),
            ("num_cpus", 1),
        ):
            check_integer(name, getattr(self, name), minimum)
        _check_number("learning_rate", self.learning_rate, allow_zero=False)
        _check_number("weight_decay", self.weight_decay, allow_zero=True)
        _check_number("num_gpus", self.num_gpus, allow_zero=True)
        check(
            "num_gpus",
            self.num_gpus,
            self.num_gpus <= 1 or float(self.num_gpus).is_integer(),
            "a whole number, or a fraction of one",
        )
        check(
            "seeds",
            self.seeds,
            _are_distinct(self.seeds)
            and min(self.seeds) >= 0
            and max(self.seeds) <= MAX_SEED,
            f"distinct integers from 0 to {MAX_SEED}, at least one",
        )
        check(
            "log_freq",
            self.log_freq,
            _is_log_freq(self.log_freq),
            "'epoch', a positive integer, or {'first_epoch': a positive integer}",
        )
        check("layers", self.layers, self.layers != (), "at least one layer")
        if self.models is not None:
            _check_models(self.models)

    @property
    def results_dir(self) -> Path:
        """Folder of the results, which holds one folder for each study."""
        return self.out_dir or Path("results", self.dataset)

    @property
    def title(self) -> str:
        """Data set and preset, for the headings of figures and reports."""
        return f"{self.dataset}, preset {self.preset}"

    @property
    def keeps_weights(self) -> bool:
        """`keep_weights`, or its default: every preset except `"small"` keeps them, and
        so does an experiment under all readings."""
        if self.keep_weights is not None:
            return self.keep_weights
        return self.preset != "small" or self.readings == ReadingChoice.ALL.value


def check(name: str, value: object, is_valid: bool, expected: str) -> None:
    """Raises `ConfigError` for a setting that is not valid.

    Args:
        name: Name of the setting.
        value: What was received.
        is_valid: Whether it is allowed.
        expected: The allowed values, as a phrase that follows "must be".
    """
    if not is_valid:
        raise ConfigError(f"`{name}` must be {expected}. Received: {value!r}")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raises `ConfigError` unless the value of a setting is one of `choices`."""
    listed = ", ".join(map(repr, choices))
    check(name, value, value in tuple(choices), f"one of {listed}")


def check_integer(name: str, value: object, minimum: int) -> None:
    """Raises `ConfigError` unless a setting is `None` or an integer >= `minimum`."""
    is_valid = value is None or (
        _is_integer(value) and minimum <= value <= _MAX_INTEGER
    )
    check(name, value, is_valid, f"an integer from {minimum} to {_MAX_INTEGER}")


def check_folder(name: str, value: object) -> None:
    """Raises `ConfigError` for a path that is empty or that no system accepts; an empty
    one would stand for the current folder."""
    is_valid = value is None or (
        isinstance(value, (str, os.PathLike))
        and bool(os.fspath(value).strip())
        and "\0" not in os.fspath(value)
    )
    check(name, value, is_valid, "the path of a folder, '.' for the current one")


def convert_field(config: object, name: str, convert: Callable[[Any], Any]) -> None:
    """Converts a field of a frozen dataclass in place, unless it is `None`; for use in
    `__post_init__`."""
    value = getattr(config, name)
    if value is not None:
        object.__setattr__(config, name, convert(value))


def as_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names as a tuple.

    Raises:
        ConfigError: Not a sequence of strings, or a single string, whose letters would
            be taken for names.
    """
    are_names = isinstance(names, Iterable) and not isinstance(names, str)
    if not are_names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"Expected a sequence of names, such as ('mlp',). Received: {names!r}"
        )
    return tuple(names)


def _as_integers(values: Iterable[SupportsIndex]) -> tuple[int, ...]:
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError as error:
        raise ConfigError(
            f"Expected a sequence of integers, such as (0, 1). Received: {values!r}"
        ) from error


def _check_number(name: str, value: object, *, allow_zero: bool) -> None:
    """Raises `ConfigError` unless a setting is `None` or a finite number, positive or
    zero."""
    is_valid = value is None or (
        isinstance(value, (int, float, np.floating))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (float(value) > 0 or (allow_zero and float(value) == 0))
    )
    expected = "zero or a positive number" if allow_zero else "a positive number"
    check(name, value, is_valid, f"{expected}, and finite")


def _check_models(names: Sequence[str]) -> None:
    is_valid = _are_distinct(names)
    check("models", names, is_valid, "distinct model names, at least one")
    for name in names:
        try:
            parse_model_name(name)
        except ValueError as error:
            raise ConfigError(str(error)) from error


def _is_log_freq(value: object) -> bool:
    if isinstance(value, Mapping):
        return list(value) == ["first_epoch"] and _is_log_freq_steps(*value.values())
    return value == "epoch" or _is_log_freq_steps(value)


def _is_log_freq_steps(value: object) -> bool:
    return _is_integer(value) and 1 <= value <= _MAX_INTEGER


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_distinct(values: Collection[object]) -> bool:
    return bool(values) and len(set(values)) == len(values)
