"""Checkpoints to resume from, and the weights of chosen moments to measure again.

```
checkpoint_0012-1f0c5e8a9b7d4c36.npz     all state after 12 epochs
weights/epoch_0003_step_00001564.npz     weights alone, at one moment
```

A checkpoint carries the first digits of its SHA-256 in its name, so that neither can be
there without the other. The members of an `.npz` file have a checksum each. Arrays are
put together in memory and written as one piece: HDF5, in which Keras saves weights,
crashes the process when the disk is full.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import time
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_pvec.runs import (
    Moment,
    RunFolder,
    read_arrays,
    write_atomically,
)

_CHECKPOINT = re.compile(r"^checkpoint_(\d+)-([0-9a-f]{16})\.npz$")
# A damaged one is not to cost a training, so the one before is kept as well.
_CHECKPOINTS_KEPT = 2


class DamagedCheckpointError(RuntimeError):
    """A stored state does not match its checksum, and there is no other one."""


class CheckpointWriter(keras.callbacks.Callback):
    """Saves weights, optimizer and seeds after each epoch, once its rows are written.

    The file is named by the number of finished epochs and appears whole, so the newest
    one is always one to resume from.

    Args:
        folder: The run.
        started: When this process began with it, by `time.monotonic`.
        earlier_s: Seconds that others spent on it before.
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
        for _, path in checkpoints(self._folder)[:-_CHECKPOINTS_KEPT]:
            if path != newest:
                path.unlink()


class WeightKeeper(keras.callbacks.Callback):
    """Keeps the weights of some moments in the run's `weights/`.

    Args:
        folder: The run.
        moments: Which ones; `weight_moments` chooses well.
        first_epoch: The epoch that the training starts with.
        steps: Updates per epoch.
    """

    def __init__(
        self,
        folder: RunFolder,
        moments: Collection[Moment],
        first_epoch: int,
        steps: int,
    ) -> None:
        super().__init__()
        self._folder = folder
        self._moments = set(moments)
        self._steps_per_epoch = steps
        self._epoch = first_epoch
        self._calls = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._epoch == 0:
            self._keep((-1, 0))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._calls = 0

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._calls += 1
        step = self._epoch * self._steps_per_epoch + self._calls
        if self._calls < self._steps_per_epoch:
            self._keep((self._epoch, step))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._keep((epoch, (epoch + 1) * self._steps_per_epoch))

    def _keep(self, moment: Moment) -> None:
        if moment in self._moments:
            save_weights(self.model, weights_path(self._folder, moment))


def checkpoints(folder: RunFolder) -> list[tuple[int, Path]]:
    """Stored states with the number of finished epochs, oldest first."""
    found = []
    for path in folder.path.glob("checkpoint_*"):
        if match := _CHECKPOINT.match(path.name):
            found.append((int(match[1]), path))
    return sorted(found)


def save_checkpoint(model: keras.Model, folder: RunFolder, epochs: int) -> Path:
    """Saves all state of a model; returns the file, whose name holds its checksum."""
    content = _packed(_state(model))
    checksum = hashlib.sha256(content).hexdigest()[:16]
    path = folder.path / f"checkpoint_{epochs:04d}-{checksum}.npz"
    with write_atomically(path) as file:
        file.write(content)
    return path


def restore_checkpoint(model: keras.Model, folder: RunFolder) -> int:
    """Loads the newest state that is whole; returns the number of finished epochs.

    Raises:
        DamagedCheckpointError: There are some, and none is whole.
        ValueError: The state is that of another model.
    """
    found = checkpoints(folder)
    for epochs, path in reversed(found):
        with contextlib.suppress(OSError):  # a file that cannot be read is damaged, too
            checksum = hashlib.sha256(path.read_bytes()).hexdigest()
            if checksum.startswith(_CHECKPOINT.match(path.name)[2]):
                _assign(_state(model), path)
                return epochs
        warnings.warn(
            f"{path} is damaged (its content does not match its name) and is passed "
            "over.",
            stacklevel=2,
        )
    if found:
        raise DamagedCheckpointError(
            f"No checkpoint in {folder.path} is whole: "
            f"{', '.join(path.name for _, path in found)}. Delete them to train this "
            "run from the beginning, or bring them back from a copy."
        )
    return 0


def remove_checkpoints(folder: RunFolder) -> None:
    """Removes what only an unfinished run needs."""
    for _, path in checkpoints(folder):
        path.unlink()


def weights_path(folder: RunFolder, moment: Moment) -> Path:
    """Where the weights of a moment are kept."""
    return folder.path / "weights" / folder.moment_path(moment).name


def stored_weights(folder: RunFolder) -> dict[Moment, Path]:
    """The moments whose weights are kept, in order of time, with their files."""
    found = {}
    for path in (folder.path / "weights").glob("epoch_*_step_*.npz"):
        _, epoch, _, step = path.stem.split("_")
        found[int(epoch), int(step)] = path
    return dict(sorted(found.items(), key=lambda item: item[0][1]))


def save_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights of a model, without those of its optimizer, as `.npz`.

    The arrays are named by their place in `model.weights`; `paths` says what each is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        file.write(_packed(model.weights))


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Gives a model the weights that `save_weights` wrote.

    Raises:
        ValueError: The file is damaged, or holds weights of another model.
    """
    _assign(model.weights, path)


def _state(model: keras.Model) -> list[keras.Variable]:
    """All that a training goes on with: weights, seeds, and what the optimizer holds.
    Metrics start anew with each epoch."""
    of_metrics = {id(variable) for variable in model.metrics_variables}
    own = [v for v in model.variables if id(v) not in of_metrics]
    return [*own, *model.optimizer.variables]


def _packed(variables: Sequence[keras.Variable]) -> bytes:
    """The content of an `.npz` file with the values of variables, in their order."""
    arrays = {
        f"{i:04d}": keras.ops.convert_to_numpy(variable)
        for i, variable in enumerate(variables)
    }
    arrays["paths"] = np.array([variable.path for variable in variables])
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def _assign(variables: Sequence[keras.Variable], path: str | os.PathLike) -> None:
    """Gives variables the values of a file, all of them or none."""
    arrays = read_arrays(path)
    values = [arrays[name] for name in sorted(arrays) if name != "paths"]
    if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
        raise ValueError(
            f"{path} belongs to another model: it holds {len(values)} arrays of other "
            f"shapes than the {len(variables)} that are expected."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
