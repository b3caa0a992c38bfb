"""Angles over the epochs of a training, and within the first epoch."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.figures.curves import (
    by_model,
    draw_angle,
    draw_curve,
    model_label,
    range_entries,
)
from keras_pvec.reproduction.figures.legends import (
    CENTERED_NULL,
    NULL_BAND,
    legend_below,
)
from keras_pvec.reproduction.figures.look import (
    ANGLE_LABEL,
    MATRIX_NAMES,
    angle_axis,
    entitle,
    epoch_axis,
    integer_ticks,
    new_figure,
    panel_grid,
    styles,
)


def angle_to_final_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle to the run's own last epoch over the epochs, plain and mean-centred.

    Args:
        angles: As `analysis.angles_to_final` returns them. Runs of one model are drawn
            as their mean over seeds with the range between them.
        title: Networks and data set, for the title.
    """
    return _epochs_figure(angles, f"Angle to the run's own last epoch: {title}")


def angle_to_data_figure(angles: pd.DataFrame, matrix: str, title: str) -> Figure:
    """Angle to the raw data over the epochs, plain and mean-centred.

    Args:
        angles: As `analysis.angles_to_data` returns them.
        matrix: Which raw data, `"data"` or `"input"`.
        title: Networks and data set, for the title.
    """
    return _epochs_figure(angles, f"Angle to {MATRIX_NAMES[matrix]}: {title}")


def angle_to_untrained_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle to the same network, untrained, over the epochs, plain and mean-centred.

    Args:
        angles: As `analysis.angles_to_untrained` returns them.
        title: Networks and data set, for the title.
    """
    return _epochs_figure(
        angles, f"Angle to the same network, untrained, with another seed: {title}"
    )


def _epochs_figure(angles: pd.DataFrame, title: str) -> Figure:
    figure = new_figure(9.0, 3.9)
    plain, centered = figure.subplots(1, 2, sharex=True, sharey=True)
    style_of = styles(angles[col.MODEL])
    for model, rows in by_model(angles):
        style, label = style_of[model], model_label(model, angles)
        draw_angle(plain, rows, col.EPOCH, style, label)
        draw_curve(centered, rows, col.EPOCH, col.CENTERED_ANGLE_DEG, style, label)
    # Centred vectors have no component along the constant vector.
    centered.axhline(90, color="black", ls=":", lw=1.5)
    plain.set_title("P-vector", fontsize="medium")
    centered.set_title("P-vector of mean-centred features", fontsize="medium")
    plain.set_ylabel(ANGLE_LABEL)
    for axes in (plain, centered):
        epoch_axis(axes)
        angle_axis(axes)
    more = [*range_entries(angles), NULL_BAND, CENTERED_NULL]
    legend_below(figure, [plain], more)
    entitle(figure, title)
    return figure


def references_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle of every model to each of several references over the epochs.

    Args:
        angles: As `analysis.angles_to_references` returns them.
        title: Networks and data set, for the title.
    """
    references = [*angles[col.REFERENCE].unique()]
    figure, panels = panel_grid(len(references), 3, 4.2, 3.6, sharex=True, sharey=True)
    style_of = styles(angles[col.MODEL])
    for axes, reference in zip(panels, references, strict=True):
        for model, rows in by_model(angles[angles[col.REFERENCE] == reference]):
            label = model_label(model, angles)
            draw_angle(axes, rows, col.EPOCH, style_of[model], label)
        axes.set_title(f"to {reference}", fontsize="medium")
        epoch_axis(axes)
        angle_axis(axes)
    figure.supylabel(ANGLE_LABEL, fontsize="medium")
    legend_below(figure, panels, [*range_entries(angles), NULL_BAND])
    entitle(figure, f"Angle to the last epoch of other networks: {title}")
    return figure


def first_epoch_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angles step by step within the first epoch, by reference and split.

    Args:
        angles: As `analysis.first_epoch_angles` returns them.
        title: Networks and data set, for the title.
    """
    references, splits = angles[col.REFERENCE].unique(), angles[col.SPLIT].unique()
    n_rows, n_columns = len(references), len(splits)
    figure = new_figure(4.5 * n_columns + 0.6, 3.6 * n_rows + 0.3)
    panels = figure.subplots(
        n_rows, n_columns, sharex=True, sharey="row", squeeze=False
    )
    style_of = styles(angles[col.MODEL])
    for row, reference in zip(panels, references, strict=True):
        name = (
            "the run's last epoch"
            if reference == col.FINAL
            else MATRIX_NAMES[reference]
        )
        row[0].set_ylabel(f"angle to {name} (degrees)")
        for axes, split in zip(row, splits, strict=True):
            chosen = (angles[col.REFERENCE] == reference) & (angles[col.SPLIT] == split)
            for model, rows in by_model(angles[chosen]):
                label = model_label(model, angles)
                draw_angle(axes, rows, col.STEP, style_of[model], label)
            axes.set_title(f"{split} samples", fontsize="medium")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
    for axes in panels[-1]:
        axes.set_xlabel("training steps (batches)")
        integer_ticks(axes.xaxis)
    legend_below(figure, panels.ravel(), [*range_entries(angles), NULL_BAND])
    entitle(figure, f"Angles within the first epoch: {title}")
    return figure
