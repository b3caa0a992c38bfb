"""Writes files so that neither a kill nor a full disk leaves half of one.

Everything that the package stores goes through `write_all`, which checks how much of
each write has arrived.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

# Temporary files are named by the process id and this suffix.
_PARTIAL_SUFFIX = ".partial"
_BINARY = getattr(os, "O_BINARY", 0)
_PARTIAL_FILE = re.compile(r"^.+\.\d+\.partial(\.\w+)?$")


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Writes all bytes to an open file.

    The system may write fewer bytes than asked, for example when the disk is almost
    full.

    Raises:
        OSError: Not all of them can be written.
    """
    rest = memoryview(content)
    while rest:
        written = os.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rest = rest[written:]


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Errors of the system about open files do not name them; here they do."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def append_lines(path: Path, lines: bytes, *, header: bytes = b"") -> None:
    """Appends to a file of lines: all of them, or nothing.

    An incomplete last line, as a kill leaves it, is removed first.

    Args:
        path: Path of the file; it is created if it does not exist.
        lines: The lines, each with its line break.
        header: First line of a file that has none.

    Raises:
        OSError: They cannot be written. The file ends with its last whole line.
    """
    with _named_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666)
        try:
            _append(descriptor, lines, header)
        finally:
            os.close(descriptor)


def _append(descriptor: int, lines: bytes, header: bytes) -> None:
    end = _end_of_last_line(descriptor)
    try:
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        write_all(descriptor, lines if end else header + lines)
        os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, end)
        raise


def _end_of_last_line(descriptor: int, step: int = 1 << 16) -> int:
    """Size of a file without an incomplete last line."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(end - step, 0)
        os.lseek(descriptor, begin, os.SEEK_SET)
        newline = os.read(descriptor, end - begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Writes a file that replaces `path` only once it is complete and on disk.

    Raises:
        OSError: The content cannot be written. The old file remains.
    """
    partial = _partial_path(path)
    try:
        with _named_errors(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY
            descriptor = os.open(partial, flags, 0o666)
            try:
                write_all(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(partial, path)
    finally:
        _discard(partial)


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Collects what is written in memory, then replaces `path` by it."""
    content = io.BytesIO()
    yield content
    replace_file(path, content.getbuffer())


def replace_atomically(
    path: Path, save: Callable[[str], None], suffix: str | None = None
) -> None:
    """As `write_atomically`, for a `save` that opens the file by its name.

    Args:
        path: Path of the file.
        save: Writes the file to the path that it receives.
        suffix: Extension that `save` requires; default: that of `path`.
    """
    partial = _partial_path(path)
    partial = partial.with_name(partial.name + (suffix or path.suffix))
    try:
        with _named_errors(path):
            save(str(partial))
            with open(partial, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
    finally:
        _discard(partial)


def remove_partial_files(folder: Path, *, older_than_s: float = 0.0) -> None:
    """Removes the temporary files that a killed process left in a folder.

    Args:
        folder: The folder; it need not exist.
        older_than_s: Younger files are kept, in seconds. Set it where another process
            may be writing to the folder.
    """
    latest = time.time() - older_than_s
    for path in partial_files(folder):
        with contextlib.suppress(OSError):
            if older_than_s <= 0 or path.stat().st_mtime < latest:
                path.unlink()


def partial_files(folder: Path) -> list[Path]:
    """The temporary files in a folder, by name."""
    try:
        found = [path for path in folder.iterdir() if _PARTIAL_FILE.match(path.name)]
    except OSError:
        return []
    return sorted(path for path in found if path.is_file())


def _partial_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}{_PARTIAL_SUFFIX}")


def _discard(path: Path) -> None:
    # The error that led here says more than that the file cannot be removed.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
