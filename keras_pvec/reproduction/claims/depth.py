"""The claim about the layers of a network: C7."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.claims.columns import ANGLE, EPOCH, NULL_ANGLE, RUN
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C7
from keras_pvec.reproduction.claims.result import (
    Cause,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    Quantity,
    Rung,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import rank_correlation, summarise
from keras_pvec.reproduction.claims.verdicts import rate_units, rung_of

_BLOCK = "block"
# Up to 8! orders are gone through one by one.
_MOST_PERMUTED = 8


def rate_c7(angles: pd.DataFrame, reading: Reading = C7.primary) -> ClaimResult:
    """C7: early in training the angle to the raw data rises with depth, late in
    training it falls towards the top blocks.

    Args:
        angles: As `analysis.angles_by_block` gives them.
        reading: The reading that the table was made under.
    """
    limits = C7.criterion
    n_blocks = angles.groupby(RUN)[_BLOCK].max()
    if angles.empty or (n_blocks < limits.min_blocks).any():
        found = 0 if angles.empty else int(n_blocks.min())
        obstacle = Obstacle(Cause.TOO_FEW_BLOCKS, limits.min_blocks, found)
        return not_tested(C7.id, obstacle, reading)
    trend = _depth_trends(angles, ANGLE)
    null_trend = _depth_trends(angles, NULL_ANGLE)
    most = int(n_blocks.max())
    n_upper = most - most // 2
    probability = probability_of_trend(n_upper, limits.max_late_trend)
    permutation = rung_of(
        Null.PERMUTATION, _meets(null_trend), _effects(null_trend), limits
    )
    block_order = Rung(
        Null.BLOCK_ORDER,
        (Effect(Quantity.LATE_TREND_PROBABILITY, probability, n_upper),),
    )
    ladder = [permutation, block_order]
    return rate_units(C7, reading, _meets(trend), _effects(trend), ladder)


def _depth_trends(angles: pd.DataFrame, column: str) -> pd.DataFrame:
    """Rank correlation of a column with the block by run: `early`, in the first epoch;
    `late`, over the upper half of the blocks in the last."""
    found = {}
    for name, run in angles.groupby(RUN, sort=False):
        first = run[run[EPOCH] == run[EPOCH].min()]
        last = run[run[EPOCH] == run[EPOCH].max()]
        upper = last[last[_BLOCK] > last[_BLOCK].max() / 2]
        found[name] = {
            "early": rank_correlation(first[_BLOCK], first[column]),
            "late": rank_correlation(upper[_BLOCK], upper[column]),
        }
    return pd.DataFrame.from_dict(found, orient="index")


def _meets(trend: pd.DataFrame) -> pd.Series:
    rises = trend["early"] >= C7.criterion.min_early_trend
    return rises & (trend["late"] <= C7.criterion.max_late_trend)


def _effects(trend: pd.DataFrame) -> list[Effect]:
    return [
        summarise(Quantity.EARLY_DEPTH_TREND, trend["early"]),
        summarise(Quantity.LATE_DEPTH_TREND, trend["late"]),
    ]


def probability_of_trend(n: int, limit: float) -> float:
    """Probability that the Spearman correlation of `n` places and a random order of
    them is at most `limit`: exact for few, Student's approximation for many."""
    if n > _MOST_PERMUTED:
        t = limit * math.sqrt((n - 2) / (1 - limit**2))
        return float(stats.t.cdf(t, n - 2))
    orders = np.array([*itertools.permutations(range(n))])
    squares = np.sum((orders - np.arange(n)) ** 2, axis=1)
    correlations = 1 - 6 * squares / (n * (n**2 - 1))
    return float(np.mean(correlations <= limit + 1e-9))
