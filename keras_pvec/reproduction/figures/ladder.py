"""The angle between networks next to what each null would give."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.figures.legends import legend_below
from keras_pvec.reproduction.figures.look import (
    ANGLE_LABEL,
    entitle,
    new_figure,
    style,
)
from keras_pvec.reproduction.figures.pairs import draw_ranges, pairs_of_groups

# From the observed angle up the ladder: column, label.
_RUNGS = (
    (col.ANGLE_DEG, "observed"),
    (col.NULL_ANGLE_DEG, "samples permuted"),
    (col.WITHIN_CLASS_NULL_DEG, "samples permuted within classes"),
    (col.IMAGE_STATISTICS_NULL_DEG, "brightness and contrast only"),
    (col.UNTRAINED_ANGLE_DEG, "untrained pairs"),
)
_OFFSET = 0.14


def null_ladder_figure(ladder: pd.DataFrame, title: str) -> Figure:
    """The angle of each pair of groups, and its median under each null.

    An agreement that was learned lies left of all of them. Nulls without data are left
    out.

    Args:
        ladder: As `analysis.null_ladder_table` returns it. Means over the pairs of two
            groups and the range between them are drawn.
        title: Networks and data set, for the title.
    """
    groups = sorted(
        pairs_of_groups(ladder), key=lambda pair: pair.rows[col.ANGLE_DEG].mean()
    )
    rungs = [rung for rung in _RUNGS if ladder[rung[0]].notna().any()]
    figure = new_figure(9.0, 0.5 * len(groups) + 1.4)
    axes = figure.subplots()
    for i, (column, label) in enumerate(rungs):
        # Vertical offsets, so that equal values do not hide each other.
        offset = _OFFSET * ((len(rungs) - 1) / 2 - i)
        look = {"color": style(i).colour, "marker": style(i).marker}
        if column != col.ANGLE_DEG:
            look["mfc"] = "white"
        draw_ranges(axes, groups, column, offset, label=label, **look)
    axes.set_xlabel(ANGLE_LABEL)
    axes.set_xlim(0, 91)
    axes.set_yticks(range(len(groups)), [pair.label for pair in groups])
    axes.set_ylim(-0.5, len(groups) - 0.5)
    axes.grid(alpha=0.3)
    legend_below(figure, [axes])
    entitle(figure, f"Angle between networks against the ladder of nulls: {title}")
    return figure
