"""Where the measurements under readings that take a forward pass are kept.

```
<run>/readings/<name>/          a run folder: the training samples
<run>/readings/<name>/test/     another split
```
"""

from __future__ import annotations

from pathlib import Path

from keras_pvec.reproduction.claims import Cause, Obstacle
from keras_pvec.reproduction.readings.unavailable import (
    ReadingUnavailableError,
    not_applicable,
)
from keras_pvec.reproduction.record import LoggedRun, TrainingRecord
from keras_pvec.runs import Moment, Run, RunFolder

# Key in run.json: what the network lacks, so that there is nothing to measure.
NOT_APPLICABLE = "not_applicable"


def reading_path(run: Path, name: str, split: str = "train") -> Path:
    """The folder of a measurement.

    Args:
        run: Folder of the run.
        name: As in `Reading.measurement`.
        split: The samples.
    """
    path = run / "readings" / name
    return path if split == "train" else path / split


def kept_moments(run: LoggedRun, split: str = "train") -> frozenset[Moment]:
    """The moments whose weights are stored.

    Args:
        run: The run, or the folder of another split of it.
        split: The samples of `run`.

    Raises:
        ReadingUnavailableError: There are none.
    """
    folder = run.path if split == "train" else run.path.parent
    found = set()
    for path in (folder / "weights").glob("epoch_*_step_*.npz"):
        _, epoch, _, step = path.stem.split("_")
        found.add(Moment(int(epoch), int(step)))
    if not found:
        raise _without_weights(run, folder)
    return frozenset(found)


def measured_run(run: LoggedRun, name: str, split: str = "train") -> Run:
    """The measurement of a run under a reading.

    Args:
        run: The run, or the folder of another split of it.
        name: As in `Reading.measurement`.
        split: The samples of `run`.

    Raises:
        ReadingUnavailableError: There is no complete one, or the network has no such
            features.
    """
    path = reading_path(run.path if split == "train" else run.path.parent, name, split)
    info = RunFolder(path).read_info()
    if NOT_APPLICABLE in info.notes:
        label = TrainingRecord.of(run).model or run.path.name
        raise not_applicable(info.notes[NOT_APPLICABLE], label)
    if not info.complete:
        raise _without_weights(run, path)
    return Run(path)


def _without_weights(run: LoggedRun, path: Path) -> ReadingUnavailableError:
    return ReadingUnavailableError(
        f"{path} holds neither weights nor a complete measurement of them. Train with "
        "`keep_weights=True`, then call `measure_reading`.",
        Obstacle(Cause.NO_WEIGHTS, names=(TrainingRecord.of(run).model or path.name,)),
    )
