"""Distributions of the entries of P-vectors."""

from __future__ import annotations

import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.figures.curves import (
    by_model,
    draw_curve,
    model_label,
    range_entries,
)
from keras_pvec.reproduction.figures.legends import dotted_entry, legend_below
from keras_pvec.reproduction.figures.look import (
    ENTRY_LABEL,
    entitle,
    epoch_axis,
    integer_ticks,
    new_figure,
    panel_grid,
    plain_text,
    style,
    styles,
)


def histograms_figure(histograms: pd.DataFrame, title: str) -> Figure:
    """Histograms of the P-vector's entries, a row of panels for each run.

    Args:
        histograms: As `analysis.value_histograms` returns them.
        title: Networks and data set, for the title.
    """
    runs = [*histograms[col.RUN].unique()]
    n_columns = int(histograms.groupby(col.RUN)[col.EPOCH].nunique().max())
    figure = new_figure(2.4 * n_columns + 0.8, 2.3 * len(runs) + 0.4)
    panels = figure.subplots(
        len(runs), n_columns, sharex="row", sharey="row", squeeze=False
    )
    lowest: dict[int, Axes] = {}
    for row, run in zip(panels, runs, strict=True):
        by_epoch = [*histograms[histograms[col.RUN] == run].groupby(col.EPOCH)]
        row[0].set_ylabel(plain_text(run))
        lowest |= enumerate(row[: len(by_epoch)])
        for axes, (epoch, bins) in zip(row, by_epoch, strict=False):
            widths = bins[col.RIGHT] - bins[col.LEFT]
            axes.bar(
                bins[col.LEFT],
                bins[col.SHARE],
                widths,
                align="edge",
                color=style(0).colour,
            )
            axes.axvline(1.0, color="black", ls=":", lw=1.2)
            when = "before training" if epoch < 0 else f"after epoch {epoch + 1}"
            axes.set_title(when, fontsize="medium")
        for axes in row[len(by_epoch) :]:
            axes.remove()
    for axes in lowest.values():
        axes.set_xlabel(ENTRY_LABEL)
    figure.supylabel("share of the samples", fontsize="medium")
    legend_below(figure, [], [dotted_entry("constant vector", "black")])
    entitle(
        figure,
        f"Entries of the P-vector (end bins include all entries beyond them): {title}",
    )
    return figure


def densities_figure(densities: pd.DataFrame, title: str) -> Figure:
    """Map of the density of the P-vector's entries over the epochs, for each run.

    Args:
        densities: As `analysis.value_densities` returns them.
        title: Networks and data set, for the title.
    """
    runs = [*densities[col.RUN].unique()]
    figure, panels = panel_grid(len(runs), 3, 4.4, 3.4)
    for axes, run in zip(panels, runs, strict=True):
        of_run = densities[densities[col.RUN] == run]
        grid = of_run.pivot(index=col.VALUE, columns=col.EPOCH, values=col.DENSITY)
        # Relative to the peak of each epoch, since narrow peaks would hide the others.
        image = axes.pcolormesh(
            grid.columns + 1,
            grid.index,
            grid / grid.max(),
            cmap="viridis",
            vmin=0,
            vmax=1,
            rasterized=True,
        )
        outline = patheffects.withStroke(linewidth=2.6, foreground="black")
        line = axes.axhline(1.0, color="white", ls=(0, (2, 2)), lw=1.2)
        line.set_path_effects([outline])
        axes.set_title(plain_text(run), fontsize="medium")
        axes.set_xlabel("epochs trained")
        integer_ticks(axes.xaxis)
    figure.colorbar(
        image, ax=panels, pad=0.01, label="density relative to each epoch's peak"
    )
    figure.supylabel(ENTRY_LABEL, fontsize="medium")
    entitle(
        figure,
        f"Density of the P-vector's entries (dashed: constant vector): {title}",
    )
    return figure


def drift_figure(drift: pd.DataFrame, title: str) -> Figure:
    """Distance of the distribution of the entries to that of the last epoch.

    Args:
        drift: As `analysis.value_drift` returns it.
        title: Networks and data set, for the title.
    """
    figure = new_figure(7.0, 3.9)
    axes = figure.subplots()
    style_of = styles(drift[col.MODEL])
    for model, rows in by_model(drift):
        label = model_label(model, drift)
        draw_curve(axes, rows, col.EPOCH, col.DISTANCE, style_of[model], label)
    epoch_axis(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Wasserstein distance of $\\sqrt{n}\\,u_i$ (dimensionless)")
    legend_below(figure, [axes], range_entries(drift))
    entitle(figure, f"Distance of the P-vector's entries to the last epoch: {title}")
    return figure
