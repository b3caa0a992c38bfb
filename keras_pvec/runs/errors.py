"""Errors about run folders: one family, so that a caller can catch all of them."""

from __future__ import annotations

import os

RESTORE = "Restore it from a copy of the run, or train the run again in a new folder."


class RunError(Exception):
    """A run folder cannot be used as asked. Base of all errors about run folders."""


class RunConflictError(RunError, FileExistsError):
    """The folder already holds a run, or one of other settings, or one in progress."""


class RunNotFoundError(RunError, FileNotFoundError):
    """The folder does not hold what was requested."""


class DamagedRunError(RunError, ValueError):
    """A file of a run is damaged, or keras_pvec did not write it.

    Args:
        file: Path of the file.
        reason: What is wrong with it, as a clause that follows the path.
        remedy: What to do about it, as a sentence.

    Attributes:
        file: Path of the file.
        reason: As given.
    """

    def __init__(
        self, file: str | os.PathLike, reason: str, remedy: str = RESTORE
    ) -> None:
        # All arguments, so that the error can be pickled.
        super().__init__(os.fspath(file), reason, remedy)
        self.file = os.fspath(file)
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}. {self.remedy}"
