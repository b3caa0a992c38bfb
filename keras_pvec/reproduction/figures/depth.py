"""Angles against the depth of a block."""

from __future__ import annotations

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.figures.curves import (
    draw_angle,
    model_label,
    range_entries,
)
from keras_pvec.reproduction.figures.legends import NULL, legend_below
from keras_pvec.reproduction.figures.look import (
    ANGLE_LABEL,
    MATRIX_NAMES,
    Style,
    entitle,
    integer_ticks,
    marker,
    panel_grid,
)


def angle_by_block_figure(angles: pd.DataFrame, matrix: str, title: str) -> Figure:
    """Angle to the raw data against the index of the block, a panel for each model.

    Args:
        angles: As `analysis.angles_by_block` returns them.
        matrix: Which raw data, `"data"` or `"input"`.
        title: Networks and data set, for the title.
    """
    models = [*angles[col.MODEL].unique()]
    figure, panels = panel_grid(len(models), 3, 5.2, 3.8, sharey=True)
    epochs = sorted(angles[col.EPOCH].unique())
    for axes, model in zip(panels, models, strict=True):
        of_model = angles[angles[col.MODEL] == model]
        for i, epoch in enumerate(epochs):
            rows = of_model[of_model[col.EPOCH] == epoch]
            if not rows.empty:
                style = _time_style(i, len(epochs))
                draw_angle(axes, rows, col.BLOCK, style, _when(epoch), band=False)
        axes.set_title(model_label(model, angles), fontsize="medium")
        axes.set_xlabel("block (1 = nearest to the input)")
        integer_ticks(axes.xaxis)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.supylabel(ANGLE_LABEL, fontsize="medium")
    more = [*range_entries(angles), NULL]
    legend_below(figure, panels, more, order=[_when(epoch) for epoch in epochs])
    entitle(figure, f"Angle to {MATRIX_NAMES[matrix]} by block: {title}")
    return figure


def _when(epoch: int) -> str:
    return f"after epoch {epoch + 1}"


def _time_style(i: int, n: int) -> Style:
    """Colours from dark to light with time, without the lightest yellow."""
    return Style(colormaps["viridis"](0.9 * i / max(n - 1, 1)), marker(i))
