"""The look that all figures share: styles, titles, axes, and how they are saved."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.runs import replace_atomically

# Okabe and Ito's palette for the colour-blind. A wine red replaces yellow, which is too
# light for lines on white; black is reserved.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
_MARKERS = "osD^vP*"

ANGLE_LABEL = "angle (degrees; 0 = same, 90 = unrelated)"
ENTRY_LABEL = "$\\sqrt{n}\\,u_i$ (dimensionless)"
# The matrices that "the raw data" may stand for.
MATRIX_NAMES = {
    col.DATA: "the pixels in [0, 1]",
    col.INPUT: "the standardized pixels",
}
# A line is drawn with at most about this many markers.
_MARKERS_PER_LINE = 20
_TITLE_CHARACTERS_PER_INCH = 10
_TITLE_LINE_INCHES = 0.22
# Longer names are cut.
_MAX_NAME = 400
_NO_WIDTH = "\N{WORD JOINER}"


@dataclasses.dataclass(frozen=True)
class Style:
    """How one series is drawn.

    Attributes:
        colour: A colour of Matplotlib.
        marker: A marker of Matplotlib.
    """

    colour: str | tuple[float, ...]
    marker: str


def style(i: int) -> Style:
    """The `i`-th style; the pairs of colour and marker repeat only after 49."""
    n = len(_COLOURS)
    return Style(_COLOURS[i % n], _MARKERS[(i + i // n) % len(_MARKERS)])


def marker(i: int) -> str:
    """The `i`-th marker."""
    return _MARKERS[i % len(_MARKERS)]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each distinct name. Styles are assigned in the order of the sorted
    names, so that a model has the same style in all figures of the same models."""
    return {name: style(i) for i, name in enumerate(sorted({*names}))}


def marker_interval(n_points: int) -> int:
    """Number of points from one marker of a line to the next."""
    return max(1, n_points // _MARKERS_PER_LINE)


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


def plain_text(text: str) -> str:
    """A name or a title as Matplotlib draws it literally.

    Names of folders, runs and models may hold anything: dollar signs would begin
    mathematical text, a leading underscore hides a label from the legend, and other
    characters have no glyph.
    """
    text = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    if len(text) > _MAX_NAME:
        text = f"{text[:_MAX_NAME]}..."
    text = text.replace("$", r"\$")
    return f"{_NO_WIDTH}{text}" if text.startswith("_") else text


def entitle(figure: Figure, title: str) -> None:
    """Adds a title to a figure, in as many lines as its width requires."""
    n_characters = int(_TITLE_CHARACTERS_PER_INCH * figure.get_figwidth())
    lines = textwrap.wrap(plain_text(title), n_characters)
    figure.suptitle("\n".join(lines))
    add_height(figure, len(lines) * _TITLE_LINE_INCHES)


def add_height(figure: Figure, inches: float) -> None:
    """Makes a figure taller, for text above or below its panels."""
    figure.set_figheight(figure.get_figheight() + inches)


def integer_ticks(axis: Axis) -> None:
    """Puts the ticks of an axis at integers."""
    axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def epoch_axis(axes: Axes) -> None:
    """Labels a horizontal axis that counts epochs."""
    axes.set_xlabel("epochs trained")
    integer_ticks(axes.xaxis)
    axes.grid(alpha=0.3)


def angle_axis(axes: Axes) -> None:
    """Limits a vertical axis to angles: 0 to 90 degrees, and a margin."""
    axes.set_ylim(0, 93)


def number_text(value: float | None) -> str:
    """One decimal; a dash for a missing number."""
    return "-" if value is None or np.isnan(value) else f"{value:.1f}"


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Writes `<stem>.png` at 200 dpi and `<stem>.pdf`; returns their paths."""
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "pdf")]
    for path in paths:
        replace_atomically(path, lambda partial: figure.savefig(partial, dpi=200))
    return paths
