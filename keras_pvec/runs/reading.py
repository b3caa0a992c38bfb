"""Reads whole files of a run; whatever is wrong with one is a `RunError`."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from keras_pvec.runs.errors import DamagedRunError, RunNotFoundError

# Larger files are not ours. A row of log.csv has about 250 bytes.
MAX_TABLE_BYTES = 2**31
MAX_JSON_BYTES = 2**26
_NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR)
# Without O_NONBLOCK, opening a pipe in place of a file would block for ever.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_content(path: Path, max_bytes: int = MAX_TABLE_BYTES) -> bytes:
    """The content of a file.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: It is a folder, a link to nothing, larger than `max_bytes`, or
            cannot be read.
    """
    try:
        descriptor = os.open(path, _READ_FLAGS)
    except OSError as error:
        raise _typed(path, error) from error
    except ValueError as error:  # a null character in the path
        raise RunNotFoundError(f"There is no file {str(path)!r}.") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DamagedRunError(path, "it is not a file")
        if status.st_size > max_bytes:
            raise DamagedRunError(
                path,
                f"it has {status.st_size:,} bytes, more than the {max_bytes:,} that "
                "such a file can have",
            )
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise _typed(path, error) from error
    finally:
        os.close(descriptor)


def exists(path: Path) -> bool:
    """Whether something is at a path: a file, or what should be one."""
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False


def modified_ns(path: Path) -> int | None:
    """When a file was last modified, in nanoseconds; `None` if there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return None


def parse_json(path: Path, content: bytes) -> dict[str, Any]:
    """The entries in the content of a JSON file that holds an object.

    Raises:
        DamagedRunError: It is not such a file.
    """
    try:
        entries = json.loads(content.decode("utf-8"))
    # Nesting beyond the interpreter's limit is a RecursionError.
    except (ValueError, RecursionError) as error:
        raise DamagedRunError(path, f"it is not JSON ({error})") from error
    if not isinstance(entries, dict):
        raise DamagedRunError(path, "it holds no entries")
    return entries


def _typed(path: Path, error: OSError) -> RunNotFoundError | DamagedRunError:
    if error.errno in _NO_SUCH_FILE:
        if os.path.islink(path):
            return DamagedRunError(path, "it is a link to a file that does not exist")
        return RunNotFoundError(f"There is no file {path}.")
    reason = error.strerror or type(error).__name__
    return DamagedRunError(path, f"it cannot be read ({reason})")
