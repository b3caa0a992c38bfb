"""Whether a training may write to a folder that already holds a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from keras_pvec.comparison import compare
from keras_pvec.pvector import PVector
from keras_pvec.runs.errors import DamagedRunError, RunConflictError
from keras_pvec.runs.files import load_p_vectors
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.schema import LoggedWith, Moment

# Settings that say how far a training is.
_PROGRESS = ("complete", "last_moment")
# Forward passes on accelerators are not reproducible to the last digit.
_SAME_MODEL_DEG = 0.1


@dataclasses.dataclass(frozen=True)
class StartPolicy:
    """What a logger was told to do about a run that is already in its folder.

    Attributes:
        resume: Continue it.
        overwrite: Replace it. With `resume`, only a training that starts with epoch 0
            replaces it; one that starts with a later epoch continues it.
    """

    resume: bool = False
    overwrite: bool = False

    def starts_anew(self, epoch: int) -> bool:
        """Whether a training that starts with `epoch` replaces an existing run."""
        return self.overwrite and (epoch == 0 or not self.resume)


def check_start(
    folder: RunFolder, logged: Sequence[Moment], epoch: int, policy: StartPolicy
) -> None:
    """Checks that a training does not drop what a run has logged.

    A training that resumes drops the epochs after its checkpoint. One that starts with
    epoch 0 has no checkpoint; it may be right only if the run was stopped in its first
    epoch, before there was one.

    Args:
        folder: The run.
        logged: Its moments, in order.
        epoch: The epoch with which the training starts.
        policy: What the logger was told.

    Raises:
        RunConflictError: The folder holds a run that would be lost.
    """
    if not logged or policy.starts_anew(epoch):
        return
    info = folder.read_info()
    last = logged[-1].epoch
    restarts = epoch == 0 and last > 0
    if policy.resume and not restarts and not (info.complete and last >= epoch):
        return
    raise conflict(folder, logged, epoch)


def conflict(
    folder: RunFolder, logged: Sequence[Moment], epoch: int
) -> RunConflictError:
    """The error that names all ways on: continue, replace, or keep the run."""
    state = "a finished" if folder.read_info().complete else "an unfinished"
    next_epoch = max(folder.epoch_ends(), default=-1) + 1
    return RunConflictError(
        f"{folder.path} already holds {state} run up to epoch {logged[-1].epoch}, and "
        f"this training starts with epoch {epoch}. To continue that run, restore the "
        f"model that it left and start with epoch {next_epoch} "
        f"(fit(..., initial_epoch={next_epoch}), or BackupAndRestore), with "
        "PVectorLogger(..., resume=True). To replace it, "
        "use PVectorLogger(..., overwrite=True). To keep it, choose another folder."
    )


def check_settings(folder: RunFolder, settings: LoggedWith) -> None:
    """Checks that a run was logged with the settings with which it is to go on.

    Raises:
        RunConflictError: It was logged with others.
        DamagedRunError: Its settings are lost.
    """
    stored = folder.read_info().logged_with
    if stored is None:
        reason = "it is missing, or has lost the settings of the logger"
        raise DamagedRunError(folder.info_path, reason)
    for field in dataclasses.fields(LoggedWith):
        there, asked = (getattr(of, field.name) for of in (stored, settings))
        if field.name not in _PROGRESS and there != asked:
            raise RunConflictError(
                f"{folder.path} holds a run with other settings: {field.name} is "
                f"{there!r} there and {asked!r} now. Choose another folder, or replace "
                "it with overwrite=True."
            )


def differing_layers(
    folder: RunFolder, moment: Moment, p_vectors: Mapping[str, PVector]
) -> dict[str, float]:
    """The layers in which a model is not the one that a run stored.

    Args:
        folder: The run.
        moment: A moment of it.
        p_vectors: P-vectors of the model by layer.

    Returns:
        By layer, the angles to the stored P-vectors that are too large for the same
        model, in degrees. Empty if nothing is stored for that moment.
    """
    if moment not in folder.stored_moments():
        return {}
    stored = load_p_vectors(folder.moment_path(moment), moment)
    differing = {}
    for layer, p in p_vectors.items():
        if layer in stored:
            comparison = compare(p, stored[layer])
            angle_deg = comparison.angle_deg or 0.0
            if angle_deg > comparison.angle_error_deg + _SAME_MODEL_DEG:
                differing[layer] = angle_deg
    return differing
