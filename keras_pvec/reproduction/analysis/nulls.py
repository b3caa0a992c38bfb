"""The band of the permutation null."""

from __future__ import annotations

import numpy as np
import pandas as pd

from keras_pvec.comparison import permutation_cosine_moments
from keras_pvec.reproduction.analysis import schema as col

# 95% of a normal distribution lie within this many standard deviations.
_BAND_STD = 1.96


def with_null_band(table: pd.DataFrame) -> pd.DataFrame:
    """Adds `null_low_deg` and `null_high_deg`, the band that holds 95% of the angles
    under the permutation null.

    Args:
        table: With the columns of a comparison.
    """
    mean, std = permutation_cosine_moments(
        table[col.COS_ONES].astype(float),
        table[col.COS_ONES_REFERENCE].astype(float),
        table[col.N_SAMPLES],
    )
    edges = [np.clip(np.abs(mean) + s * _BAND_STD * std, 0, 1) for s in (1, -1)]
    low, high = (np.degrees(np.arccos(edge)) for edge in edges)
    return table.assign(**{col.NULL_LOW_DEG: low, col.NULL_HIGH_DEG: high})
