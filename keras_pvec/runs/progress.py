"""Checksums of what an unfinished run has written up to its last finished epoch.

`progress.json` is written when an epoch ends, and removed before anything that it
describes changes. Of `log.csv`, which grows, it describes the beginning. A finished run
has `SHA256SUMS` instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from keras_pvec.runs.errors import DamagedRunError, RunNotFoundError
from keras_pvec.runs.reading import parse_json, read_content
from keras_pvec.runs.writing import replace_file

PROGRESS_FILE = "progress.json"
_LOG = "log.csv"
_INFO = "run.json"
_DESCRIBED = (_LOG, "metrics.csv", "samples.npz", _INFO)
_LOG_BYTES = "log_bytes"
_REMEDY = (
    "Restore it from a copy of the run, or train the run again in a new folder. If you "
    f"changed it yourself, delete {PROGRESS_FILE} in that folder."
)


def write_progress(folder: Path) -> None:
    """Writes the checksums of the files of a run.

    Raises:
        OSError: A file cannot be read, or the checksums cannot be written.
    """
    entries: dict[str, str | int] = {}
    for name in _DESCRIBED:
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            entries[name] = _sum_of(content)
            if name == _LOG:
                entries[_LOG_BYTES] = len(content)
    _write(folder, entries)


@contextlib.contextmanager
def changing_info(folder: Path, content: bytes) -> Iterator[None]:
    """A context in which `run.json` is replaced by other content."""
    entries = _read(folder)
    remove_progress(folder)
    yield
    if entries:
        _write(folder, {**entries, _INFO: _sum_of(content)})


def check_info(folder: Path, content: bytes) -> None:
    """Checks the content of `run.json` against its checksum, if there is one.

    Raises:
        DamagedRunError: It was changed, or the checksums are damaged.
    """
    entries = _read(folder)
    if entries.get(_INFO, _sum_of(content)) != _sum_of(content):
        _check(folder, _INFO, entries)


def remove_progress(folder: Path) -> None:
    """Removes the checksums, before the files change."""
    (folder / PROGRESS_FILE).unlink(missing_ok=True)


def check_progress(folder: Path, *, log: bool = True) -> None:
    """Checks the files of a run against the checksums, if there are any.

    Args:
        folder: Folder of the run.
        log: Whether to check `log.csv` too.

    Raises:
        DamagedRunError: A file was changed or is missing, or the checksums are damaged.
    """
    entries = _read(folder)
    for name in _DESCRIBED:
        if name not in entries or (name == _LOG and not log):
            continue
        _check(folder, name, entries)


def _check(folder: Path, name: str, entries: Mapping[str, str | int]) -> None:
    path = folder / name
    try:
        content: bytes | None = read_content(path)
    except RunNotFoundError:
        content = None
    size = int(entries[_LOG_BYTES]) if name == _LOG else None
    if content is not None and _sum_of(content[:size]) == entries[name]:
        return
    if _read(folder) == entries:  # else a training is changing the files
        what = "is missing" if content is None else "was changed"
        reason = f"it {what} after the last finished epoch"
        raise DamagedRunError(path, reason, _REMEDY)


def _read(folder: Path) -> dict[str, str | int]:
    path = folder / PROGRESS_FILE
    try:
        entries = parse_json(path, read_content(path))
    except RunNotFoundError:
        return {}
    types = {**dict.fromkeys(_DESCRIBED, str), _LOG_BYTES: int}
    if any(type(value) is not types.get(name) for name, value in entries.items()):
        raise DamagedRunError(path, "it is not a list of checksums", _REMEDY)
    if (_LOG in entries) is not (_LOG_BYTES in entries):
        raise DamagedRunError(path, "it is not a list of checksums", _REMEDY)
    return entries


def _write(folder: Path, entries: Mapping[str, str | int]) -> None:
    text = json.dumps(entries, indent=2) + "\n"
    replace_file(folder / PROGRESS_FILE, text.encode())


def _sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
