"""Angles over the epochs of a training, with their permutation null."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.comparison import permutation_band_deg
from keras_pvec.plots.look import (
    ANGLE_UNIT,
    Style,
    epoch_axis,
    marker_interval,
    plain_text,
    step_axis,
    style,
)
from keras_pvec.plots.new_axes import axes_or_new
from keras_pvec.plots.of_runs import (
    NoAnglesError,
    angles_of,
    as_runs,
    epochs_trained,
    first_layer,
    run_labels,
)
from keras_pvec.pvector import PVector

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from keras_pvec.runs import Run

_NULL_LABEL = "permutation null, 95% band"
_CENTERED_NULL_LABEL = "permutation null (90 degrees)"
_GREY = "0.35"


def plot_angles(
    runs: Run | Sequence[Run],
    *,
    to: str | int | PVector = "final",
    layers: str | Sequence[str] | None = None,
    centered: bool = False,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plots angles over the epochs, each with its permutation null in the same colour.

    Args:
        runs: A run, or several; see `open_run`.
        to: What angles are measured to: `"final"`, the last moment of the same run;
            `"after_fit"`; an epoch; a `PVector`; or the name of a logged reference,
            such as `"data"`.
        layers: Names of the layers to plot; default: the first layer of each run.
        centered: Whether to plot the angles of mean-centred features.
        labels: Names of the runs for the legend; default: from their folders.
        ax: Axes to draw on; default: those of a new figure.

    Returns:
        The axes. The horizontal axis counts epochs, or training steps if the first
        epoch has not ended.

    Raises:
        RunNotFoundError: See `Run.angles`.
        SampleMismatchError: `to` is a `PVector` of different samples.
        TypeError: `runs` holds something else than runs.
        ValueError: There is no run, or no reference of that name.
        ModuleNotFoundError: Matplotlib is not installed.

    Example:

    ```python
    run = kp.open_run("runs/mine")
    ax = kp.plot_angles(run, to="data")
    ax.set_title("Angle to the raw data")
    ```
    """
    found = as_runs(runs)
    named = run_labels(found, labels)
    wanted = [layers] if isinstance(layers, str) else layers
    curves = [
        (_label(name, layer, found, wanted), angles_of(run, to, layer))
        for run, name in zip(found, named, strict=True)
        for layer in wanted or [first_layer(run)]
    ]
    return draw_angle_curves(curves, to=to, centered=centered, ax=ax)


def plot_run(
    run: Run,
    *,
    to: str | int | PVector = "final",
    layers: str | Sequence[str] | None = None,
    centered: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """As `plot_angles` for one run, with all its layers by default; see `Run.plot`."""
    if layers is not None:
        return plot_angles(run, to=to, layers=layers, centered=centered, ax=ax)
    curves: list[tuple[str, pandas.DataFrame]] = []
    missing: list[Exception] = []
    for layer in run.layers:
        try:
            curves.append((layer, angles_of(run, to, layer)))
        except (FileNotFoundError, NoAnglesError) as error:
            missing.append(error)
    if not curves:
        raise missing[0]
    for reason in missing:
        warnings.warn(f"A layer is left out of the plot. {reason}", stacklevel=3)
    return draw_angle_curves(curves, to=to, centered=centered, ax=ax)


def draw_angle_curves(
    curves: Sequence[tuple[str, pandas.DataFrame]],
    *,
    to: str | int | PVector,
    centered: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws labelled tables of angles, with the columns of `log.csv`; `to` is what they
    are measured to."""
    moments = [list(zip(t["epoch"], t["step"], strict=True)) for _, t in curves]
    places = [epochs_trained(of_table) for of_table in moments]
    ax = axes_or_new(ax, 6.4, 4.2)
    counts_steps = any(of_table is None for of_table in places)
    for i, (label, table) in enumerate(curves):
        x = places[i]
        if counts_steps or x is None:
            x = np.array([step for _, step in moments[i]])
        _draw_curve(ax, x, table, style(i), label, centered)
    if centered:
        ax.axhline(90, color="black", ls=":", lw=1.5, label=_CENTERED_NULL_LABEL)
    else:
        null = ax.fill_between([], [], [], label=_NULL_LABEL)
        null.set(facecolor=(_GREY, 0.3), edgecolor=_GREY, linestyle=":", linewidth=1.5)
    (step_axis if counts_steps else epoch_axis)(ax)
    ax.set_ylabel(f"angle to {_reference_text(to)}\n({ANGLE_UNIT})")
    ax.set_ylim(0, 93 if centered else None)
    ax.legend(fontsize="small")
    return ax


def _reference_text(to: str | int | PVector) -> str:
    """What angles are measured to, in words."""
    if isinstance(to, PVector):
        return "the given P-vector"
    if isinstance(to, int):
        return "the untrained model" if to < 0 else f"epoch {to}, counted from 0"
    named = {"final": "the own last moment", "after_fit": "the model after fit"}
    return named.get(to) or plain_text(to)


def _draw_curve(
    ax: Axes,
    x: np.ndarray,
    table: pandas.DataFrame,
    look: Style,
    label: str,
    centered: bool,
) -> None:
    column = "centered_angle_deg" if centered else "angle_deg"
    ax.plot(
        x,
        table[column].to_numpy(float),
        color=look.colour,
        marker=look.marker,
        markevery=_marked(x),
        ms=4,
        label=plain_text(label),
    )
    if centered:
        return
    null = table["null_angle_deg"].to_numpy(float)
    ax.plot(x, null, color=look.colour, ls=":", lw=1.5)
    low, high = permutation_band_deg(
        table["cos_ones"].to_numpy(float),
        table["cos_ones_reference"].to_numpy(float),
        table["n_samples"].to_numpy(float),
    )
    ax.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)


def _marked(x: np.ndarray) -> list[int]:
    """The points with a marker: ends of epochs, which the dense points within an epoch
    would hide; all points if `x` holds no epochs."""
    ends = np.flatnonzero(x == np.round(x))
    return [int(i) for i in ends[:: marker_interval(len(ends))]]


def _label(
    name: str, layer: str, runs: Sequence[Run], wanted: Sequence[str] | None
) -> str:
    if len(runs) == 1:
        return layer
    return name if wanted is None or len(wanted) == 1 else f"{name}, {layer}"
