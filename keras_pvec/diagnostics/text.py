"""Plain text of tables and numbers for a terminal, and JSON for programs."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_GAP = "  "
# A shortened name keeps at least this many characters.
_MIN_NAME = 8


def format_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    names: int = 1,
    width: int = 80,
) -> str:
    """An aligned table that fits the width, if it can.

    Args:
        header: Titles of the columns.
        rows: Cells as text.
        names: How many columns, counted from the left, hold names. They and the last
            column are aligned to the left, numbers to the right. Names are shortened if
            the table would be too wide.
        width: Largest number of characters in a line.
    """
    columns = [list(column) for column in zip(header, *rows, strict=True)]
    excess = sum(_width(c) for c in columns) + len(_GAP) * (len(columns) - 1) - width
    while excess > 0:
        longest = max(range(names), key=lambda i: _width(columns[i]))
        size = _width(columns[longest]) - excess
        column = [shorten(name, max(size, _MIN_NAME)) for name in columns[longest]]
        gained = _width(columns[longest]) - _width(column)
        # Shortened names must still distinguish the rows.
        if gained <= 0 or len(set(column)) < len(set(columns[longest])):
            break
        columns[longest] = column
        excess -= gained
    aligned = [
        [cell.ljust(_width(column)) for cell in column]
        if i < names or i == len(columns) - 1
        else [cell.rjust(_width(column)) for cell in column]
        for i, column in enumerate(columns)
    ]
    return "\n".join(_GAP.join(line).rstrip() for line in zip(*aligned, strict=True))


def _width(column: Sequence[str]) -> int:
    return max(map(len, column))


def shorten(name: str, size: int) -> str:
    """Shortens a name to `size` characters, nearer to its beginning, which the names of
    nested layers share."""
    if len(name) <= size:
        return name
    begin = (size - 2) // 4
    return f"{name[:begin]}..{name[len(name) - (size - 2 - begin) :]}"


def wrap(text: str, width: int, *, first: str = "") -> str:
    """Text in lines of at most `width` characters; paths and numbers stay whole.

    Args:
        text: A paragraph.
        width: Largest number of characters in a line.
        first: Prefix of the first line; the other lines are indented by its length.
    """
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def format_number(value: float | None, decimals: int = 1) -> str:
    """A rounded number; `-` if unknown. Tiny numbers keep one significant digit."""
    if value is None or math.isnan(value):
        return "-"
    if abs(value) >= 1e5:
        return f"{value:.0e}"
    rounded = f"{value:.{decimals}f}"
    return f"{value:.1g}" if value != 0 and float(rounded) == 0 else rounded


def count_of(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun, as in "1 row" and "14,503 rows"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def format_json(value: Any) -> str:
    """JSON text of results. NaN and infinity become null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    """Results as JSON types: dicts, lists, text, numbers, booleans and null."""
    if isinstance(value, enum.Enum):
        return value.value
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
