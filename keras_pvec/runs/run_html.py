"""A run as a small HTML table, for notebooks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from keras_pvec.html_tables import html_table, number_text

if TYPE_CHECKING:
    from keras_pvec.runs.reader import Run

_HEADER = ("layer", "reference", "angle", "null", "z", "centred", "energy")
# Rows beyond these are counted only.
_MAX_ROWS = 12


def run_html(run: Run) -> str:
    """The last row of each layer and reference of a log, in degrees.

    Raises:
        RunError: The run cannot be read.
    """
    info, moments = run.info, run.moments
    samples = info.logged_with
    facts = [str(run.path)]
    if samples is not None and samples.samples_name is not None:
        facts.append(f"samples {samples.samples_name}")
    if moments:
        facts.append(f"{len(moments)} moments, last epoch {moments[-1].epoch}")
    facts.append("finished" if info.complete else "not finished")
    log = run.log
    last = log.groupby(["layer", "reference"], sort=False, dropna=False).tail(1)
    rows = [_row(cells) for cells in last.to_dict("records")]
    if len(rows) > _MAX_ROWS:
        rows = [*rows[:_MAX_ROWS], [f"... {len(rows) - _MAX_ROWS} more rows"]]
    return html_table("; ".join(facts), _HEADER, rows)


def _row(cells: dict[Any, Any]) -> list[str]:
    reference = cells["reference"]
    is_missing = reference is None or (
        isinstance(reference, float) and math.isnan(reference)
    )
    return [
        str(cells["layer"]),
        "-" if is_missing or not reference else str(reference),
        *(
            number_text(cells[name])
            for name in ("angle_deg", "null_angle_deg", "z", "centered_angle_deg")
        ),
        number_text(cells["energy1"], decimals=2),
    ]
