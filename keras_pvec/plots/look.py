"""The look of all plots: colours, markers, texts and axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Okabe and Ito's palette for the colour-blind. A wine red replaces yellow, which is too
# light for lines on white; black is reserved.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
_MARKERS = "osD^vP*"

ANGLE_UNIT = "degrees; 0 = same, 90 = unrelated"
ANGLE_LABEL = f"angle ({ANGLE_UNIT})"
# A line is drawn with at most about this many markers.
_MARKERS_PER_LINE = 20
# Text on a cell of a matrix with a smaller angle is white.
_DARK_BELOW_DEG = 55
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


def number_text(value: float | None) -> str:
    """One decimal; a dash for a missing number."""
    return "-" if value is None or np.isnan(value) else f"{value:.1f}"


def cell_colour(angle_deg: float) -> str:
    """The colour of text on a cell of the colour of an angle, from 0 to 90 degrees."""
    return "white" if angle_deg < _DARK_BELOW_DEG else "black"


def integer_ticks(axis: Axis) -> None:
    """Puts the ticks of an axis at integers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def epoch_axis(axes: Axes) -> None:
    """Labels a horizontal axis that counts epochs."""
    axes.set_xlabel("epochs trained")
    integer_ticks(axes.xaxis)
    axes.grid(alpha=0.3)


def step_axis(axes: Axes) -> None:
    """Labels a horizontal axis that counts training steps."""
    axes.set_xlabel("training steps (batches)")
    integer_ticks(axes.xaxis)
    axes.grid(alpha=0.3)
