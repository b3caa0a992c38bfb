"""Checkpoints from which an interrupted training resumes.

```
checkpoint_0012-1f0c5e8a9b7d4c36.npz     all state after 12 epochs
```

The name of a checkpoint contains the first digits of its SHA-256, so a file and its
checksum cannot be separated.
"""

from __future__ import annotations

import hashlib
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_pvec.reproduction.backends import backend
from keras_pvec.reproduction.training.weights import (
    assign_npz,
    npz_of,
    random_state_in,
)
from keras_pvec.runs import DamagedRunError, RunFolder, replace_file

_CHECKPOINT = re.compile(r"^checkpoint_(\d+)-([0-9a-f]{16})\.npz$")
# The second to last is used if the last one is damaged.
_CHECKPOINTS_KEPT = 2


class DamagedCheckpointError(DamagedRunError):
    """No checkpoint of a run matches its checksum."""


class Checkpoint(NamedTuple):
    """A stored state. Checkpoints sort in time.

    Attributes:
        epochs: Number of finished epochs.
        path: The file.
        checksum: First digits of the SHA-256 that the file should have.
    """

    epochs: int
    path: Path
    checksum: str

    def is_intact(self) -> bool:
        """Whether the file can be read and matches its checksum."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return False
        return _checksum(content) == self.checksum


class CheckpointWriter(keras.callbacks.Callback):
    """Saves weights, optimizer and random seeds at the end of each epoch.

    Place it after the callbacks that log, so that the rows of an epoch are written
    before the checkpoint that makes them final.

    Args:
        folder: The run.
        started: Time at which this process started the run, as from `time.monotonic`,
            in seconds.
        earlier_s: Seconds of training before that.
    """

    def __init__(self, folder: RunFolder, started: float, earlier_s: float) -> None:
        super().__init__()
        self._folder = folder
        self._started = started
        self._earlier_s = earlier_s

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        newest = save_checkpoint(self.model, self._folder, epoch + 1)
        elapsed = time.monotonic() - self._started
        self._folder.note(wall_time_s=round(self._earlier_s + elapsed, 1))
        for checkpoint in checkpoints(self._folder)[:-_CHECKPOINTS_KEPT]:
            if checkpoint.path != newest:
                checkpoint.path.unlink()


class RandomStateRestorer(keras.callbacks.Callback):
    """Restores the state of the framework's random generators at the first batch.

    Not earlier: on PyTorch, `fit` draws from them when it starts to read batches.

    Args:
        state: The state, as from `stored_random_state`.
    """

    def __init__(self, state: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self._state: Mapping[str, np.ndarray] | None = state

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self._state is not None:
            backend().set_random_state(self._state)
            self._state = None


def stored_random_state(folder: RunFolder, epochs: int) -> dict[str, np.ndarray]:
    """The random state after some epochs; empty on backends whose generators belong to
    the model, and if there is no such checkpoint."""
    for checkpoint in checkpoints(folder):
        if checkpoint.epochs == epochs:
            return random_state_in(checkpoint.path)
    return {}


def checkpoints(folder: RunFolder) -> list[Checkpoint]:
    """The checkpoints of a run, oldest first."""
    matches = (
        (path, _CHECKPOINT.match(path.name))
        for path in folder.path.glob("checkpoint_*")
    )
    return sorted(
        Checkpoint(int(match[1]), path, match[2])
        for path, match in matches
        if match is not None
    )


def save_checkpoint(model: keras.Model, folder: RunFolder, epochs: int) -> Path:
    """Saves the complete state of a model after some epochs; returns the file."""
    content = npz_of(_state(model), random_state=backend().random_state())
    path = folder.path / f"checkpoint_{epochs:04d}-{_checksum(content)}.npz"
    replace_file(path, content)
    return path


def restore_checkpoint(model: keras.Model, folder: RunFolder) -> int:
    """Restores the newest checkpoint that is intact.

    Those that are skipped are noted in `run.json` as `damaged_checkpoints`.

    Returns:
        The number of finished epochs; 0 if there is no checkpoint.

    Raises:
        DamagedCheckpointError: Checkpoints exist, but none is intact.
        DamagedRunError: The checkpoint belongs to another model.
    """
    found = checkpoints(folder)
    skipped: list[str] = []
    for checkpoint in reversed(found):
        if checkpoint.is_intact():
            assign_npz(_state(model), checkpoint.path)
            if skipped:
                noted = folder.read_info().notes.get("damaged_checkpoints", [])
                folder.note(damaged_checkpoints=sorted({*noted, *skipped}))
            return checkpoint.epochs
        skipped.append(checkpoint.path.name)
        warnings.warn(
            f"{checkpoint.path} is skipped: it is damaged (its content does not match "
            "the checksum in its name).",
            stacklevel=2,
        )
    if found:
        names = ", ".join(checkpoint.path.name for checkpoint in found)
        raise DamagedCheckpointError(
            found[-1].path,
            f"all checkpoints in {folder.path} are damaged: {names}",
            "Restore one from a backup, or delete them to train the run from the "
            "beginning.",
        )
    return 0


def remove_checkpoints(folder: RunFolder) -> None:
    """Removes the checkpoints of a run; only an unfinished run needs them."""
    for checkpoint in checkpoints(folder):
        checkpoint.path.unlink()


def _state(model: keras.Model) -> list[keras.Variable]:
    """Weights, random seeds and the variables of the optimizer.

    Metrics are reset at the start of each epoch and are not part of the state.
    """
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [v for v in model.variables if id(v) not in metrics]
    return [*own, *model.optimizer.variables]


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
