"""Files that commands write."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from keras_pvec.runs import replace_atomically


def add_out_arguments(parser: argparse.ArgumentParser, file: str) -> None:
    """Adds `--out` and `--overwrite`.

    Args:
        parser: The parser of the command.
        file: What `--out` names.
    """
    parser.add_argument("--out", help=file)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing file"
    )


def checked_out(given: str | None, default: Path, *, overwrite: bool) -> Path:
    """The file to write.

    Args:
        given: Its name, if one was given.
        default: The file otherwise.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: The name is empty.
        FileNotFoundError: There is no folder for it.
        FileExistsError: There is a file of that name, or a folder.
    """
    if given is not None and not given.strip():
        raise ValueError("--out must name a new file. Received: ''")
    out = Path(given or default)
    if not out.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write to.")
    if out.is_dir():
        raise FileExistsError(f"{out} is a folder. Name a new file with --out.")
    if out.exists() and not overwrite:
        raise FileExistsError(
            f"{out} already exists. Replace it with --overwrite, or name a new file "
            "with --out."
        )
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
