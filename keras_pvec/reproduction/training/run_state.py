"""The state of a run folder: which run it holds, and how far that run is."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import keras

from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training.checkpoint import (
    checkpoints,
    remove_checkpoints,
)
from keras_pvec.reproduction.training.networks import canonical_name, old_spellings
from keras_pvec.reproduction.training.presets import Preset
from keras_pvec.reproduction.training.settings import RunSettings, differences
from keras_pvec.reproduction.training.weights import stored_weights
from keras_pvec.runs import (
    DamagedRunError,
    Moment,
    Run,
    RunConflictError,
    RunError,
    RunFolder,
    check_file,
    complete_log,
    current_folder,
    exists,
    open_run,
    remove_attempts,
)

# Settings that no longer matter once a run is finished.
_ON_THE_WAY = ("batches", "keep_weights")


def is_finished(settings: RunSettings, path: str | os.PathLike) -> bool:
    """Whether a folder holds the finished run of these settings.

    Raises:
        RunConflictError: The folder holds a run with other settings.
    """
    folder = RunFolder(path)
    record = TrainingRecord.of(folder.read_info())
    if not record.settings:
        if folder.moments():
            raise RunConflictError(
                f"{folder.path} holds a run that was not made by an experiment. Choose "
                "another folder, or delete this one."
            )
        return False
    different = differences(record.settings, settings)
    is_done = record.status == "finished"
    if is_done:
        for key in _ON_THE_WAY:
            different.pop(key, None)
    if "batches" in different and set(different) <= set(_ON_THE_WAY):
        raise RunConflictError(
            f"{folder.path} holds an unfinished run of another version of keras_pvec, "
            "which draws different batches for a seed. Choose another folder for the "
            "runs, or delete this one."
        )
    if different:
        listed = "; ".join(
            f"{name} is {difference.stored!r} there and {difference.asked!r} now"
            for name, difference in different.items()
        )
        raise RunConflictError(
            f"{folder.path} holds a run with other settings: {listed}. Choose another "
            "folder for the runs, or delete this one."
        )
    return is_done


def open_finished(settings: RunSettings, path: str | os.PathLike) -> Run:
    """Opens a finished run, and checks that it is whole.

    Each split has rows up to the last epoch, and kept weights and the model match their
    checksums, where the run has them. P-vectors are checked when they are read. Files
    that are needed only on the way are removed, if a kill left any.

    Raises:
        DamagedRunError: Files are damaged, or rows are missing.
        RunNotFoundError: The run has no log.
    """
    run = open_run(path)
    folder = RunFolder(path)
    for split in settings.num_samples:
        of_split = run.on(split)
        known = {*of_split.moments, *(f.moment for f in of_split.info.failures)}
        last_epoch = max(known, default=Moment(-2, -1)).epoch
        if last_epoch != settings.epochs - 1:
            raise DamagedRunError(
                of_split.path / "log.csv",
                f"its last epoch is {last_epoch}, not {settings.epochs - 1}",
            )
    for file in (folder.model_path, *stored_weights(folder).values()):
        check_file(folder.path, file)
    with contextlib.suppress(OSError):  # the folder may be read-only
        remove_checkpoints(folder)
        folder.remove_partial_files()
        remove_attempts(folder.path)
    return run


def complete_logs(folder: RunFolder, settings: RunSettings) -> None:
    """Marks the logs of a run as complete whose last epoch is done.

    `fit` does so when it returns, but has nothing left to do if the run was interrupted
    between its last checkpoint and that moment.

    Raises:
        DamagedRunError: A log does not reach the end of the last epoch.
    """
    for split in settings.num_samples:
        logged = folder if split == "train" else RunFolder(folder.path / split)
        if not complete_log(logged, settings.epochs):
            raise DamagedRunError(
                logged.log_path,
                f"it does not reach the end of epoch {settings.epochs - 1}, whose "
                "checkpoint is there",
                "Restore it from a copy of the run, or delete the folder of the run to "
                "train it again.",
            )


def epochs_done(path: str | os.PathLike) -> int:
    """Number of finished epochs of an unfinished run, wherever its files are."""
    folder = RunFolder(current_folder(Path(path)))
    return max((c.epochs for c in checkpoints(folder)), default=0)


def stored_backend(path: str | os.PathLike) -> str:
    """The Keras backend that a run was trained on; the one in use if there is no run.

    Nothing is said about whether the run is damaged.
    """
    try:
        record = TrainingRecord.of(RunFolder(path).read_info())
    except RunError:
        return keras.backend.backend()
    return record.backend if record.settings else keras.backend.backend()


def existing_or_new_path(
    model: str, preset: Preset, path_of: Callable[[str], Path]
) -> Path:
    """The folder of the run of a network.

    This is the folder under the canonical name, unless the run exists only in a folder
    that an earlier version named differently.

    Args:
        model: Any spelling of the name.
        preset: The preset of the run.
        path_of: Returns the folder of the run for a name of the network.

    Raises:
        ValueError: The name is of no known form.

    Example:

    ```python
    existing_or_new_path(
        "resnet18", PRESETS["whole"], lambda name: runs_dir / name / f"seed_{seed}"
    )
    ```
    """
    new = path_of(canonical_name(model, preset))
    old = (path_of(name) for name in old_spellings(model, preset))
    return next((path for path in (new, *old) if _holds_run(path)), new)


def reopen_logs(folder: RunFolder, splits: Iterable[str]) -> None:
    """Marks the logs of a run as incomplete.

    Logs are complete when `fit` returns. A run that was interrupted after that may
    have to repeat its last epoch, and writes to them again.
    """
    for split in splits:
        logged = folder if split == "train" else RunFolder(folder.path / split)
        described = logged.read_info().logged_with
        if described is not None and described.complete:
            reopened = dataclasses.replace(described, complete=False)
            logged.update_info(logged_with=reopened)


def check_logs(folder: RunFolder, splits: Iterable[str]) -> None:
    """Checks that a training that resumes after an epoch has logs to continue.

    Raises:
        DamagedRunError: The log of a split is missing, and so are its P-vectors.
    """
    for split in splits:
        logged = folder if split == "train" else RunFolder(folder.path / split)
        if not logged.moments() and not logged.stored_moments():
            raise DamagedRunError(logged.log_path, "it is missing, or has no rows")


def _holds_run(path: Path) -> bool:
    folder = RunFolder(path)
    return exists(folder.info_path) or exists(folder.log_path)
