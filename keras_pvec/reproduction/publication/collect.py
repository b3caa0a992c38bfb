"""Copies the small tables of a reproduction to the folder that is published."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from keras_pvec.reproduction.publication.read import (
    LEFT_OUT,
    SETTINGS_FILE,
    PublicationError,
    read_settings,
    read_table,
)
from keras_pvec.reproduction.report import RUNS_FILE
from keras_pvec.runs import write_atomically
from keras_pvec.runs.spreadsheet import write_spreadsheet

# As the experiments name it.
_FLAGS_FILE = "flags.json"
# Settings that say where files are, or how fast the work was done, not what was done.
_LOCAL = (
    *("data_dir", "runs_dir", "out_dir", "images", "pretrained_images", "weights"),
    *("pretrained_weights", "labels", "pretrained_labels", "results_dir"),
    *("workers", "device", "train", "cluster", "ray_address", "num_cpus", "num_gpus"),
)
# Larger tables are made again by the command, and do not belong in a repository.
_MAX_BYTES = 150_000
_DIGITS = 6


@dataclasses.dataclass(frozen=True)
class PublishedStudy:
    """What was copied of one study.

    Attributes:
        folder: Where to.
        tables: Names of the tables.
        left_out: Number of rows of the tables that are too large, by name.
    """

    folder: Path
    tables: tuple[str, ...]
    left_out: dict[str, int]


def collect_results(out_dir: Path, folder: Path) -> list[PublishedStudy]:
    """Copies tables and settings to `<folder>/<dataset>/<study>/`.

    Numbers are rounded to six significant digits. Settings that name folders of the
    machine are left out, and so are tables of more than 150 kB. Tables of an earlier
    publication of the same study are removed.

    Args:
        out_dir: Results of `reproduce.py` or of one experiment.
        folder: Where published results are.

    Raises:
        PublicationError: `out_dir` holds no results, or some that cannot be read.
    """
    studies = sorted(path.parent for path in out_dir.rglob(_FLAGS_FILE))
    if not studies:
        raise PublicationError(
            f"{out_dir} holds no results: no folder in it has a {_FLAGS_FILE}. Name "
            "the `out_dir` of an experiment."
        )
    # Read before anything is written, so that damaged results leave no half of them.
    copies = [_read_study(study, folder) for study in studies]
    runs = [_read_table(path) for path in sorted(out_dir.rglob(RUNS_FILE))]
    published = [_write_study(copy) for copy in copies]
    for table in runs:
        dataset = _dataset_below(table.source.parent)
        if dataset is not None:
            _write(folder / dataset / RUNS_FILE, table.content)
    return published


class _Table(NamedTuple):
    """A table, rounded, as a file."""

    source: Path
    content: bytes
    n_rows: int

    @property
    def is_small(self) -> bool:
        return len(self.content) <= _MAX_BYTES


class _Copy(NamedTuple):
    """What is to be written of a study."""

    target: Path
    settings: dict[str, Any]
    tables: list[_Table]


def _read_study(study: Path, folder: Path) -> _Copy:
    settings = read_settings(study / _FLAGS_FILE)
    dataset = settings.get("dataset")
    target = folder / study.name if dataset is None else folder / dataset / study.name
    tables = [_read_table(path) for path in sorted(study.glob("*.csv"))]
    return _Copy(target, settings, tables)


def _read_table(source: Path) -> _Table:
    table = read_table(source)
    content = io.BytesIO()
    write_spreadsheet(_rounded(table), content)
    return _Table(source, content.getvalue(), len(table))


def _write_study(copy: _Copy) -> PublishedStudy:
    target, settings, tables = copy
    target.mkdir(parents=True, exist_ok=True)
    kept = {table.source.name: table for table in tables if table.is_small}
    left_out = {t.source.stem: t.n_rows for t in tables if not t.is_small}
    for name, table in kept.items():
        _write(target / name, table.content)
    for old in target.glob("*.csv"):
        if old.name not in kept:
            old.unlink()
    settings = {name: value for name, value in settings.items() if name not in _LOCAL}
    text = json.dumps({**settings, LEFT_OUT: left_out}, indent=2, sort_keys=True)
    _write(target / SETTINGS_FILE, f"{text}\n".encode())
    return PublishedStudy(target, tuple(Path(name).stem for name in kept), left_out)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        file.write(content)


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose fractions have six significant digits."""
    rounded = table.copy()
    for name, dtype in table.dtypes.items():
        if pd.api.types.is_float_dtype(dtype):
            values = [
                None if pd.isna(x) else float(f"{x:.{_DIGITS}g}") for x in table[name]
            ]
            rounded[name] = pd.array(values, dtype="Float64")
    return rounded


def _dataset_below(folder: Path) -> str | None:
    """The data set of the studies in a folder."""
    for path in sorted(folder.glob(f"*/{_FLAGS_FILE}")):
        dataset = read_settings(path).get("dataset")
        if dataset is not None:
            return dataset
    return None
