"""What the training of a run noted about itself, read from its `run.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_pvec.runs import Run, RunInfo


@dataclasses.dataclass(frozen=True)
class TrainingRecord:
    """The entries that a training writes into `run.json`; empty where there are none.

    Attributes:
        settings: The `RunSettings` of the run, as JSON.
        status: `"running"` or `"finished"`.
        evaluation: Loss and metrics after the last epoch, by split.
        linear_accuracy: Accuracy of a linear classifier on the features, `untrained`
            and `trained`; of networks without labels.
        training_quality: The fields of `TrainingQuality`.
        n_parameters: Number of trainable parameters.
        n_train: Number of training images.
        n_cores: Cores that the run was trained on.
        wall_time_s: Seconds of training.
        git_revision: Revision of the code.
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
    def of(cls, source: Run | RunInfo) -> TrainingRecord:
        """The record of a run, or of the content of its `run.json`."""
        notes = (source.info if isinstance(source, Run) else source).notes
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in notes.items() if name in known})

    @property
    def model(self) -> str | None:
        """Name of the model."""
        return self.settings.get("model")

    @property
    def seed(self) -> int | None:
        return self.settings.get("seed")

    @property
    def variant(self) -> str:
        """`""`, or which variant of the generalization study this is."""
        return self.settings.get("variant", "")
