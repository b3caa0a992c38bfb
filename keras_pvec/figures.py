"""Figures drawn from the tables of `analysis`, all in one look.

Whatever shows an angle shows beside it the angle that chance would give.
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_pvec.store import replace_atomically

# Okabe and Ito's colours, which the colour-blind can tell apart; black is the null's.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKERS = "osD^vP*"
_ANGLE_LABEL = "angle (degrees; 0 = same, 90 = unrelated)"


def angle_to_final_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle to the run's own last epoch over the epochs, plain and centred.

    Args:
        angles: As `analysis.angles_to_final` gives them. Runs of one model are drawn
            as their mean over seeds with the range between them.
        title: What was trained on what.
    """
    figure = Figure(figsize=(9.0, 4.5), layout="constrained")
    plain, centered = figure.subplots(1, 2, sharex=True, sharey=True)
    for i, (model, of_model) in enumerate(angles.groupby("model", sort=False)):
        colour, marker = _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]
        _draw_curve(plain, of_model, "angle_deg", colour, marker, model)
        null = of_model.groupby("epoch")[["null_angle_deg"]].mean()
        band = of_model.groupby("epoch")[["null_low_deg", "null_high_deg"]].mean()
        epochs = null.index + 1
        plain.plot(epochs, null["null_angle_deg"], color=colour, ls=":", lw=1.5)
        plain.fill_between(
            epochs,
            band["null_low_deg"],
            band["null_high_deg"],
            color=colour,
            alpha=0.12,
        )
        _draw_curve(centered, of_model, "centered_angle_deg", colour, marker, model)
    label = "null: samples in random order (left: 95% band, in each model's colour)"
    centered.axhline(90, color="black", ls=":", lw=1.5, label=label)
    plain.set_title("P-vector, with the null of each model")
    centered.set_title("after centring the features")
    plain.set_ylabel(_ANGLE_LABEL)
    for axes in (plain, centered):
        axes.set_xlabel("epochs trained")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(0, 93)
        axes.grid(alpha=0.3)
    handles, labels = centered.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        frameon=False,
        fontsize="small",
    )
    figure.suptitle(f"Angle to the same run after its last epoch: {title}")
    return figure


def angle_matrix_figure(pairs: pd.DataFrame, title: str) -> Figure:
    """Matrix of the angles between runs after their last epochs.

    Args:
        pairs: As `analysis.angles_between` gives them.
        title: What was trained on what.
    """
    labels = list(dict.fromkeys([*pairs["run"], *pairs["other"]]))
    side = max(5.0, 1.1 * len(labels) + 2.0)
    figure = Figure(figsize=(side + 1.5, side), layout="constrained")
    axes = figure.subplots()
    cells = [[0.0] * len(labels) for _ in labels]
    colours = colormaps["viridis"]
    for row in pairs.itertuples():
        a, b = labels.index(row.run), labels.index(row.other)
        cells[a][b] = cells[b][a] = row.angle_deg
        text = f"{row.angle_deg:.1f}\nnull {row.null_angle_deg:.1f}\nz {_number(row.z)}"
        for x, y in ((a, b), (b, a)):
            axes.text(
                x,
                y,
                text,
                ha="center",
                va="center",
                fontsize="small",
                color="white" if row.angle_deg < 55 else "black",
            )
    image = axes.imshow(cells, vmin=0, vmax=90, cmap=colours)
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    figure.colorbar(image, label=_ANGLE_LABEL, shrink=0.9)
    figure.suptitle(f"Angle between runs after their last epochs: {title}")
    axes.set_title(
        "null: angle with samples in random order; z: deviations beyond it",
        fontsize="small",
    )
    return figure


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Writes `<stem>.png` at 200 dpi and `<stem>.pdf`; returns their paths."""
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "pdf")]
    for path in paths:
        replace_atomically(path, lambda partial: figure.savefig(partial, dpi=200))
    return paths


def _draw_curve(
    axes: Axes, table: pd.DataFrame, column: str, colour: str, marker: str, label: str
) -> None:
    over_seeds = table.groupby("epoch")[column].agg(["mean", "min", "max", "count"])
    epochs = over_seeds.index + 1  # epoch 0 ends when one epoch is trained
    n_seeds = int(over_seeds["count"].max())
    name = label if n_seeds == 1 else f"{label} ({n_seeds} seeds, mean and range)"
    axes.plot(epochs, over_seeds["mean"], color=colour, marker=marker, ms=4, label=name)
    if n_seeds > 1:
        axes.fill_between(
            epochs, over_seeds["min"], over_seeds["max"], color=colour, alpha=0.3
        )


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.1f}"
