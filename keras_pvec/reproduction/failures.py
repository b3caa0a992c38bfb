"""Errors in one line, and their tracebacks in a file."""

from __future__ import annotations

import contextlib
import traceback
from pathlib import Path


def error_text(error: BaseException) -> str:
    """Type and message of an error, in one line."""
    lines = str(error).strip().splitlines()
    if lines:
        message = lines[0]
    elif isinstance(error, MemoryError):
        message = "there is not enough memory"
    else:
        message = "no message"
    return f"{type(error).__name__}: {message}"


def save_traceback(path: Path, error: BaseException) -> str | None:
    """Writes the traceback of an error to a file.

    Args:
        path: Path of the file. Missing folders are made.
        error: The error.

    Returns:
        Why the file cannot be written, e.g. because the disk is full; `None` if it was.
    """
    try:
        text = "".join(traceback.format_exception(error))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (OSError, MemoryError) as write_error:
        remove_traceback(path)  # half of it may be there
        return getattr(write_error, "strerror", None) or error_text(write_error)
    return None


def remove_traceback(path: Path) -> None:
    """Removes the traceback of an earlier failure, if there is one and the disk can be
    written to."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
