"""Interactive charts from the tables of the figures that they stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.claims import ClaimResult
from keras_pvec.reproduction.figures import VERDICT_STYLES
from keras_pvec.reproduction.figures.look import styles
from keras_pvec.reproduction.report.charts import (
    Chart,
    Curve,
    CurveChart,
    MatrixChart,
    Numbers,
    Pair,
    ReadingChart,
    ReadingPoint,
)
from keras_pvec.reproduction.report.specification import (
    column_centred,
    reading_name,
)

MAX_POINTS_PER_CURVE = 200
MAX_POINTS_PER_CHART = 8000
_FEWEST_POINTS = 16
_DECIMALS = 2


class _Layout(NamedTuple):
    """Columns of a table of curves: of the horizontal axis, and of the panels."""

    x: str
    panels: tuple[str, ...] = ()


_LAYOUTS = {
    "angle_to_final": _Layout(col.EPOCH),
    "angle_to_untrained": _Layout(col.EPOCH),
    "angle_to_data": _Layout(col.EPOCH),
    "angle_to_references": _Layout(col.EPOCH, (col.REFERENCE,)),
    "first_epoch": _Layout(col.STEP, (col.REFERENCE, col.SPLIT)),
}
_MATRIX = "angle_matrix"


def charts_of(
    tables: Mapping[str, pd.DataFrame], results: Sequence[ClaimResult]
) -> dict[str, Chart]:
    """The charts of a study, by name of the table that each shows.

    Tables of other contents have none.

    Args:
        tables: The tables of a study, by name.
        results: Its results under the reading that the tables belong to.
    """
    readings = _distinct(reading_name(result) for result in results)
    centred = _distinct(
        reading_name(
            dataclasses.replace(result, reading=column_centred(result.reading))
        )
        for result in results
    )
    charts: dict[str, Chart] = {}
    for name, table in tables.items():
        if not table.empty and name in _LAYOUTS:
            charts[name] = _curve_chart(table, _LAYOUTS[name], readings, centred)
        elif not table.empty and name == _MATRIX:
            seeds = _seeds_of_runs(tables.values())
            charts[name] = _matrix_chart(table, seeds, readings, centred)
    return charts


def reading_chart(table: pd.DataFrame, y_label: str) -> ReadingChart | None:
    """The specification curve of one claim; `None` if no reading has an effect.

    Args:
        table: As `specification_table` returns it, of one claim.
        y_label: The quantity and its unit.
    """
    shown = table[table["effect"].notna()].sort_values("effect", kind="stable")
    colours = {
        verdict.value: str(look.colour) for verdict, look in VERDICT_STYLES.items()
    }
    numbers = {
        name: _numbers(shown[name], decimals=4)
        for name in ("effect", "effect_low", "effect_high", "share")
    }
    points = tuple(
        ReadingPoint(reading, verdict, colours[verdict], effect, low, high, share)
        for reading, verdict, effect, low, high, share in zip(
            *(shown["reading"], shown["verdict"]), *numbers.values(), strict=True
        )
        if effect is not None
    )
    return ReadingChart(y_label, points) if points else None


def thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Indices of the values that stand for all of them: the first, the last, and the
    least and the greatest of each stretch, so that peaks stay.

    Args:
        values: Shape `(n,)`; may hold NaN.
        most: Largest number of indices, 4 or more.

    Returns:
        The indices in increasing order; all of them if there are `most` or fewer.
    """
    if len(values) <= most:
        return np.arange(len(values))
    finite = np.where(np.isnan(values), 0.0, values)
    stretches = np.array_split(np.arange(1, len(values) - 1), (most - 2) // 2)
    kept = {0, len(values) - 1}
    for stretch in stretches:
        kept |= {
            int(stretch[finite[stretch].argmin()]),
            int(stretch[finite[stretch].argmax()]),
        }
    return np.array(sorted(kept))


def _curve_chart(
    table: pd.DataFrame,
    layout: _Layout,
    readings: tuple[str, ...],
    centred: tuple[str, ...],
) -> CurveChart:
    panels = _panel_titles(table, layout.panels)
    titles = _distinct(panels)
    series = [
        rows.sort_values(layout.x, kind="stable")
        for _, rows in table.groupby([panels, table[col.RUN]], sort=False)
    ]
    most = MAX_POINTS_PER_CHART // len(series)
    most = min(max(most, _FEWEST_POINTS), MAX_POINTS_PER_CURVE)
    colours = {n: str(look.colour) for n, look in styles(table[col.MODEL]).items()}
    curves = tuple(
        _curve(rows, layout.x, most, titles.index(panels[rows.index[0]]), colours)
        for rows in series
    )
    return CurveChart(
        titles,
        "epochs trained" if layout.x == col.EPOCH else "step",
        curves,
        readings,
        centred,
        n_moments=len(table),
        n_drawn=sum(len(curve.x) for curve in curves),
    )


def _curve(
    rows: pd.DataFrame, x: str, most: int, panel: int, colours: Mapping[str, str]
) -> Curve:
    kept = rows.iloc[thinned(rows[col.ANGLE_DEG].to_numpy(float), most)]
    first = kept.iloc[0]
    model = str(first[col.MODEL])
    return Curve(
        ((model, _text(first[col.SEED])),),
        str(first[col.RUN]),
        panel,
        colours[model],
        _numbers(kept[x] + (x == col.EPOCH)),  # epochs count from 0
        *(
            _numbers(kept[name])
            for name in (
                *(col.ANGLE_DEG, col.NULL_ANGLE_DEG),
                *(col.NULL_LOW_DEG, col.NULL_HIGH_DEG, col.CENTERED_ANGLE_DEG),
            )
        ),
    )


def _panel_titles(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """The panel of each row; `""` where there is one panel."""
    words = {col.REFERENCE: "to {}", col.SPLIT: "{} samples"}
    titles = pd.Series("", index=table.index)
    for name in columns:
        parts = [words[name].format(value) for value in table[name]]
        separator = np.where(titles == "", "", ", ")
        titles = titles + separator + pd.Series(parts, index=table.index)
    return titles


def _matrix_chart(
    table: pd.DataFrame,
    seeds: Mapping[str, str],
    readings: tuple[str, ...],
    centred: tuple[str, ...],
) -> MatrixChart:
    groups = _distinct([*table[col.GROUP], *table[col.OTHER_GROUP]])
    numbers = [
        _numbers(table[name])
        for name in (
            *(col.ANGLE_DEG, col.NULL_ANGLE_DEG),
            col.Z,
            col.CENTERED_ANGLE_DEG,
        )
    ]
    names = [table[name] for name in (col.RUN, col.OTHER, col.GROUP, col.OTHER_GROUP)]
    pairs = tuple(
        Pair(
            ((group, seeds.get(run, "")), (other_group, seeds.get(other, ""))),
            *(str(run), str(other)),
            *(groups.index(group), groups.index(other_group)),
            *values,
        )
        for run, other, group, other_group, *values in zip(
            *names, *numbers, strict=True
        )
    )
    return MatrixChart(groups, pairs, readings, centred)


def _seeds_of_runs(tables: Iterable[pd.DataFrame]) -> dict[str, str]:
    """The seed of each run, from the tables that tell."""
    return {
        run: _text(seed)
        for table in tables
        if {col.RUN, col.SEED} <= {*table}
        for run, seed in zip(table[col.RUN], table[col.SEED], strict=True)
    }


def _numbers(values: pd.Series, decimals: int = _DECIMALS) -> Numbers:
    """Rounded values; `None` where there is none."""
    rounded = values.astype("Float64").round(decimals)
    found = rounded.to_numpy(dtype=float, na_value=np.nan)
    return tuple(float(x) if np.isfinite(x) else None for x in found)


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, values)))
