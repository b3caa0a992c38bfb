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
        required_share: From this share of the units on, the claim is reproduced.
        partial_share: From this share on, it is partly reproduced.
    """

    counted: Counted
    required_share: float = 0.8
    partial_share: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmallAngle(UnitCriterion):
    """The angle between two networks of different kinds is at most `max_deg`, and
    smaller than the median of untrained pairs of the same kinds."""

    max_deg: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class LargeStartThenFall:
    """The median over runs of the angle at the start is at least `min_start_deg`, that
    of the rank correlation with the epoch at most `max_trend`."""

    min_start_deg: float
    max_trend: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmallEnd(UnitCriterion):
    """The angle to the last epoch is at most `max_deg` throughout the last `last_share`
    of the epochs, the last one excluded; and so is the angle between the last epochs of
    two networks."""

    max_deg: float
    last_share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RiseThenFall(UnitCriterion):
    """Within the first `n_updates`, the largest angle lies above the first and above
    the last by at least `min_change_deg` and by at least `min_noise_ratio` times the
    noise of the curve; this takes `min_moments` moments, the last of them after
    `min_updates` or later."""

    min_change_deg: float
    min_noise_ratio: float
    n_updates: int
    min_updates: int
    min_moments: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class FallToReferences(UnitCriterion):
    """To each of the references, of other seeds, the angle falls from its maximum by at
    least `min_fall_deg` and ends within `max_deg`."""

    min_fall_deg: float
    max_deg: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class FallToSmallEnd:
    """After the first epoch, the median over runs of the rank correlation with the
    epoch is at most `max_trend`, that of the last angle at most `max_deg`."""

    max_trend: float
    max_deg: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlopeFalls(UnitCriterion):
    """The slope of the angle against the block is smaller in the last epoch than in the
    first; a network needs `min_blocks` blocks. The order of the blocks explains a run
    whose p-value under permuted blocks exceeds `null_level`."""

    min_blocks: int
    null_level: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirstConvergesAlone(UnitCriterion):
    """Between networks, the first singular vectors are within `max_first_deg` and the
    second to `last_index`-th at least `min_others_deg` apart. The same is asked of the
    medians of each network's angles to its own last epoch, from `start_share` to
    `end_share` of the training."""

    max_first_deg: float
    min_others_deg: float
    last_index: int
    start_share: float
    end_share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """Kendall's tau within architectures, over at least `min_models` models, is at most
    `max_tau` with a 95% interval below zero."""

    max_tau: float
    min_models: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """Pearson's r of the logarithms within architectures, over at least `min_models`
    models, is at most `max_r` with a 95% interval below zero."""

    max_r: float
    min_models: int


@dataclasses.dataclass(frozen=True)
class Shown:
    """The paper shows it; there is nothing to meet."""


Criterion = (
    UnitCriterion
    | LargeStartThenFall
    | FallToSmallEnd
    | RankCorrelation
    | PowerLaw
    | Shown
)
