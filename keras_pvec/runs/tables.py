"""CSV files of a run: `log.csv` and `metrics.csv`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_pvec.runs.errors import DamagedRunError, RunNotFoundError
from keras_pvec.runs.reading import read_content
from keras_pvec.runs.schema import LOG_COLUMNS, MAX_EPOCH, MAX_STEP, Moment

if TYPE_CHECKING:
    import pandas

# Columns of log.csv that hold text.
TEXT_COLUMNS = ("layer", "reference", "samples_sha256")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}(\.0)?", re.ASCII)


def csv_bytes(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The content of a CSV file; missing values are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: _csv_cell(value) for key, value in row.items()} for row in rows
    )
    return text.getvalue().encode()


def log_bytes(rows: Iterable[Mapping[str, Any]]) -> tuple[bytes, bytes]:
    """The header of `log.csv`, and rows, each with its line break."""
    content = csv_bytes(
        LOG_COLUMNS, ({key: row.get(key) for key in LOG_COLUMNS} for row in rows)
    )
    header, newline, lines = content.partition(b"\n")
    return header + newline, lines


def _csv_cell(value: Any) -> Any:
    """A value for the CSV writer: `None` is empty, floats are not rounded."""
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, (float, np.floating)) else value


def read_whole_lines(path: Path) -> str:
    """The text of a CSV file, without an incomplete last line; empty if there is no
    such file.

    Raises:
        DamagedRunError: The file cannot be read, or is not text.
    """
    try:
        content = read_content(path)
    except RunNotFoundError:
        return ""
    return whole_lines(path, content)


def whole_lines(path: Path, content: bytes) -> str:
    """The text in the content of a CSV file, without an incomplete last line."""
    try:
        # A spreadsheet may have put a byte order mark before the header.
        text = content[: content.rfind(b"\n") + 1].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedRunError(path, f"it is not text ({error})") from error
    if "\0" in text:
        raise DamagedRunError(path, "it is not text (it has null characters)")
    return text


def parse_rows(path: Path, text: str) -> list[dict[str, str]]:
    """The rows of a CSV file of a run, as text, with whole numbers in `epoch` and
    `step`.

    Raises:
        DamagedRunError: The columns `epoch` and `step` are missing, or a row does not
            fit the header.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = reader.fieldnames or []
        if columns and not {"epoch", "step"} <= set(columns):
            raise DamagedRunError(path, "it has no columns epoch and step")
        if len(set(columns)) < len(columns):
            raise DamagedRunError(path, "two of its columns have the same name")
        rows = []
        for number, row in enumerate(reader, start=2):
            # A row that is too long has the key None, one that is too short the value.
            if None in row or None in row.values():
                raise DamagedRunError(path, f"row {number} does not fit the header")
            _check_moment(path, number, row)
            rows.append(row)
    except csv.Error as error:
        raise DamagedRunError(path, f"it is not a CSV file ({error})") from error
    return rows


def _check_moment(path: Path, number: int, row: Mapping[str, str]) -> None:
    for column, low, high in (("epoch", -1, MAX_EPOCH), ("step", 0, MAX_STEP)):
        cell = row[column]
        if not _WHOLE_NUMBER.fullmatch(cell) or not low <= int(float(cell)) <= high:
            received = repr(cell[:40]) if cell else "an empty cell"
            raise DamagedRunError(
                path,
                f"row {number}: `{column}` must be a whole number from {low} to "
                f"{high}. Received: {received}",
            )


