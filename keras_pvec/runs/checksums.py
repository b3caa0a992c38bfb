"""Checksums of the files of a finished run, in the format of `sha256sum`.

```
cd runs/mine && sha256sum --check SHA256SUMS
```

The file is written when a training ends and removed before anything changes. Folders
without it, of unfinished runs and of earlier versions, are read without this check.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_pvec.runs.errors import DamagedRunError, RunNotFoundError
from keras_pvec.runs.reading import read_content
from keras_pvec.runs.writing import replace_file

SUMS_FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([\w./-]+)")
_SEALED = ("run.json", "log.csv", "metrics.csv", "samples.npz", "model.keras")
_SEALED_FOLDERS = ("pvectors", "weights")
_WHY = "it was changed after the training had ended"
_CHANGED = (
    "Restore it from a copy of the run. If you changed it yourself, delete "
    f"{SUMS_FILE} in that folder."
)


def write_sums(folder: Path, subfolders: Iterable[str] = ()) -> None:
    """Writes the checksums of the files of a run.

    Args:
        folder: Folder of the run.
        subfolders: Run folders within it that have checksums of their own, which are
            included.

    Raises:
        OSError: A file cannot be read, or the checksums cannot be written.
    """
    files = [path for name in _SEALED if (path := folder / name).is_file()]
    for name in _SEALED_FOLDERS:
        files += sorted((folder / name).glob("epoch_*_step_*.npz"))
    files += (folder / "pvectors").glob("after_fit.npz")
    files += [folder / name / SUMS_FILE for name in subfolders]
    _write(
        folder, {file.relative_to(folder).as_posix(): _of_file(file) for file in files}
    )


def remove_sums(folder: Path) -> None:
    """Removes the checksums of a run, before its files change."""
    (folder / SUMS_FILE).unlink(missing_ok=True)


def read_sums(folder: Path) -> dict[str, str]:
    """The checksums of a run by file, relative to its folder; empty if there are none.

    Raises:
        DamagedRunError: The file of checksums is damaged.
    """
    path = folder / SUMS_FILE
    try:
        lines = read_content(path).decode().splitlines()
    except RunNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise DamagedRunError(path, "it is not text", _CHANGED) from error
    matches = [_LINE.fullmatch(line) for line in lines]
    sums = {match[2]: match[1] for match in matches if match is not None}
    if len(sums) < len(lines):
        raise DamagedRunError(path, "it is not a list of checksums", _CHANGED)
    return sums


def replace_sum(folder: Path, name: str, content: bytes | None) -> None:
    """Replaces the checksum of one file, if the run has checksums.

    Args:
        folder: Folder of the run.
        name: The file, relative to the folder.
        content: Its new content; `None` while it is being replaced.
    """
    sums = read_sums(folder)
    if sums:
        sums.pop(name, None)
        if content is not None:
            sums[name] = hashlib.sha256(content).hexdigest()
        _write(folder, sums)


def check_content(path: Path, content: bytes, expected: str | None) -> None:
    """Checks the content of a file against its checksum, if it has one.

    Raises:
        DamagedRunError: It has another content than at the end of the training.
    """
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise DamagedRunError(path, _WHY, _CHANGED)


def check_file(folder: Path, path: Path) -> None:
    """Checks a file of a run against its checksum, if the run has checksums.

    Args:
        folder: Folder of the run.
        path: The file, in that folder.

    Raises:
        DamagedRunError: It has another content than at the end of the training, or is
            missing.
    """
    expected = read_sums(folder).get(path.relative_to(folder).as_posix())
    if expected is not None:
        _check_sum(path, expected)


def changed_files(folder: Path) -> Iterator[tuple[str, DamagedRunError]]:
    """The files of a run that are missing or do not match their checksums.

    Raises:
        DamagedRunError: The file of checksums is damaged.
    """
    for name, expected in read_sums(folder).items():
        try:
            _check_sum(folder / name, expected)
        except DamagedRunError as error:
            yield name, error


def _check_sum(path: Path, expected: str) -> None:
    try:
        found = _of_file(path)
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or type(error).__name__})"
        raise DamagedRunError(path, reason) from error
    if found != expected:
        raise DamagedRunError(path, _WHY, _CHANGED)


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write(folder: Path, sums: dict[str, str]) -> None:
    text = "".join(f"{value}  {name}\n" for name, value in sums.items())
    replace_file(folder / SUMS_FILE, os.fsencode(text))
