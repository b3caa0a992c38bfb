"""The lock of a run folder against other processes of this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from keras_pvec.runs.errors import RunConflictError

LOCK_FILE = ".lock"


@contextlib.contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Locks out other processes; the system frees the lock if this one is killed.

    Args:
        path: The folder, which exists.

    Raises:
        RunConflictError: Another process is writing to the folder.
    """
    lock = filelock.FileLock(path / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunConflictError(
            f"Another process is writing to {path}. Wait until it ends, or choose "
            "another folder."
        ) from None
    try:
        yield
    finally:
        lock.release()