def moment_of(row: Mapping[str, str]) -> Moment:
    """The moment of a row that `parse_rows` returned."""
    return Moment(int(float(row["epoch"])), int(float(row["step"])))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Reads the complete rows of a CSV file of a run; see `parse_rows`."""
    return parse_rows(path, read_whole_lines(path))


def parse_table(
    path: Path, text: str, text_columns: Iterable[str] = ()
) -> pandas.DataFrame:
    """The rows of a CSV file of a run as a table.

    Args:
        path: Path of the file, for errors.
        text: Its whole lines.
        text_columns: Columns that need not hold numbers.

    Raises:
        DamagedRunError: As `parse_rows`; or a cell is not a number.
    """
    import pandas

    rows = parse_rows(path, text)
    try:
        table = pandas.read_csv(io.StringIO(text), **_exact_numbers())
        if len(table) != len(rows):
            raise ValueError("its rows do not fit its header")
    except (ValueError, OverflowError) as error:
        raise DamagedRunError(path, f"it is not a table ({error})") from error
    numbers = [column for column in table if column not in {*text_columns}]
    try:
        typed_columns(table, numbers)
    except ValueError as error:
        raise DamagedRunError(path, str(error)) from error
    return table


def _exact_numbers() -> dict[str, Any]:
    """Options of `pandas.read_csv` that read numbers as they were written. Later
    versions do so by default; before pandas 3, the last digit may differ."""
    import pandas

    is_old = int(pandas.__version__.partition(".")[0]) < 3
    return {"float_precision": "round_trip"} if is_old else {}


def parse_log(path: Path, text: str) -> pandas.DataFrame:
    """The table of `log.csv`; see `parse_table`.

    Raises:
        DamagedRunError: A column is missing, or a cell has the wrong type.
    """
    table = parse_table(path, text, TEXT_COLUMNS)
    try:
        typed_log(table)
    except ValueError as error:
        raise DamagedRunError(path, str(error)) from error
    return table


def read_log(path: Path) -> pandas.DataFrame:
    """The complete rows of a `log.csv`, which need not be in a run folder.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: It is not a log, or a cell has the wrong type.
    """
    return parse_log(path, whole_lines(path, read_content(path)))


def read_metrics(path: Path) -> pandas.DataFrame:
    """The complete rows of a `metrics.csv`, one row per epoch.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: It is not such a file, or a cell is not a number.
    """
    return parse_table(path, whole_lines(path, read_content(path)))


def typed_log(log: pandas.DataFrame) -> pandas.DataFrame:
    """The log with its numeric columns converted; a missing reference becomes "".

    Raises:
        ValueError: A column is missing, or a cell has the wrong type.
    """
    if missing := [column for column in LOG_COLUMNS if column not in log]:
        raise ValueError(f"missing columns {', '.join(missing)}")
    numbers = [column for column in LOG_COLUMNS if column not in TEXT_COLUMNS]
    typed = typed_columns(log, numbers)
    if (unnamed := log["layer"].isna()).any():
        raise ValueError(f"row {_spreadsheet_row(unnamed)}: `layer` is empty")
    names = {
        "layer": log["layer"].astype(str),
        "reference": log["reference"].astype(object).fillna("").astype(str),
    }
    return typed.assign(**names)


def typed_columns(table: pandas.DataFrame, columns: Iterable[str]) -> pandas.DataFrame:
    """A table with numbers in the given columns, whole ones in `epoch` and `step`.

    Raises:
        ValueError: A cell is not such a number; the message names its row.
    """
    import pandas as pd

    numbers = {}
    limits = {"epoch": (-1, MAX_EPOCH), "step": (0, MAX_STEP)}
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = values.isna() & table[column].notna()
        if column in limits:
            wrong |= values.isna() | (values % 1 != 0)
            wrong |= ~values.between(*limits[column])
        if wrong.any():
            cell = table[column][wrong].iloc[0]
            received = "an empty cell" if pd.isna(cell) else repr(cell)
            raise ValueError(
                f"row {_spreadsheet_row(wrong)}: `{column}` must be a "
                f"{'whole ' if column in limits else ''}number. Received: {received}"
            )
        numbers[column] = values.astype(int) if column in limits else values
    return table.assign(**numbers)


def _spreadsheet_row(wrong: pandas.Series) -> int:
    """Row of the first wrong cell, counted from 1; the header is row 1."""
    return int(np.flatnonzero(wrong)[0]) + 2
