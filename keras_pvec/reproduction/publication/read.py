"""Reads what is published."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from keras_pvec.reproduction.report import (
    CLAIMS_FILE,
    READINGS_FILE,
    RUNS_FILE,
    typed_specifications,
)

SETTINGS_FILE = "settings.json"
# Columns that the page needs; tables of earlier versions may lack some.
_NEEDED = {
    CLAIMS_FILE: ("claim", "verdict", "evidence", "is_primary", "is_centred"),
    READINGS_FILE: ("claim", "verdict", "is_primary", "is_mistake"),
    RUNS_FILE: ("model", "variant", "seed", "status", "accuracy", "well_trained"),
}
# The entry of the settings that names tables that are too large to publish.
LEFT_OUT = "tables_left_out"


class PublicationError(ValueError):
    """A folder does not hold results, or not such as can be published."""


@dataclasses.dataclass(frozen=True)
class PublishedResults:
    """What is published of one data set.

    Attributes:
        name: Of the data set.
        claims: One row per claim and reading, as `claims_table` gives them.
        readings: One row per claim and reading, as `specification_table` gives them.
        runs: The networks, as `runs_table` gives them; empty for pretrained ones.
        settings: Of each study, by its name.
    """

    name: str
    claims: pd.DataFrame
    readings: pd.DataFrame
    runs: pd.DataFrame
    settings: Mapping[str, Mapping[str, Any]]


def read_published(folder: Path) -> list[PublishedResults]:
    """Reads the published tables of all data sets, in alphabetical order.

    Args:
        folder: Where published results are.

    Raises:
        PublicationError: There are none, or some cannot be read.
    """
    by_dataset: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob(SETTINGS_FILE)):
        study = path.parent
        # Networks that come trained have one study and no data set.
        dataset = study if study.parent == folder else study.parent
        by_dataset.setdefault(dataset, []).append(study)
    if not by_dataset:
        raise PublicationError(
            f"{folder} holds no published results: no folder in it has a "
            f"{SETTINGS_FILE}."
        )
    return [_read(dataset, studies) for dataset, studies in by_dataset.items()]


def read_table(path: Path) -> pd.DataFrame:
    """A table with nullable types: an empty cell does not turn a count into a fraction.

    Raises:
        PublicationError: It cannot be read, or lacks columns.
    """
    try:
        table = pd.read_csv(path, dtype_backend="numpy_nullable")
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise PublicationError(f"{path} cannot be read ({error}).") from error
    missing = [name for name in _NEEDED.get(path.name, ()) if name not in table]
    if missing:
        raise PublicationError(
            f"{path} has no columns {', '.join(missing)}. Run its experiment again "
            "with `--notrain`."
        )
    return table


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a study.

    Raises:
        PublicationError: They cannot be read.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PublicationError(f"{path} cannot be read ({error}).") from error
    if not isinstance(settings, dict):
        raise PublicationError(f"{path} holds no settings: it is no JSON object.")
    return settings


def _read(dataset: Path, studies: list[Path]) -> PublishedResults:
    runs = dataset / RUNS_FILE
    readings = _joined(studies, READINGS_FILE)
    return PublishedResults(
        dataset.name,
        _joined(studies, CLAIMS_FILE),
        typed_specifications(readings) if len(readings) else readings,
        read_table(runs) if runs.exists() else pd.DataFrame(),
        {study.name: read_settings(study / SETTINGS_FILE) for study in studies},
    )


def _joined(studies: list[Path], name: str) -> pd.DataFrame:
    """The tables of this name of all studies, one below the other."""
    tables = [read_table(study / name) for study in studies if (study / name).exists()]
    tables = [table for table in tables if len(table)]
    # A column that is empty in one file gets the type that it has in another.
    types: dict[str, Any] = {}
    for table in tables:
        for column in table:
            if table[column].notna().any():
                types.setdefault(column, table[column].dtype)
    typed = [
        table.astype(
            {
                column: types.get(column, "string")
                for column in table
                if table[column].isna().all()
            }
        )
        for table in tables
    ]
    return pd.concat(typed, ignore_index=True) if typed else pd.DataFrame()
