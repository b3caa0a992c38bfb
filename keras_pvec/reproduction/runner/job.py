"""A run that an experiment needs, and why there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import ImageDataSpec


@dataclasses.dataclass(frozen=True)
class Job:
    """A run that an experiment needs. It holds no arrays, so its pickle is small.

    Attributes:
        settings: What to train.
        path: Folder of the run.
        data: The images.
        reference: Accuracy that a well-trained network of that size reaches, if known.
    """

    settings: training.RunSettings
    path: Path
    data: ImageDataSpec
    reference: training.ReferenceAccuracy | None = None

    @property
    def name(self) -> str:
        """A short description for the progress bar."""
        settings = self.settings
        model = " ".join([settings.dataset, settings.model, settings.variant]).strip()
        return f"{model}, seed {settings.seed}"

    @property
    def traceback_path(self) -> Path:
        """File for the traceback of a failure, next to the folder of the run."""
        return self.path.with_name(f"{self.path.name}_error.txt")


@dataclasses.dataclass(frozen=True)
class RunFailure:
    """A run that could not be finished.

    Attributes:
        path: Folder of the run.
        reason: The error, in one line.
        traceback_path: File with the full traceback; `None` if none could be written.
    """

    path: Path
    reason: str
    traceback_path: Path | None = None

    def __str__(self) -> str:
        text = f"{self.path} failed ({self.reason})"
        if self.traceback_path is None:
            return f"{text}. The same command resumes it after its last finished epoch."
        return f"{text}; full traceback in {self.traceback_path}."


@dataclasses.dataclass(frozen=True)
class DamagedRun:
    """A stored run that cannot be read as a whole, so that it is left out.

    Attributes:
        path: Folder of the run.
        reason: Which file is damaged, and how, in one line.
        part: The folder to delete so that its content is computed again; `None` for
            that of the run.
    """

    path: Path
    reason: str
    part: Path | None = None

    def __str__(self) -> str:
        return (
            f"{self.path} is damaged and left out ({self.reason}). Restore the file "
            f"from a copy, or delete {self.part or 'the folder'} and run the same "
            "command to compute it again."
        )
