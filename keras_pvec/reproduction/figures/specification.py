"""Specification curves: results of a claim under each of its readings."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from keras_pvec.reproduction.claims.reading import FACTORS
from keras_pvec.reproduction.figures.legends import Entry, legend_below
from keras_pvec.reproduction.figures.look import add_height, entitle, new_figure
from keras_pvec.reproduction.figures.reading_labels import (
    factor_label,
    level_label,
    quantity_label,
)
from keras_pvec.reproduction.figures.verdicts import VERDICT_STYLES

_WIDTH = 10.0
_CURVE_INCHES = 2.8
_LEVEL_INCHES = 0.21
_CELL_INCHES = 0.3
_NOTE_CHARACTERS_PER_INCH = 13
_NOTE_LINE_INCHES = 0.18
_EMPTY = "0.85"
# How the marker of a verdict is drawn on its cell.
_SIGN: dict[str, Any] = {"ls": "none", "color": "white", "ms": 6.5, "mew": 0}
# Through the marked readings, by the column that marks them.
_LINES = {
    "is_primary": Entry(Line2D([], [], color="black", lw=1.2), "primary reading"),
    "is_centred": Entry(
        Line2D([], [], color="black", lw=1.2, ls="--"), "column-centred reading"
    ),
}


class _Level(NamedTuple):
    """A row of the lower panel."""

    factor: str
    level: str


def specification_figure(
    table: pd.DataFrame, claim: str, title: str, note: str = ""
) -> Figure:
    """The specification curve of a claim: its effect under each reading, sorted, above
    the levels that each reading has.

    Readings without an effect are left out.

    Args:
        table: As `report.specification_table` gives it.
        claim: Id of the claim.
        title: What was trained on what.
        note: A line above the panels.

    Raises:
        ValueError: No reading of this claim has an effect.
    """
    readings = table[(table["claim"] == claim) & table["effect"].notna()]
    if readings.empty:
        raise ValueError(f"No reading of {claim} has an effect to draw.")
    readings = readings.sort_values("effect", kind="stable").reset_index(drop=True)
    levels = _levels(readings)
    lower = max(len(levels), 1) * _LEVEL_INCHES
    figure = new_figure(_WIDTH, _CURVE_INCHES + lower + 0.3)
    curve, dots = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [_CURVE_INCHES, lower]}
    )
    _draw_effects(curve, readings)
    _draw_levels(dots, readings, levels)
    for column, entry in _LINES.items():
        look = entry.handle.get_linestyle()
        for x in np.flatnonzero(readings[column]):
            for axes in (curve, dots):
                axes.axvline(x, color="black", lw=1.2, ls=look, zorder=0)
    curve.set_ylabel(_effect_label(readings))
    curve.grid(axis="y", alpha=0.3)
    dots.set_xlim(-0.7, len(readings) - 0.3)
    dots.set_xticks([])
    dots.set_xlabel(f"{len(readings)} readings, by effect")
    legend_below(figure, [curve], _marks(readings))
    _entitle_with_note(figure, f"{claim} under each reading: {title}", note)
    return figure


def overview_figure(table: pd.DataFrame, title: str) -> Figure:
    """The verdict on each claim under each reading.

    Columns are readings, the primary and the column-centred one first. A claim has no
    cell under a reading that it does not admit.

    Args:
        table: As `report.specification_table` gives it.
        title: What was trained on what.
    """
    claims = list(table["claim"].unique())
    first = table["is_primary"].astype(int) * 2 + table["is_centred"].astype(int)
    order = first.groupby(table["reading"], sort=False).max()
    readings = list(order.sort_values(ascending=False, kind="stable").index)
    n_characters = max(map(len, readings), default=0)
    figure = new_figure(
        max(_CELL_INCHES * len(readings) + 1.2, 6.0),
        _CELL_INCHES * len(claims) + 0.075 * n_characters + 0.3,
    )
    axes = figure.subplots()
    x = table["reading"].map({name: i for i, name in enumerate(readings)})
    y = table["claim"].map({name: i for i, name in enumerate(claims)})
    for verdict, style in VERDICT_STYLES.items():
        rows = table["verdict"] == verdict.value
        for left, top in zip(x[rows] - 0.44, y[rows] - 0.44, strict=True):
            axes.add_patch(Rectangle((left, top), 0.88, 0.88, fc=style.colour, lw=0))
        places = x[rows].to_numpy(float), y[rows].to_numpy(float)
        axes.plot(*places, marker=style.marker, **_SIGN)
    n_first = int((order > 0).sum())
    if 0 < n_first < len(readings):
        axes.axvline(n_first - 0.5, color="black", lw=0.8)
    axes.set_xlim(-0.6, len(readings) - 0.4)
    axes.set_ylim(len(claims) - 0.4, -0.6)
    axes.set_xticks(range(len(readings)), readings, rotation=90, fontsize="small")
    axes.set_yticks(range(len(claims)), claims)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    legend_below(figure, [], _cell_entries(table))
    entitle(figure, f"Verdicts under each reading: {title}")
    return figure


def _levels(readings: pd.DataFrame) -> list[_Level]:
    """The levels of factors that vary, in their own order."""
    found = []
    for kind, factor in FACTORS.items():
        present = {*readings[factor].dropna()}
        if len(present) > 1:
            found += [_Level(factor, e.value) for e in kind if e.value in present]
    return found


def _draw_effects(axes: Axes, readings: pd.DataFrame) -> None:
    """A marker with its interval for each reading."""
    for verdict, style in VERDICT_STYLES.items():
        rows = readings[readings["verdict"] == verdict.value]
        if rows.empty:
            continue
        effect = rows["effect"].to_numpy(float)
        low = rows["effect_low"].to_numpy(float, na_value=np.nan)
        high = rows["effect_high"].to_numpy(float, na_value=np.nan)
        axes.vlines(rows.index, low, high, color=style.colour, lw=2, alpha=0.6)
        axes.plot(
            rows.index,
            effect,
            ls="none",
            color=style.colour,
            marker=style.marker,
            ms=7,
            mec="white",
            mew=0.5,
            label=verdict.value,
        )


def _draw_levels(axes: Axes, readings: pd.DataFrame, levels: Sequence[_Level]) -> None:
    """A dot where a reading has a level, and the names of factors to the right."""
    places = np.arange(len(readings))
    factors = list(dict.fromkeys(level.factor for level in levels))
    for y, (factor, level) in enumerate(levels):
        has = (readings[factor] == level).fillna(False).to_numpy(bool)
        axes.plot(places[~has], np.full((~has).sum(), y), ".", color=_EMPTY, ms=4)
        axes.plot(places[has], np.full(has.sum(), y), "o", color="black", ms=4.5)
    for i, factor in enumerate(factors):
        rows = [y for y, level in enumerate(levels) if level.factor == factor]
        if i % 2 == 0:
            axes.axhspan(rows[0] - 0.5, rows[-1] + 0.5, color="0.95", lw=0, zorder=-1)
        axes.text(
            1.01,
            (rows[0] + rows[-1]) / 2,
            factor_label(factor),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize="small",
            fontweight="bold",
        )
    labels = [level_label(level.level) for level in levels]
    axes.set_yticks(range(len(levels)), labels, fontsize="small")
    axes.set_ylim(max(len(levels), 1) - 0.5, -0.5)
    axes.tick_params(length=0)


def _effect_label(readings: pd.DataFrame) -> str:
    pairs = readings[["quantity", "unit"]].fillna("").drop_duplicates()
    return "\n".join(quantity_label(q, u) for q, u in pairs.to_numpy())


def _marks(readings: pd.DataFrame) -> list[Entry]:
    """Legend entries for the lines through marked readings."""
    return [entry for column, entry in _LINES.items() if readings[column].any()]


def _cell_entries(table: pd.DataFrame) -> list[Entry]:
    """Legend entries for the cells of the verdicts that occur."""
    entries = []
    for verdict, style in VERDICT_STYLES.items():
        if (table["verdict"] == verdict.value).any():
            square = Line2D([], [], ls="none", marker="s", color=style.colour, ms=11)
            sign = Line2D([], [], marker=style.marker, **_SIGN)
            entries.append(Entry((square, sign), verdict.value))
    return entries


def _entitle_with_note(figure: Figure, title: str, note: str) -> None:
    """Heads a figure with a title and a smaller note beneath it."""
    entitle(figure, title)
    if note:
        n_characters = int(_NOTE_CHARACTERS_PER_INCH * figure.get_figwidth())
        lines = textwrap.wrap(note, n_characters)
        figure.axes[0].set_title("\n".join(lines), fontsize="small", loc="left")
        add_height(figure, len(lines) * _NOTE_LINE_INCHES)
