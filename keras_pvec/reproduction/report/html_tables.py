"""Tables of the HTML page that can be sorted and filtered."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_pvec.reproduction.claims import Verdict
from keras_pvec.reproduction.figures import quantity_label
from keras_pvec.reproduction.report.charts import MatrixChart

_RUN_COLUMNS = {
    "model": "model",
    "variant": "variant",
    "seed": "seed",
    "epochs": "epochs",
    "n_train": "training images",
    "n_parameters": "parameters",
    "accuracy": "accuracy",
    "well_trained": "well trained",
    "training_hours": "training time (hours)",
}
_READING_COLUMNS = (
    *("claim", "reading", "verdict", "share that meets it", "quantity", "effect"),
    *("95% interval", "nulls that meet it", "notes"),
)
_PAIR_COLUMNS = (
    *("network", "other network", "angle (degrees)", "permutation null", "z"),
    "column-centred angle",
)


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: What it shows.
        order: What it is sorted by; `None` for its text.
    """

    text: str
    order: float | None = None


class Row(NamedTuple):
    """A row of a table, and what it is filtered by.

    Attributes:
        cells: One for each column.
        filters: As `filter_attributes` returns them.
    """

    cells: Sequence[Cell]
    filters: str = ""


def filter_attributes(
    runs: Iterable[tuple[str, str]] | None = None,
    claims: Iterable[str] | None = None,
    readings: Iterable[str] | None = None,
) -> str:
    """Attributes of an element that hide it where a filter excludes it.

    Args:
        runs: Model and seed of each run that it is about; `None` for no filter, as in
            the following.
        claims: Ids of its claims.
        readings: Names of its readings.
    """
    lists = {"runs": runs, "claims": claims, "readings": readings}
    return "".join(
        f' data-{name}="{html.escape(json.dumps([*values]), quote=True)}"'
        for name, values in lists.items()
        if values is not None
    )


def sortable_table(caption: str, columns: Iterable[str], rows: Iterable[Row]) -> str:
    """A table whose headers scripts make buttons that sort it."""
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join(
        f"<tr{row.filters}>{''.join(map(_cell, row.cells))}</tr>" for row in rows
    )
    label = html.escape(caption, quote=True)
    return (
        f'<div class="rows" role="region" tabindex="0" aria-label="{label}">'
        f'<table class="sortable"><caption>{label}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def runs_html(runs: pd.DataFrame) -> str:
    """The runs behind a section.

    Args:
        runs: As `runs_table` returns them.
    """
    rows = [
        Row(
            [_value(row[name]) for name in _RUN_COLUMNS],
            filter_attributes([(_text(row["model"]), _text(row["seed"]))]),
        )
        for _, row in runs.iterrows()
    ]
    return sortable_table("Runs", _RUN_COLUMNS.values(), rows)


def readings_html(readings: pd.DataFrame) -> str:
    """All claims under all readings.

    Args:
        readings: As `specification_table` returns them.
    """
    rows = [
        Row(
            [
                *(Cell(_text(row["claim"])), Cell(_text(row["reading"]))),
                Cell(row["verdict"], verdict_order(row["verdict"])),
                _share(row),
                Cell(_quantity(row)),
                _value(row["effect"]),
                _interval(row),
                Cell(_text(row["nulls_that_meet_it"])),
                Cell(_notes(row)),
            ],
            filter_attributes(
                claims=[_text(row["claim"])], readings=[_text(row["reading"])]
            ),
        )
        for _, row in readings.iterrows()
    ]
    return sortable_table("Results under each reading", _READING_COLUMNS, rows)


def pairs_html(chart: MatrixChart) -> str:
    """The pairs behind a matrix of angles."""
    rows = [
        Row(
            [
                *(Cell(pair.first), Cell(pair.second)),
                *(
                    _value(value, decimals=2)
                    for value in (pair.angle, pair.null, pair.z, pair.centred)
                ),
            ],
            filter_attributes(pair.runs),
        )
        for pair in chart.pairs
    ]
    return sortable_table("Pairs of networks", _PAIR_COLUMNS, rows)


def verdict_order(verdict: str) -> int:
    """The place of a verdict, from reproduced to described."""
    return [member.value for member in Verdict].index(verdict)


def _cell(cell: Cell) -> str:
    order = "" if cell.order is None else f' data-order="{cell.order:g}"'
    return f"<td{order}>{html.escape(cell.text)}</td>"


def _value(value: object, decimals: int = 3) -> Cell:
    """A cell of text, of a truth value, or of a number, sorted by its value."""
    if pd.isna(value):
        return Cell("")
    if isinstance(value, str):
        return Cell(value)
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no", float(value))
    if isinstance(value, int | np.integer):
        return Cell(str(value), float(value))
    assert isinstance(value, float | np.floating)
    return Cell(f"{value:.{decimals}f}", float(value))


def _share(row: pd.Series) -> Cell:
    if pd.isna(row["share"]):
        return Cell("")
    text = f"{row['share']:.0%} ({row['share_low']:.0%} to {row['share_high']:.0%})"
    return Cell(text, row["share"])


def _interval(row: pd.Series) -> Cell:
    if pd.isna(row["effect_low"]) or pd.isna(row["effect_high"]):
        return Cell("")
    text = f"{row['effect_low']:.2f} to {row['effect_high']:.2f}"
    return Cell(text, row["effect_low"])


def _quantity(row: pd.Series) -> str:
    if pd.isna(row["quantity"]):
        return ""
    return quantity_label(row["quantity"], _text(row["unit"]))


def _notes(row: pd.Series) -> str:
    without = _text(row["without"])
    notes = [_text(row["obstacle"]), f"without {without}" if without else ""]
    return "; ".join(note for note in notes if note)


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)
