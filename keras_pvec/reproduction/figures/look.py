"""The look that all figures share: that of the library's plots, titles, panels, and how
figures are saved."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_pvec.plots.look import (
    ANGLE_LABEL as ANGLE_LABEL,
    Style as Style,
    cell_colour as cell_colour,
    epoch_axis as epoch_axis,
    integer_ticks as integer_ticks,
    marker as marker,
    marker_interval as marker_interval,
    number_text as number_text,
    plain_text as plain_text,
    style as style,
    styles as styles,
)
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.runs import replace_atomically

ENTRY_LABEL = "$\\sqrt{n}\\,u_i$ (dimensionless)"
# The matrices that "the raw data" may stand for.
MATRIX_NAMES = {
    col.DATA: "the pixels in [0, 1]",
    col.INPUT: "the standardized pixels",
}
_TITLE_CHARACTERS_PER_INCH = 10
_TITLE_LINE_INCHES = 0.22


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches. `entitle` and `legend_below` add to its height."""
    return Figure(figsize=(width, height), layout="constrained")


def panel_grid(
    n_panels: int, most_columns: int, width: float, height: float, **kwargs: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with panels in rows, of which only the last may be shorter.

    Args:
        n_panels: Number of panels.
        most_columns: Largest number of panels in a row.
        width: Width of a panel, in inches.
        height: Height of a panel, in inches.
        **kwargs: Keyword arguments of `Figure.subplots`.
    """
    n_rows = math.ceil(n_panels / most_columns)
    n_columns = math.ceil(n_panels / n_rows)
    figure = new_figure(width * n_columns + 0.6, height * n_rows + 0.3)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, **kwargs)
    panels = [*grid.ravel()]
    for axes in panels[n_panels:]:
        axes.remove()
    for axes in panels[max(n_panels - n_columns, 0) : n_panels]:
        axes.tick_params(labelbottom=True)  # the last one of its column
    return figure, panels[:n_panels]


def entitle(figure: Figure, title: str) -> None:
    """Adds a title to a figure, in as many lines as its width requires."""
    n_characters = int(_TITLE_CHARACTERS_PER_INCH * figure.get_figwidth())
    lines = textwrap.wrap(plain_text(title), n_characters)
    figure.suptitle("\n".join(lines))
    add_height(figure, len(lines) * _TITLE_LINE_INCHES)


def add_height(figure: Figure, inches: float) -> None:
    """Makes a figure taller, for text above or below its panels."""
    figure.set_figheight(figure.get_figheight() + inches)


def angle_axis(axes: Axes) -> None:
    """Limits a vertical axis to angles: 0 to 90 degrees, and a margin."""
    axes.set_ylim(0, 93)


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Writes `<stem>.png` at 200 dpi and `<stem>.pdf`; returns their paths."""
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "pdf")]
    for path in paths:
        replace_atomically(path, lambda partial: figure.savefig(partial, dpi=200))
    return paths
