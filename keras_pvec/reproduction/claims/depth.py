"""The claim about the layers of a network: C7."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from keras_pvec.reproduction.analysis.schema import (
    ANGLE_DEG as ANGLE,
    EPOCH,
    NULL_ANGLE_DEG as NULL_ANGLE,
    RUN,
)
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C7
from keras_pvec.reproduction.claims.resampling import Strata, strata_of
from keras_pvec.reproduction.claims.result import (
    Cause,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import summarise
from keras_pvec.reproduction.claims.verdicts import UnitNull, caveats_of, rate_met

_BLOCK = "block"
# Orders of up to this many blocks are gone through one by one; of more, some are drawn.
_MOST_ORDERED = 7
_N_ORDERS = 4999


def rate_c7(angles: pd.DataFrame, reading: Reading = C7.primary) -> ClaimResult:
    """C7: early in training the angle to the raw data rises with depth, late in
    training it falls towards the top blocks.

    A slope falls or not, so that half of all runs meet the criterion if the blocks are
    in no order. A second null therefore permutes the blocks of each run, in the first
    and the last epoch alike.

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
    strata = strata_of(angles)
    slopes, null_slopes = _slopes(angles, ANGLE), _slopes(angles, NULL_ANGLE)
    nulls = [
        UnitNull(
            Null.PERMUTATION,
            null_slopes["change"] < 0,
            _effects(null_slopes, strata),
        ),
        UnitNull(
            Null.BLOCK_ORDER,
            slopes["p"] > limits.null_level,
            [summarise(Quantity.BLOCK_ORDER_P, slopes["p"], strata)],
        ),
    ]
    rating = rate_met(limits, slopes["change"] < 0, strata, nulls)
    return ClaimResult(
        C7.id,
        reading,
        rating.verdict,
        tuple(_effects(slopes, strata)),
        rating.met,
        rating.ladder,
        caveats_of(limits, rating.met, rating.ladder),
    )


def _effects(slopes: pd.DataFrame, strata: Strata) -> list[Effect]:
    return [
        summarise(quantity, slopes[column], strata)
        for quantity, column in (
            (Quantity.SLOPE_CHANGE, "change"),
            (Quantity.EARLY_SLOPE, "early"),
            (Quantity.LATE_SLOPE, "late"),
        )
    ]


def _slopes(angles: pd.DataFrame, column: str) -> pd.DataFrame:
    """Slopes of a column against the block, by run, degrees per block: `early`, in the
    first epoch; `late`, in the last; their `change`; and `p`, the probability of one as
    negative under a permutation of the blocks."""
    found = {}
    for name, run in angles.groupby(RUN, sort=False):
        curves = [
            run[run[EPOCH] == epoch].set_index(_BLOCK)[column].sort_index()
            for epoch in (run[EPOCH].min(), run[EPOCH].max())
        ]
        blocks = curves[0].index.intersection(curves[1].index)
        early, late = (curve[blocks].to_numpy(float) for curve in curves)
        place = blocks.to_numpy(float)
        weights = (place - place.mean()) / np.sum((place - place.mean()) ** 2)
        change = late - early
        found[name] = {
            "early": float(weights @ early),
            "late": float(weights @ late),
            # Equal curves must not differ by their last digit.
            "change": round(float(weights @ change), 9),
            "p": _share_of_orders(weights, change),
        }
    return pd.DataFrame.from_dict(found, orient="index")


def _share_of_orders(weights: np.ndarray, change: np.ndarray) -> float:
    """Share of the orders of blocks with a slope at most as large as the observed."""
    n = len(change)
    observed = weights @ change + 1e-9
    if n <= _MOST_ORDERED:
        orders = np.array([*itertools.permutations(range(n))])
        return float(np.sum(change[orders] @ weights <= observed) / math.factorial(n))
    rng = np.random.default_rng(0)
    drawn = rng.permuted(np.broadcast_to(change, (_N_ORDERS, n)), axis=1) @ weights
    return float((1 + np.sum(drawn <= observed)) / (1 + _N_ORDERS))
