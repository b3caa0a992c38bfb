"""What a measurement has to meet for a claim to count as reproduced, as data.

The thresholds themselves stand in `registry.py`. Angles are in degrees, trends are
Spearman rank correlations.
"""

from __future__ import annotations

import dataclasses
import enum


class Counted(enum.Enum):
    """What a criterion is asked of, one by one."""

    RUNS = "runs"
    PAIRS = "pairs"
    CURVES = "curves"


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnitCriterion:
    """A criterion that each run, pair or curve meets or does not meet.

    Attributes:
        counted: The units.
        required_share: Share of the units that has to meet the criterion.
        null_share: A null meets the criterion where at least this share of its units
            does. Most of them rather than all, so that one null angle just beyond a
            threshold does not turn the rest into a finding.
    """

    counted: Counted
    required_share: float = 1.0
    null_share: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmallAngle(UnitCriterion):
    """The angle between two networks is at most `max_deg`."""

    max_deg: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class LargeStartThenFall(UnitCriterion):
    """The angle is at least `min_start_deg` before training, and its rank correlation
    with the epoch at most `max_trend`."""

    min_start_deg: float
    max_trend: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class FallToOwnEnd(UnitCriterion):
    """The angle to the last epoch is at most `max_deg` in the last `last_share` of the
    epochs, and its rank correlation with the epoch at most `max_trend`."""

    max_deg: float
    max_trend: float
    last_share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RiseThenFall(UnitCriterion):
    """The largest angle lies at least `min_rise_deg` above the first and `min_fall_deg`
    above the last; a curve needs `min_moments` moments to show it."""

    min_rise_deg: float
    min_fall_deg: float
    min_moments: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class EndNearReference(UnitCriterion):
    """The angle after the last epoch is at most `max_deg`, and smaller than before
    training."""

    max_deg: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class FallToSmallEnd(UnitCriterion):
    """The rank correlation of the angle with the epoch is at most `max_trend`, and the
    angle after the last epoch at most `max_deg`."""

    max_trend: float
    max_deg: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnWithDepth(UnitCriterion):
    """The rank correlation of the angle with the block is at least `min_early_trend` in
    the first epoch and, over the upper half of the blocks, at most `max_late_trend` in
    the last; a network needs `min_blocks` blocks to show it."""

    min_early_trend: float
    max_late_trend: float
    min_blocks: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftThenSettle(UnitCriterion):
    """The Wasserstein distance to the last epoch's distribution is at least `min_start`
    before training, and its rank correlation with the epoch at most `max_trend`."""

    min_start: float
    max_trend: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirstConvergesAlone(UnitCriterion):
    """In the last `last_share` of the epochs, the first singular vector is within
    `max_first_deg` of the last epoch's and the median angle of each other one is more
    than `others_deg`; this takes `min_vectors` singular vectors."""

    max_first_deg: float
    others_deg: float
    last_share: float
    min_vectors: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirstExplainsMost(UnitCriterion):
    """After every epoch, the first singular triplet holds at least `min_share` of
    `||X||_F^2`."""

    min_share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """Kendall's tau over at least `min_models` models is at most `max_tau` with a 95%
    interval below zero, and negative within every factor."""

    max_tau: float
    min_models: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """Pearson's r of the logarithms over at least `min_models` models is at most
    `max_r` with a 95% interval below zero."""

    max_r: float
    min_models: int


Criterion = UnitCriterion | RankCorrelation | PowerLaw
