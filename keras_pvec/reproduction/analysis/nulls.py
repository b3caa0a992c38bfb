"""The band of the permutation null."""

from __future__ import annotations

import pandas as pd

from keras_pvec.comparison import permutation_band_deg
from keras_pvec.reproduction.analysis import schema as col


def with_null_band(table: pd.DataFrame) -> pd.DataFrame:
    """Adds `null_low_deg` and `null_high_deg`, the band that holds 95% of the angles
    under the permutation null.

    Args:
        table: With the columns of a comparison.
    """
    low, high = permutation_band_deg(
        table[col.COS_ONES].astype(float),
        table[col.COS_ONES_REFERENCE].astype(float),
        table[col.N_SAMPLES],
    )
    return table.assign(**{col.NULL_LOW_DEG: low, col.NULL_HIGH_DEG: high})
