"""The weights of some moments of a run, kept for later measurements.

```
weights/epoch_0003_step_00001564.npz
```

Arrays are serialized in memory and written at once: HDF5, the format of
`keras.Model.save_weights`, crashes the process when the disk is full.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_pvec.runs import (
    DamagedRunError,
    Moment,
    RunFolder,
    RunNotFoundError,
    check_file,
    read_arrays,
    replace_file,
)

# Arrays that are not values of variables.
_NAMES = ("paths", "written_as")
_RANDOM = "random_"


class WeightKeeper(keras.callbacks.Callback):
    """Keeps the weights of some moments in the folder `weights/` of a run.

    Args:
        folder: The run.
        moments: The moments; see `weight_moments`.
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
        self._steps_done = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._epoch == 0:
            self._keep(Moment(-1, 0))
        # What was kept before a training was interrupted is needed when it has ended.
        for moment in sorted(self._moments):
            if moment.epoch < self._epoch:
                check_weights(self.model, weights_path(self._folder, moment))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._steps_done = 0

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._steps_done += 1
        step = self._epoch * self._steps_per_epoch + self._steps_done
        if self._steps_done < self._steps_per_epoch:
            self._keep(Moment(self._epoch, step))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._keep(Moment(epoch, (epoch + 1) * self._steps_per_epoch))

    def _keep(self, moment: Moment) -> None:
        if moment in self._moments:
            save_weights(self.model, weights_path(self._folder, moment))


def weight_moments(epochs: int, steps: int) -> list[Moment]:
    """About ten moments, evenly spaced on a log scale.

    One is before training, three are within the first epoch, and the others are at the
    ends of epochs, with the first and the last among them.

    Args:
        epochs: Number of epochs of the training.
        steps: Updates per epoch.
    """
    within = sorted({round(steps ** (i / 4)) for i in (1, 2, 3)} - {steps})
    ends = sorted({round(epochs ** (i / 5)) for i in range(6)})
    return [
        Moment(-1, 0),
        *(Moment(0, step) for step in within if 0 < step < steps),
        *(Moment(end - 1, end * steps) for end in ends),
    ]


def weights_path(folder: RunFolder, moment: Moment) -> Path:
    """Path of the file with the weights of a moment."""
    return folder.path / "weights" / folder.moment_path(moment).name


def stored_weights(folder: RunFolder) -> dict[Moment, Path]:
    """The moments whose weights are kept, in order of time, with their files."""
    found = {}
    for path in (folder.path / "weights").glob("epoch_*_step_*.npz"):
        _, epoch, _, step = path.stem.split("_")
        found[Moment(int(epoch), int(step))] = path
    return dict(sorted(found.items(), key=lambda item: item[0].step))


def save_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights of a model, without those of its optimizer, as `.npz`.

    The arrays are numbered as in `model.weights`; the array `paths` has their names,
    and `written_as` the name of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, npz_of(model.weights, path.name))


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Loads weights that `save_weights` wrote into a model.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: The file is damaged, does not match the checksum of a finished
            run, or its weights belong to another model.
    """
    path = Path(path)
    check_file(path.parent.parent, path)
    assign_npz(model.weights, path)


def check_weights(model: keras.Model, path: Path) -> None:
    """Checks that `load_weights` could load a file, without a change of the model.

    Raises:
        DamagedRunError: The file is missing or damaged, or its weights belong to
            another model.
    """
    try:
        _values_of(model.weights, path)
    except RunNotFoundError as error:
        raise DamagedRunError(path, "it is missing") from error


def npz_of(
    variables: Sequence[keras.Variable],
    file: str | None = None,
    random_state: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    """The content of an `.npz` file with the values of variables, in their order.

    Args:
        variables: The variables.
        file: Name of the file, which shows later whether files were exchanged.
        random_state: State of random generators, for `random_state_in`.
    """
    arrays = {
        f"{i:04d}": keras.ops.convert_to_numpy(variable)
        for i, variable in enumerate(variables)
    }
    arrays["paths"] = np.array([variable.path for variable in variables])
    if file is not None:
        arrays["written_as"] = np.array(file)
    for name, state in (random_state or {}).items():
        arrays[_RANDOM + name] = state
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def assign_npz(variables: Sequence[keras.Variable], path: str | os.PathLike) -> None:
    """Assigns the values in a file made by `npz_of` to variables: to all, or to none.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: The file is damaged, or has arrays of other shapes.
    """
    values = _values_of(variables, Path(path))
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def random_state_in(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The state of random generators in a file made by `npz_of`."""
    arrays = read_arrays(Path(path))
    return {
        name.removeprefix(_RANDOM): values
        for name, values in arrays.items()
        if name.startswith(_RANDOM)
    }


def _values_of(variables: Sequence[keras.Variable], path: Path) -> list[np.ndarray]:
    """The values in a file made by `npz_of`, if they are those of such variables."""
    arrays = read_arrays(path)
    written_as = str(arrays.get("written_as", path.name))
    if written_as != path.name:
        raise DamagedRunError(path, f"it was written as {written_as!r}")
    values = [
        arrays[name]
        for name in sorted(arrays)
        if name not in _NAMES and not name.startswith(_RANDOM)
    ]
    shapes = [value.shape for value in values]
    expected = [tuple(variable.shape) for variable in variables]
    if shapes != expected or any(value.dtype.kind in "SUOM" for value in values):
        raise DamagedRunError(
            path,
            f"it does not belong to this model. Expected {len(expected)} arrays of "
            f"shapes {_abridged(expected)}. Received: {len(shapes)} of shapes "
            f"{_abridged(shapes)}",
            "Restore the file of this model from a copy of the run, or delete it to "
            "train without it.",
        )
    return values


def _abridged(shapes: Sequence[tuple[int, ...]], n: int = 3) -> str:
    text = ", ".join(map(str, shapes[:n]))
    return f"{text}, ..." if len(shapes) > n else text
