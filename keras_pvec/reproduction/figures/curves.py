"""Curves: means over seeds with the range between them, and their nulls."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.figures.legends import SEED_RANGE, Entry
from keras_pvec.reproduction.figures.look import Style, marker_interval, plain_text


def by_model(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each model, in the order of the table."""
    yield from table.groupby(col.MODEL, sort=False)


def model_label(model: str, table: pd.DataFrame) -> str:
    """A model's name for a figure, with its number of seeds in the table if above
    one."""
    n_seeds = table.loc[table[col.MODEL] == model, col.SEED].nunique()
    return plain_text(model if n_seeds <= 1 else f"{model} ({n_seeds} seeds)")


def range_entries(table: pd.DataFrame) -> list[Entry]:
    """The legend entry for ranges over seeds; none where each model has one seed."""
    n_seeds = table.groupby(col.MODEL)[col.SEED].nunique()
    return [SEED_RANGE] if (n_seeds > 1).any() else []


def draw_curve(
    axes: Axes, table: pd.DataFrame, x: str, y: str, style: Style, label: str
) -> None:
    """Draws a line of means over seeds, and the range between them as a shaded area.

    Args:
        axes: The axes to draw on.
        table: The rows of one series, with a column `seed`.
        x: Column of the horizontal axis; epochs are drawn as epochs trained.
        y: Column of the vertical axis.
        style: Style of the line and the shaded area.
        label: Label for the legend.
    """
    over_seeds = table.groupby(x)[y].agg(["mean", "min", "max"])
    places = _places(over_seeds.index, x)
    axes.plot(
        places,
        over_seeds["mean"],
        color=style.colour,
        marker=style.marker,
        markevery=marker_interval(len(places)),
        ms=4,
        label=label,
    )
    if table[col.SEED].nunique() > 1:
        low, high = over_seeds["min"], over_seeds["max"]
        axes.fill_between(places, low, high, color=style.colour, alpha=0.3, lw=0)


def draw_dotted(axes: Axes, table: pd.DataFrame, x: str, y: str, style: Style) -> None:
    """Draws a dotted line of means over seeds, without a label."""
    means = table.groupby(x)[y].mean()
    axes.plot(_places(means.index, x), means, color=style.colour, ls=":", lw=1.5)


def draw_angle(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    style: Style,
    label: str,
    band: bool = True,
) -> None:
    """Draws an angle and its permutation null, a dotted line, in the same colour.

    Args:
        axes: The axes to draw on.
        table: The rows of one series.
        x: As in `draw_curve`.
        style: Style of the angle; the null has the same colour.
        label: Label for the legend.
        band: Whether the 95% band of the null is drawn.
    """
    draw_curve(axes, table, x, col.ANGLE_DEG, style, label)
    draw_dotted(axes, table, x, col.NULL_ANGLE_DEG, style)
    if band:
        edges = table.groupby(x)[[col.NULL_LOW_DEG, col.NULL_HIGH_DEG]].mean()
        low, high = edges.T.to_numpy()
        places = _places(edges.index, x)
        axes.fill_between(places, low, high, color=style.colour, alpha=0.15, lw=0)


def _places(index: pd.Index, x: str) -> pd.Index:
    return index + 1 if x == col.EPOCH else index  # epochs count from 0
