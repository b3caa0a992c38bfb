"""Whether a training may write to a folder that already holds a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_pvec.runs.errors import RunConflictError
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.schema import Moment


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
        f"this training starts with epoch {epoch}. To continue that run, use "
        "PVectorLogger(..., resume=True) and the model that it left, with "
        f"fit(..., initial_epoch={next_epoch}) or BackupAndRestore. To replace it, "
        "use PVectorLogger(..., overwrite=True). To keep it, choose another folder."
    )
