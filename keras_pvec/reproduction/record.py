"""What analysis asks of a run, and what a training notes about it in `run.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.reproduction.model_names import parse_model_name, stored_model_name
from keras_pvec.runs import DamagedRunError, Moment, RunInfo

if TYPE_CHECKING:
    import pandas


class LoggedRun(Protocol):
    """What the analysis of a run asks of it: a `keras_pvec.runs.Run`, or one that is
    seen under another reading. Members are those of `Run`."""

    @property
    def path(self) -> Path: ...

    @property
    def info(self) -> RunInfo: ...

    @property
    def log(self) -> pandas.DataFrame: ...

    @property
    def samples(self) -> dict[str, np.ndarray]: ...

    @property
    def moments(self) -> list[Moment]: ...

    @property
    def layers(self) -> list[str]: ...

    def on(self, split: str) -> LoggedRun: ...

    def p_vectors(self, moment: Moment) -> dict[str, PVector]: ...

    def p_vector(
        self, epoch: int | str = "final", layer: str | None = None
    ) -> PVector: ...

    def angles(
        self, to: str | int | PVector = "final", layer: str | None = None
    ) -> pandas.DataFrame: ...


@dataclasses.dataclass(frozen=True)
class TrainingRecord:
    """The entries that a training writes to `run.json`; empty if there are none.

    Attributes:
        settings: The `RunSettings` of the run, as JSON.
        status: `"running"` or `"finished"`.
        evaluation: Loss and metrics after the last epoch, by split.
        linear_accuracy: Accuracy of a linear classifier on the features of a network
            trained without labels, `untrained` and `trained`.
        training_quality: The fields of `TrainingQuality`.
        n_parameters: Number of trainable parameters.
        n_train: Number of training images.
        n_cores: Number of cores that the training could use.
        wall_time_s: Duration of the training, in seconds.
        git_revision: Revision of the code that trained it.
    """

    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    status: str | None = None
    evaluation: Mapping[str, Mapping[str, float]] = dataclasses.field(
        default_factory=dict
    )
    linear_accuracy: Mapping[str, float] = dataclasses.field(default_factory=dict)
    training_quality: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    n_parameters: int | None = None
    n_train: int | None = None
    n_cores: int | None = None
    wall_time_s: float = 0.0
    git_revision: str | None = None

    @classmethod
    def of(cls, source: LoggedRun | RunInfo) -> TrainingRecord:
        """The record of a run, or of the content of its `run.json`.

        Raises:
            DamagedRunError: An entry has the wrong type.
        """
        if isinstance(source, RunInfo):
            notes, path = source.notes, Path("run.json")
        else:
            notes, path = source.info.notes, source.path / "run.json"
        known = {field.name for field in dataclasses.fields(cls)}
        entries = {name: value for name, value in notes.items() if name in known}
        if (wrong := _wrong_entry(entries)) is not None:
            raise DamagedRunError(path, f"its entry `{wrong}` has the wrong type")
        return cls(**entries)

    @property
    def model(self) -> str | None:
        """Canonical name of the network, even if the run stored an older name."""
        name = self.settings.get("model")
        if name is None:
            return None
        return stored_model_name(name, self.settings.get("model_options") or {})

    @property
    def architecture(self) -> str | None:
        """Architecture of the network, without its sizes, such as `"wide_resnet"`."""
        name = self.settings.get("model")
        try:
            return None if name is None else parse_model_name(name).architecture
        except ValueError:
            return name  # not a network of this package

    @property
    def seed(self) -> int | None:
        return self.settings.get("seed")

    @property
    def backend(self) -> str:
        """The Keras backend. Earlier versions trained on TensorFlow only."""
        return self.settings.get("backend", "tensorflow")

    @property
    def variant(self) -> str:
        """Name of the variant in the generalization study; else empty."""
        return self.settings.get("variant", "")


def _wrong_entry(entries: Mapping[str, Any]) -> str | None:
    """Name of the first entry of a `run.json` that has the wrong type."""
    for name, value in entries.items():
        if not _IS_VALID[name](value):
            return name
    settings = entries.get("settings", {})
    for name, is_valid in _IS_VALID_SETTING.items():
        if name in settings and not is_valid(settings[name]):
            return f"settings.{name}"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _are_numbers_by_split(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_numbers, value.values()))


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_IS_VALID: Mapping[str, Callable[[Any], bool]] = {
    "settings": _is_mapping,
    "status": _is_text_or_none,
    "evaluation": _are_numbers_by_split,
    "linear_accuracy": _are_numbers,
    "training_quality": _is_mapping,
    "n_parameters": _is_count,
    "n_train": _is_count,
    "n_cores": _is_count,
    "wall_time_s": _is_number,
    "git_revision": _is_text_or_none,
}
_IS_VALID_SETTING: Mapping[str, Callable[[Any], bool]] = {
    "model": _is_text_or_none,
    "model_options": lambda value: value is None or _is_mapping(value),
    "seed": _is_count,
    "variant": _is_text,
    "backend": _is_text,
    "layers": _are_names,
    "num_samples": _are_numbers,
    "recipe": _is_mapping,
}
