"""Spectrum of the features of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.plots.look import integer_ticks, plain_text, style
from keras_pvec.plots.new_axes import axes_or_new
from keras_pvec.plots.of_runs import first_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from keras_pvec.runs import Run


def plot_spectrum(
    run: Run,
    *,
    epochs: Sequence[int | str] | None = None,
    layer: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plots the share of the features in each of the first singular directions.

    The share of direction `i` is `sigma_i^2 / ||X||_F^2`. A dotted line in the same
    colour is the share that the constant vector holds at least, which is no structure
    among the samples. A logger with `k` vectors stores `k + 1` singular values.

    Args:
        run: The run; see `open_run`.
        epochs: Epochs to plot, as in `Run.p_vector`; default: the first moment and the
            last.
        layer: Name of the layer; default: the first layer of the run.
        ax: Axes to draw on; default: those of a new figure.

    Returns:
        The axes; the vertical axis is logarithmic.

    Raises:
        RunNotFoundError: See `Run.p_vector`.
        ModuleNotFoundError: Matplotlib is not installed.

    Example:

    ```python
    ax = kp.plot_spectrum(kp.open_run("runs/mine"), epochs=[-1, 0, "final"])
    ```
    """
    layer = first_layer(run) if layer is None else layer
    if epochs is None:
        first = run.moments[0].epoch
        epochs = [first, "final"] if run.moments[-1].epoch != first else ["final"]
    ax = axes_or_new(ax, 5.6, 4.0)
    for i, epoch in enumerate(epochs):
        p = run.p_vector(epoch, layer)
        look = style(i)
        shares = (p.singular_values / p.frobenius_norm) ** 2
        ax.plot(
            np.arange(1, shares.size + 1),
            shares,
            color=look.colour,
            marker=look.marker,
            label=plain_text(_epoch_label(run, epoch)),
        )
        constant = p.energy1 * p.cos_ones**2
        ax.axhline(constant, color=look.colour, ls=":", lw=1.5)
    ax.plot([], [], color="0.35", ls=":", lw=1.5, label="constant vector (lower bound)")
    ax.set_yscale("log")
    ax.set_xlabel("singular direction")
    ax.set_ylabel("share of $||X||_F^2$")
    integer_ticks(ax.xaxis)
    ax.grid(alpha=0.3)
    ax.legend(title=plain_text(layer), fontsize="small")
    return ax


def _epoch_label(run: Run, epoch: int | str) -> str:
    number = run.moments[-1].epoch if epoch == "final" else epoch
    if number == "after_fit":
        return "after fit"
    if number == -1:
        return "before training"
    return f"after {int(number) + 1} epoch{'s' * (number != 0)}"
