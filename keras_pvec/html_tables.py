"""Small HTML tables of results, for notebooks."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

_STYLE = "text-align: left"


def html_table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """A table with escaped texts.

    Args:
        caption: Text above the table.
        header: Titles of the columns.
        rows: Cells as text. The last cell of a shorter row spans the missing ones.
    """
    head = "".join(f"<th>{html.escape(title)}</th>" for title in header)
    body = "".join(f"<tr>{_cells(row, len(header))}</tr>" for row in rows)
    return (
        f'<table><caption style="{_STYLE}">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(row: Sequence[str], n_columns: int) -> str:
    missing = n_columns - len(row)
    span = f' colspan="{missing + 1}"' if missing > 0 else ""
    *first, last = (html.escape(cell) for cell in row)
    return "".join(f"<td>{cell}</td>" for cell in first) + f"<td{span}>{last}</td>"


def number_text(value: float | None, decimals: int = 1) -> str:
    """A rounded number; `-` if it is missing. Tiny ones keep a significant digit."""
    if value is None or math.isnan(value):
        return "-"
    text = f"{value:.{decimals}f}"
    return f"{value:.1g}" if value != 0 and float(text) == 0 else text
