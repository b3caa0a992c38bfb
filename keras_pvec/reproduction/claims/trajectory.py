"""Claims about one network over the epochs of its training: C2, C3, C6b, C8."""

from __future__ import annotations

import pandas as pd

from keras_pvec.reproduction.claims.columns import ANGLE, EPOCH, NULL_ANGLE, RUN
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C2, C3, C6B, C8
from keras_pvec.reproduction.claims.result import Caveat, ClaimResult, Null, Quantity
from keras_pvec.reproduction.claims.statistics import (
    first_rows,
    last_rows,
    late_rows,
    summarise,
    trends,
)
from keras_pvec.reproduction.claims.verdicts import rate_units, rung_of


def rate_c2(angles: pd.DataFrame, reading: Reading = C2.primary) -> ClaimResult:
    """C2: the angle to the well-trained model starts large and falls.

    Args:
        angles: As `analysis.angles_to_final` gives them.
        reading: The reading that the table was made under.
    """
    before = first_rows(angles)
    trend, null_trend = trends(angles), trends(angles, NULL_ANGLE)
    limits = C2.criterion

    def meets(start: pd.Series, trend: pd.Series) -> pd.Series:
        return (start >= limits.min_start_deg) & (trend <= limits.max_trend)

    permutation = rung_of(
        Null.PERMUTATION,
        meets(before[NULL_ANGLE], null_trend),
        [
            summarise(Quantity.START_ANGLE, before[NULL_ANGLE]),
            summarise(Quantity.ANGLE_TREND, null_trend),
        ],
        limits,
    )
    return rate_units(
        C2,
        reading,
        meets(before[ANGLE], trend),
        [
            summarise(Quantity.START_ANGLE, before[ANGLE]),
            summarise(Quantity.ANGLE_TREND, trend),
        ],
        [permutation],
        [Caveat.OWN_END],
    )


def rate_c3(angles: pd.DataFrame, reading: Reading = C3.primary) -> ClaimResult:
    """C3: the same falling curve for every architecture and supervision.

    Args:
        angles: As `analysis.angles_to_final` gives them.
        reading: The reading that the table was made under.
    """
    limits = C3.criterion
    late = late_rows(angles, limits.last_share)
    trend = trends(angles)
    ends = late.groupby(RUN)[[ANGLE, NULL_ANGLE]].max()
    permutation = rung_of(
        Null.PERMUTATION,
        # Where the null is as small in the end, a fall to there shows nothing.
        ends[NULL_ANGLE] <= limits.max_deg,
        [summarise(Quantity.LATE_ANGLE, late[NULL_ANGLE])],
        limits,
    )
    return rate_units(
        C3,
        reading,
        (ends[ANGLE] <= limits.max_deg) & (trend <= limits.max_trend),
        [
            summarise(Quantity.LATE_ANGLE, late[ANGLE]),
            summarise(Quantity.ANGLE_TREND, trend),
        ],
        [permutation],
        [Caveat.OWN_END],
    )


def rate_c6b(angles: pd.DataFrame, reading: Reading = C6B.primary) -> ClaimResult:
    """C6b: after the first epoch, the angle to the raw data falls to a small value.

    Args:
        angles: As `analysis.angles_to_data` gives them.
        reading: The reading that the table was made under.
    """
    limits = C6B.criterion
    trained = angles[angles[EPOCH] >= 0]
    end = last_rows(trained)
    trend = trends(trained, with_last=True)
    null_trend = trends(trained, NULL_ANGLE, with_last=True)

    def meets(trend: pd.Series, end: pd.Series) -> pd.Series:
        return (trend <= limits.max_trend) & (end <= limits.max_deg)

    permutation = rung_of(
        Null.PERMUTATION,
        meets(null_trend, end[NULL_ANGLE]),
        [
            summarise(Quantity.ANGLE_TREND, null_trend),
            summarise(Quantity.END_ANGLE, end[NULL_ANGLE]),
        ],
        limits,
    )
    return rate_units(
        C6B,
        reading,
        meets(trend, end[ANGLE]),
        [
            summarise(Quantity.ANGLE_TREND, trend),
            summarise(Quantity.END_ANGLE, end[ANGLE]),
        ],
        [permutation],
    )


def rate_c8(drift: pd.DataFrame, reading: Reading = C8.primary) -> ClaimResult:
    """C8: the distribution of the P-vector's values drifts during training and settles.

    Args:
        drift: As `analysis.value_drift` gives it.
        reading: The reading that the table was made under.
    """
    limits = C8.criterion
    trend = trends(drift, "distance")
    before = first_rows(drift)["distance"]
    return rate_units(
        C8,
        reading,
        (trend <= limits.max_trend) & (before >= limits.min_start),
        [
            summarise(Quantity.DISTANCE_TREND, trend),
            summarise(Quantity.START_DISTANCE, before),
        ],
        caveats=[Caveat.ORDER_FREE, Caveat.OWN_END],
    )
