"""Angles between P-vectors, the nulls that they are tested against, and other measures.

Angles are in degrees: 0 = the same, 90 = unrelated. Everything here works on stored
P-vectors: neither the features nor a deep-learning framework are needed.
"""

from keras_pvec.comparison.angles import (
    SampleMismatchError,
    angle,
    check_samples_of,
    principal_angles,
)
from keras_pvec.comparison.cka import linear_cka, minibatch_cka
from keras_pvec.comparison.comparisons import (
    Comparison,
    DetailedComparison,
    compare,
    compare_in_detail,
    describe,
)
from keras_pvec.comparison.ladder import NullTest, Rung, null_ladder
from keras_pvec.comparison.nulls import (
    permutation_band_deg,
    permutation_cosine_moments,
)

__all__ = [
    "Comparison",
    "DetailedComparison",
    "NullTest",
    "Rung",
    "SampleMismatchError",
    "angle",
    "check_samples_of",
    "compare",
    "compare_in_detail",
    "describe",
    "linear_cka",
    "minibatch_cka",
    "null_ladder",
    "permutation_band_deg",
    "permutation_cosine_moments",
    "principal_angles",
]
