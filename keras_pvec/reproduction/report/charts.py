"""What the interactive charts of a report draw."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar, TypeAlias

Numbers: TypeAlias = tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class Curve:
    """An angle of one run over the training, thinned. Angles are in degrees.

    Attributes:
        runs: The model and the seed of the run, both as text.
        label: Its name.
        panel: Index of the panel that it is drawn in.
        colour: E.g. `"#0072B2"`, the same for all seeds of a model.
        x: Epochs trained, or steps.
        angle: The angle at each of `x`, as are the following.
        null: Mean of its permutation null.
        low: Lower end of the 95% band of the null.
        high: Upper end of that band.
        centred: The column-centred angle.
    """

    runs: tuple[tuple[str, str], ...]
    label: str
    panel: int
    colour: str
    x: Numbers
    angle: Numbers
    null: Numbers
    low: Numbers
    high: Numbers
    centred: Numbers


@dataclasses.dataclass(frozen=True)
class CurveChart:
    """Angles of several runs over the training.

    Attributes:
        panels: Titles of the panels.
        x_label: What the horizontal axis shows.
        curves: One for each run and panel.
        readings: Names of the readings that `Curve.angle` belongs to.
        centred_readings: Names of those that `Curve.centred` belongs to.
        n_moments: Number of moments in the table.
        n_drawn: How many of them were kept.
    """

    kind: ClassVar[str] = "curves"
    panels: tuple[str, ...]
    x_label: str
    curves: tuple[Curve, ...]
    readings: tuple[str, ...]
    centred_readings: tuple[str, ...]
    n_moments: int
    n_drawn: int


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two networks after their last epochs. Angles are in degrees.

    Attributes:
        runs: Model and seed of each of both.
        first: Label of the one.
        second: Label of the other.
        row: Index of the group of the one.
        column: Index of the group of the other.
        angle: The angle between them.
        null: Mean of its permutation null.
        z: Standard deviations of the null by which the cosine exceeds its mean.
        centred: The column-centred angle.
    """

    runs: tuple[tuple[str, str], ...]
    first: str
    second: str
    row: int
    column: int
    angle: float | None
    null: float | None
    z: float | None
    centred: float | None


@dataclasses.dataclass(frozen=True)
class MatrixChart:
    """Angles between networks; cells are means over the pairs of two groups.

    Attributes:
        groups: Names of the rows and columns.
        pairs: The pairs of networks.
        readings: Names of the readings that `Pair.angle` belongs to.
        centred_readings: Names of those that `Pair.centred` belongs to.
    """

    kind: ClassVar[str] = "matrix"
    groups: tuple[str, ...]
    pairs: tuple[Pair, ...]
    readings: tuple[str, ...]
    centred_readings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ReadingPoint:
    """The effect under one reading, with its 95% interval, in the unit of the chart."""

    reading: str
    verdict: str
    colour: str
    effect: float
    low: float | None
    high: float | None
    share: float | None


@dataclasses.dataclass(frozen=True)
class ReadingChart:
    """A claim under its readings, in the order of the effect.

    Attributes:
        y_label: The quantity and its unit.
        points: One for each reading that has an effect.
    """

    kind: ClassVar[str] = "readings"
    y_label: str
    points: tuple[ReadingPoint, ...]


Chart: TypeAlias = CurveChart | MatrixChart | ReadingChart


@dataclasses.dataclass(frozen=True)
class ReportFigure:
    """A figure of a report.

    Attributes:
        path: Path of the png file.
        claims: Ids of the claims that it shows; none if it belongs to no claim.
        chart: What scripts draw in its place; `None` for the png file only.
    """

    path: Path
    claims: tuple[str, ...] = ()
    chart: Chart | None = None
