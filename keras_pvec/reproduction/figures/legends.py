"""Legends: one below each figure, for all of its panels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keras_pvec.reproduction.figures.look import add_height

_GREY = "0.35"
# The width of a letter in a legend, and of a handle, in letters.
_CHARACTER_INCHES = 0.07
_HANDLE_CHARACTERS = 8
_ROW_INCHES = 0.18


class Entry(NamedTuple):
    """A legend entry that does not belong to an artist of the figure.

    Attributes:
        handle: An artist, or a tuple of artists that are drawn over each other.
        label: The text of the entry.
    """

    handle: Any
    label: str


def dotted_entry(label: str, colour: str = _GREY) -> Entry:
    """An entry for dotted lines; grey if their colours are those of other lines."""
    return Entry(Line2D([], [], color=colour, lw=1.5, ls=":"), label)


def band_entry(label: str) -> Entry:
    """An entry for dotted lines with a pale band."""
    band = Patch(facecolor=_GREY, alpha=0.15, linewidth=0)
    return Entry((band, dotted_entry("").handle), label)


def shaded_entry(label: str) -> Entry:
    """An entry for shaded ranges."""
    return Entry(Patch(facecolor=_GREY, alpha=0.35, linewidth=0), label)


def hollow_entry(label: str) -> Entry:
    """An entry for hollow markers."""
    handle = Line2D([], [], color=_GREY, ls="none", marker="o", mfc="none")
    return Entry(handle, label)


NULL_BAND = band_entry("permutation null, 95% band")
NULL = dotted_entry("permutation null")
CENTERED_NULL = dotted_entry(
    "permutation null after mean-centring (90 degrees)", "black"
)
SEED_RANGE = shaded_entry("range over seeds (lines: mean)")


def legend_below(
    figure: Figure,
    panels: Iterable[Axes],
    more: Sequence[Entry] = (),
    order: Sequence[str] = (),
) -> None:
    """One legend below all panels, each label once.

    Args:
        figure: The figure.
        panels: The panels whose labelled artists are listed.
        more: Further entries, at the end.
        order: Labels that come first; by default labels follow the panels.
    """
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    entries = {label: entries[label] for label in (*order, *entries)}
    entries |= {entry.label: entry.handle for entry in more}
    n_columns = _n_columns([*entries], figure.get_figwidth())
    figure.legend(
        handles=[*entries.values()],
        labels=[*entries],
        loc="outside lower center",
        ncols=n_columns,
        frameon=False,
        fontsize="small",
    )
    add_height(figure, math.ceil(len(entries) / n_columns) * _ROW_INCHES)


def _n_columns(labels: Sequence[str], width: float) -> int:
    """How many columns of a legend fit into a width, in inches."""
    for n in range(len(labels), 1, -1):
        columns = np.array_split(np.array([len(label) for label in labels]), n)
        n_characters = sum(column.max() + _HANDLE_CHARACTERS for column in columns)
        if n_characters * _CHARACTER_INCHES <= width:
            return n
    return 1
