"""Matrix of the angles between runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.comparison import Comparison, compare
from keras_pvec.plots.look import ANGLE_LABEL, cell_colour, number_text, plain_text
from keras_pvec.plots.new_axes import axes_or_new
from keras_pvec.plots.of_runs import as_runs, first_layer, run_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from keras_pvec.runs import Run

# Cells of larger matrices have no room for text.
_MAX_WITH_TEXT = 16


def plot_matrix(
    runs: Sequence[Run],
    *,
    epoch: int | str = "final",
    layer: str | None = None,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plots the angles between runs as a matrix, each with its permutation null.

    Args:
        runs: Two or more runs on the same samples; see `open_run`.
        epoch: As in `Run.p_vector`.
        layer: Name of the layer; default: the first layer of each run.
        labels: Names of the runs; default: from their folders.
        ax: Axes to draw on; default: those of a new figure.

    Returns:
        The axes.

    Raises:
        RunNotFoundError: See `Run.p_vector`.
        SampleMismatchError: The runs are of different samples.
        TypeError: `runs` holds something else than runs.
        ValueError: There are fewer than two runs.
        ModuleNotFoundError: Matplotlib is not installed.

    Example:

    ```python
    runs = [kp.open_run(f"runs/seed_{seed}") for seed in range(3)]
    kp.plot_matrix(runs)
    ```
    """
    found = as_runs(runs)
    if len(found) < 2:
        raise ValueError("`runs` must hold at least two runs. Received: 1")
    shown = [plain_text(label) for label in run_labels(found, labels)]
    p_vectors = [run.p_vector(epoch, layer or first_layer(run)) for run in found]
    n = len(found)
    pairs = {
        (i, j): compare(p_vectors[i], p_vectors[j]) for i in range(n) for j in range(i)
    }
    side = min(2.5 + 0.8 * n, 11.0)
    ax = axes_or_new(ax, side + 1.2, side)
    # The angle of a run to itself is no result.
    cells = np.full((n, n), np.nan)
    for (i, j), pair in pairs.items():
        cells[i, j] = cells[j, i] = pair.angle_deg
    image = ax.imshow(cells, vmin=0, vmax=90, cmap="viridis")
    if n <= _MAX_WITH_TEXT:
        for (i, j), pair in pairs.items():
            for x, y in ((i, j), (j, i)):
                _write_cell(ax, x, y, pair)
    ax.set_xticks(range(n), shown, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(n), shown)
    ax.figure.colorbar(image, ax=ax, label=ANGLE_LABEL, shrink=0.9)
    return ax


def _write_cell(ax: Axes, x: int, y: int, pair: Comparison) -> None:
    angle, null = pair.angle_deg or 0.0, pair.null_angle_deg
    ax.text(
        x,
        y,
        f"{number_text(angle)}\nnull {number_text(null)}",
        ha="center",
        va="center",
        fontsize="x-small",
        color=cell_colour(angle),
    )
