"""A copy of a run folder that another process may still be writing to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from keras_pvec.runs.errors import RunConflictError
from keras_pvec.runs.lock import LOCK_FILE
from keras_pvec.runs.writing import partial_files, replace_file

# Files that grow in place; all others are replaced as a whole.
_APPENDED = ("log.csv",)
_TRIALS = 5

_State = dict[Path, tuple[int, int, int]]


def take_snapshot(source: Path, target: Path) -> None:
    """Copies a run folder in one state, without its temporary files.

    Files that are only ever replaced are shared as hard links where the file system has
    them, so the copy takes no space. What the source's process writes later does not
    reach the copy.

    Args:
        source: The run folder.
        target: The copy, which does not exist. It is complete once it exists.

    Raises:
        RunConflictError: The files do not stop changing.
        OSError: The copy cannot be written.
    """
    unfinished = target.with_name(f"copy-of-{source.name}-for-{target.name}")
    for _ in range(_TRIALS):
        shutil.rmtree(unfinished, ignore_errors=True)
        before = _state_of(source)
        try:
            _copy(source, unfinished, before)
        except FileNotFoundError:  # it was replaced meanwhile
            continue
        if _state_of(source) == before:
            os.rename(unfinished, target)
            return
    shutil.rmtree(unfinished, ignore_errors=True)
    raise RunConflictError(f"The files in {source} do not stop changing.")


def _state_of(folder: Path) -> _State:
    """Inode, size and time of change of each file."""
    state = {}
    for directory, _, _ in os.walk(folder):
        left_out = {path.name for path in partial_files(Path(directory))}
        for entry in os.scandir(directory):
            if entry.is_file() and entry.name not in {*left_out, LOCK_FILE}:
                try:
                    status = os.stat(entry.path)
                except FileNotFoundError:
                    continue
                name = Path(entry.path).relative_to(folder)
                state[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return state


def _copy(source: Path, target: Path, names: _State) -> None:
    target.mkdir()
    for name in sorted(names):
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if name.name in _APPENDED:
            replace_file(copy, (source / name).read_bytes())
            continue
        try:
            os.link(source / name, copy)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without hard links
            shutil.copy2(source / name, copy)
