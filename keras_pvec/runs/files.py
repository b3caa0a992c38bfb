"""Writes files atomically, and reads them back."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.runs.schema import RunConflictError

if TYPE_CHECKING:
    import pandas

# Temporary files are named by the process id and this suffix.
PARTIAL_SUFFIX = ".partial"


def save_p_vectors(path: str | os.PathLike, p_vectors: Mapping[str, PVector]) -> None:
    """Writes P-vectors by layer to one `.npz` file, atomically.

    The file holds plain arrays, named `<index>/<field>`, with the names of the layers
    in `layers`; `numpy.load` can read it.
    """
    arrays: dict[str, Any] = {"layers": np.array(list(p_vectors), dtype=str)}
    for i, p in enumerate(p_vectors.values()):
        for field in dataclasses.fields(p):
            value = getattr(p, field.name)
            if value is not None:
                arrays[f"{i}/{field.name}"] = value
    with write_atomically(Path(path)) as file:
        np.savez(file, **arrays)


def load_p_vectors(path: str | os.PathLike) -> dict[str, PVector]:
    """Reads what `save_p_vectors` wrote: P-vectors by layer.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or keras_pvec did not write it.
    """
    arrays = read_arrays(path)
    fields = [field.name for field in dataclasses.fields(PVector)]
    p_vectors = {}
    try:
        for i, layer in enumerate(arrays["layers"].tolist()):
            stored: dict[str, Any] = {
                name: _scalar_or_array(arrays[f"{i}/{name}"])
                for name in fields
                if f"{i}/{name}" in arrays
            }
            p_vectors[layer] = PVector(**stored)
            _check_arrays(p_vectors[layer])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error
    return p_vectors


def _check_arrays(p: PVector) -> None:
    """Raises a `ValueError` if stored arrays cannot be those of one P-vector."""
    n_samples, _ = p.vectors.shape
    per_sample = (p.row_norms, p.centered_vector)
    if (
        p.vectors.size == 0
        or p.singular_values.ndim != 1
        or p.error_deg.ndim != 1
        or not p.error_deg.size
        or any(a is not None and a.shape != (n_samples,) for a in per_sample)
        or not (p.singular_values[:1] > 0).all()
        or not p.singular_values.size
        or not p.frobenius_norm > 0
    ):
        raise ValueError("arrays of one P-vector do not match")


def _scalar_or_array(array: np.ndarray) -> Any:
    return array.item() if array.ndim == 0 else array


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads all arrays of an `.npz` file that keras_pvec wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or keras_pvec did not write it.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        raise
    # The type of NumPy's error depends on where the file is damaged.
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | os.PathLike, error: Exception) -> ValueError:
    return ValueError(
        f"{path} cannot be read; it is damaged, or not a file of keras_pvec "
        f"({type(error).__name__})."
    )


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Opens a binary file that replaces `path` only once it is complete and on disk."""
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def replace_atomically(
    path: Path, save: Callable[[str], None], suffix: str | None = None
) -> None:
    """As `write_atomically`, for a `save` that opens the file by its name.

    Args:
        path: Path of the file.
        save: Writes the file to the path that it receives.
        suffix: Extension that `save` requires; default: that of `path`.
    """
    suffix = suffix or path.suffix
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL_SUFFIX}{suffix}")
    try:
        save(str(partial))
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def csv_cell(value: Any) -> Any:
    """A value for the CSV writer: `None` is empty, floats are not rounded."""
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, (float, np.floating)) else value


def csv_bytes(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The content of a CSV file; missing values are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: csv_cell(value) for key, value in row.items()} for row in rows
    )
    return text.getvalue().encode()


def _read_whole_lines(path: Path) -> str:
    """The text of a file, without an incomplete last line."""
    # A spreadsheet may have put a byte order mark before the header.
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    return text[: text.rfind("\n") + 1]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Reads the complete rows of a CSV file of a run, as text.

    Raises:
        RunConflictError: The file has no columns `epoch` and `step`.
    """
    reader = csv.DictReader(io.StringIO(_read_whole_lines(path)))
    if reader.fieldnames and not {"epoch", "step"} <= set(reader.fieldnames):
        raise RunConflictError(
            f"{path} is not a file of keras_pvec: it has no columns epoch and step. "
            "Choose another folder, or delete it."
        )
    return list(reader)


def read_table(path: Path) -> pandas.DataFrame:
    """Reads the complete rows of a CSV file of a run as a table."""
    import pandas

    return pandas.read_csv(io.StringIO(_read_whole_lines(path)))
