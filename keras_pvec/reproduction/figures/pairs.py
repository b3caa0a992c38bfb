"""Pairs of networks: the matrix of angles, other measures, influential samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.figures.legends import hollow_entry, legend_below
from keras_pvec.reproduction.figures.look import (
    ANGLE_LABEL,
    cell_colour,
    entitle,
    new_figure,
    number_text,
    plain_text,
    style,
)


class PairOfGroups(NamedTuple):
    """All pairs of runs of the same two groups."""

    group: str
    other: str
    rows: pd.DataFrame

    @property
    def label(self) -> str:
        """Both groups, for an axis."""
        return plain_text(f"{self.group} - {self.other}")


def pairs_of_groups(pairs: pd.DataFrame) -> list[PairOfGroups]:
    """The rows of each unordered pair of groups."""
    together: dict[frozenset[str], list[int]] = {}
    names = zip(pairs[col.GROUP], pairs[col.OTHER_GROUP], strict=True)
    for i, pair in enumerate(names):
        together.setdefault(frozenset(pair), []).append(i)
    tables = [pairs.iloc[places] for places in together.values()]
    return [
        PairOfGroups(rows[col.GROUP].iloc[0], rows[col.OTHER_GROUP].iloc[0], rows)
        for rows in tables
    ]


def angle_matrix_figure(pairs: pd.DataFrame, title: str) -> Figure:
    """Matrix of the angles between networks: means over the pairs of two groups, and
    the range between them.

    Args:
        pairs: As `analysis.pairwise_angles` returns them.
        title: Title of the figure.
    """
    labels = [*dict.fromkeys([*pairs[col.GROUP], *pairs[col.OTHER_GROUP]])]
    side = max(5.0, 1.1 * len(labels) + 2.0)
    figure = new_figure(side + 1.5, side)
    axes = figure.subplots()
    # The angle of a network to itself is zero; that of two seeds need not be.
    cells = np.where(np.eye(len(labels)) > 0, np.nan, 0.0)
    for first, second, rows in pairs_of_groups(pairs):
        a, b = labels.index(first), labels.index(second)
        angle = cells[a][b] = cells[b][a] = rows[col.ANGLE_DEG].mean()
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": "small"}
        look["color"] = cell_colour(angle)
        for x, y in {(a, b), (b, a)}:
            axes.text(x, y, _cell_text(rows), **look)
    colours = colormaps["viridis"].with_extremes(bad="white")
    image = axes.imshow(cells, vmin=0, vmax=90, cmap=colours)
    shown = [plain_text(label) for label in labels]
    axes.set_xticks(range(len(labels)), shown, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), shown)
    figure.colorbar(image, label=ANGLE_LABEL, shrink=0.9)
    entitle(figure, title)
    axes.set_title(
        "null: permutation null; z: standard deviations of the null\n"
        "by which the absolute cosine exceeds its mean",
        fontsize="small",
    )
    return figure


def _cell_text(rows: pd.DataFrame) -> str:
    angles = rows[col.ANGLE_DEG]
    text = f"{angles.mean():.1f}"
    if len(angles) > 1:
        text += f"\n({angles.min():.1f} to {angles.max():.1f})"
    null, z = rows[col.NULL_ANGLE_DEG].mean(), rows[col.Z].mean()
    return f"{text}\nnull {null:.1f}\nz {number_text(z)}"


class _Measure(NamedTuple):
    label: str
    angle: str
    null: str | None
    marker: str


_MEASURES = (
    _Measure("angle", col.ANGLE_DEG, col.NULL_ANGLE_DEG, "o"),
    _Measure(
        "without the 1% most influential samples",
        col.TRIMMED_ANGLE_DEG,
        col.TRIMMED_NULL_ANGLE_DEG,
        "v",
    ),
    _Measure(
        "samples scaled to unit length",
        col.ROW_NORMALISED_ANGLE_DEG,
        col.ROW_NORMALISED_NULL_ANGLE_DEG,
        "s",
    ),
    _Measure("mean-centred features", col.CENTERED_ANGLE_DEG, None, "D"),
    _Measure("largest principal angle", col.LARGEST_PRINCIPAL_ANGLE_DEG, None, "P"),
)
_OFFSET = 0.14


def measures_figure(pairs: pd.DataFrame, title: str) -> Figure:
    """The angle of each pair of groups next to other measures of the same pair.

    Args:
        pairs: As `analysis.pairwise_angles` returns them. Means over the pairs of two
            groups and the range between them are drawn.
        title: Networks and data set, for the title.
    """
    groups = sorted(
        pairs_of_groups(pairs), key=lambda pair: pair.rows[col.ANGLE_DEG].mean()
    )
    figure = new_figure(9.0, 0.5 * len(groups) + 1.4)
    angles = figure.subplots()
    for i, measure in enumerate(_MEASURES):
        # Vertical offsets, so that equal values do not hide each other.
        offset = _OFFSET * ((len(_MEASURES) - 1) / 2 - i)
        look = {"color": style(i).colour, "marker": measure.marker}
        draw_ranges(angles, groups, measure.angle, offset, **look, label=measure.label)
        if measure.null is not None:
            draw_ranges(angles, groups, measure.null, offset, **look, mfc="white")
    angles.set_xlabel(ANGLE_LABEL)
    angles.set_xlim(0, 91)
    energy = pairs[col.STORED_ENERGY]
    angles.set_title(
        f"stored vectors: {energy.min():.2f} to {energy.max():.2f} of $||X||_F^2$",
        fontsize="small",
    )
    angles.set_yticks(range(len(groups)), [pair.label for pair in groups])
    angles.set_ylim(-0.5, len(groups) - 0.5)
    angles.grid(alpha=0.3)
    null = hollow_entry("permutation null (in the same colour)")
    legend_below(figure, [angles], [null])
    entitle(figure, f"Angle and other measures after the last epoch: {title}")
    return figure


def draw_ranges(
    axes: Axes, groups: list[PairOfGroups], column: str, offset: float, **look: Any
) -> None:
    """Draws means over pairs, one line for each pair of groups, with the range as a
    bar, at an offset in lines."""
    values = [pair.rows[column].astype(float) for pair in groups]
    means = [of_pair.mean() for of_pair in values]
    # Rounding may put the mean of equal values outside their range.
    below = [max(v.mean() - v.min(), 0.0) for v in values]
    above = [max(v.max() - v.mean(), 0.0) for v in values]
    lines = np.arange(len(groups)) + offset
    axes.errorbar(means, lines, xerr=[below, above], ls="none", ms=5, lw=1, **look)


def influential_samples_figure(
    influential: pd.DataFrame, images: np.ndarray, title: str, most: int = 8
) -> Figure:
    """The images that change the angle of each pair of groups most when left out.

    Args:
        influential: As `analysis.influential_samples` returns them; of groups with
            several pairs, the first pair is drawn.
        images: The samples, shape `(n, height, width, channels)`, in [0, 1].
        title: Networks and data set, for the title.
        most: Largest number of images for each pair.
    """
    shown = influential[influential[col.RANK] <= most]
    groups = pairs_of_groups(shown)
    n_columns = int(shown[col.RANK].max())
    figure = new_figure(0.8 * n_columns + 5.2, 0.95 * len(groups) + 0.3)
    panels = figure.subplots(len(groups), n_columns, squeeze=False)
    for row, pair in zip(panels, groups, strict=True):
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
        first = pair.rows.iloc[0]
        of_first = (pair.rows[col.RUN] == first[col.RUN]) & (
            pair.rows[col.OTHER] == first[col.OTHER]
        )
        for axes, i in zip(row, pair.rows.loc[of_first, col.SAMPLE], strict=False):
            axes.imshow(images[i].squeeze(), cmap="gray", vmin=0, vmax=1)
            axes.set_title(str(i), fontsize="x-small", pad=2)
        row[0].set_ylabel(
            f"{pair.label}\n{_angles_text(first)}",
            rotation=0,
            ha="right",
            va="center",
            fontsize="small",
        )
    entitle(figure, f"Most influential samples of each pair, with their index: {title}")
    return figure


def _angles_text(pair: pd.Series) -> str:
    angle, null, trimmed, trimmed_null = (
        number_text(pair[column])
        for column in (
            *(col.ANGLE_DEG, col.NULL_ANGLE_DEG),
            *(col.TRIMMED_ANGLE_DEG, col.TRIMMED_NULL_ANGLE_DEG),
        )
    )
    return (
        f"{angle} degrees (null {null})\n"
        f"without the top 1%: {trimmed} (null {trimmed_null})"
    )
