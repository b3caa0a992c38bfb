"""Angles of further singular vectors, and the energy of the first ones."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.figures.curves import (
    by_model,
    draw_angle,
    draw_curve,
    draw_dotted,
    model_label,
    range_entries,
)
from keras_pvec.reproduction.figures.legends import NULL, dotted_entry, legend_below
from keras_pvec.reproduction.figures.look import (
    ANGLE_LABEL,
    angle_axis,
    entitle,
    epoch_axis,
    integer_ticks,
    new_figure,
    style,
    styles,
)


def singular_vectors_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angles of singular vectors, and of their spans, to those of the last epoch; a row
    of panels for each model.

    Args:
        angles: As `analysis.singular_vector_angles` returns them.
        title: Networks and data set, for the title.
    """
    models = [*angles[col.MODEL].unique()]
    figure = new_figure(9.5, 3.6 * len(models) + 0.3)
    panels = figure.subplots(len(models), 2, sharex=True, sharey=True, squeeze=False)
    for (vectors, spans), model in zip(panels, models, strict=True):
        for index, rows in angles[angles[col.MODEL] == model].groupby(col.INDEX):
            look, x, label = style(index - 1), col.EPOCH, f"$i = {index}$"
            draw_angle(vectors, rows, x, look, label, band=False)
            draw_curve(spans, rows, x, col.SUBSPACE_ANGLE_DEG, look, label)
        vectors.set_ylabel(model_label(model, angles))
        vectors.set_title("singular vector $i$", fontsize="medium")
        spans.set_title(
            "span of vectors 1 to $i$ (largest principal angle)", fontsize="medium"
        )
        for axes in (vectors, spans):
            epoch_axis(axes)
            angle_axis(axes)
            axes.label_outer()
    figure.supylabel(ANGLE_LABEL, fontsize="medium")
    # Both columns use the same styles.
    legend_below(figure, panels[:, 0], [*range_entries(angles), NULL])
    entitle(figure, f"Angles of singular vectors to the last epoch: {title}")
    return figure


def explained_variance_figure(explained: pd.DataFrame, title: str) -> Figure:
    """Energy of the first direction over the epochs, and the energy that remains
    outside the first `k` after the last epoch.

    Args:
        explained: As `analysis.explained_variance` returns it.
        title: Networks and data set, for the title.
    """
    figure = new_figure(9.5, 3.9)
    over_epochs, over_k = figure.subplots(1, 2)
    style_of = styles(explained[col.MODEL])
    for model, rows in by_model(explained):
        look, label = style_of[model], model_label(model, explained)
        first = rows[rows[col.K] == 1]
        draw_curve(over_epochs, first, col.EPOCH, col.EXPLAINED, look, label)
        draw_dotted(over_epochs, first, col.EPOCH, col.CONSTANT_SHARE, look)
        ends = rows.groupby(col.RUN)[col.EPOCH].transform("max")
        last = rows[rows[col.EPOCH] == ends]
        draw_curve(over_k, last, col.K, col.ERROR_SHARE, look, label)
    epoch_axis(over_epochs)
    over_epochs.set_ylim(0, 1.02)
    over_epochs.set_ylabel("share of $||X||_F^2$ in the first direction")
    over_k.set_xlabel("number of singular triplets $k$")
    integer_ticks(over_k.xaxis)
    over_k.set_ylabel("$E_k / ||X||_F^2$ after the last epoch")
    over_k.set_ylim(bottom=0)
    over_k.grid(alpha=0.3)
    constant = dotted_entry("share along the constant vector (lower bound)")
    legend_below(figure, [over_epochs], [*range_entries(explained), constant])
    entitle(figure, f"Energy of the first singular triplets: {title}")
    return figure
