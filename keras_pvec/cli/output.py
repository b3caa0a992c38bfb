"""Files that commands write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keras_pvec.runs import replace_atomically


def checked_out(given: str | None, default: Path) -> Path:
    """The file to write: a new one, or the default one, which is replaced.

    Raises:
        ValueError: The name is empty.
        FileNotFoundError: There is no folder for it.
        FileExistsError: There is a file or folder of that name.
    """
    if given is not None and not given.strip():
        raise ValueError("--out must name a new file. Received: ''")
    out = Path(given or default)
    if not out.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write to.")
    if out.is_dir() or (given and out.exists()):
        raise FileExistsError(f"{out} already exists. Name a new file with --out.")
    return out


def write_file(out: Path, save: Callable[[str], None]) -> None:
    """Writes a file as a whole.

    Args:
        out: The file.
        save: Writes to the path that it is given.

    Raises:
        OSError: It cannot be written.
    """
    try:
        replace_atomically(out, save)
    except OSError as error:  # a full disk, or a folder that cannot be written to
        reason = f"{error.strerror or error}. Name another file with --out."
        raise OSError(error.errno, reason, str(out)) from error
