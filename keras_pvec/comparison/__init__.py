"""Angles between P-vectors, the null they are held against, and other measures.

Angles are in degrees: 0 = the same, 90 = unrelated. Everything here works on stored
P-vectors: neither the features nor a deep-learning framework are needed.
"""

from keras_pvec.comparison.angles import (
    SampleMismatchError,
    angle,
    principal_angles,
)
from keras_pvec.comparison.comparisons import (
    Comparison,
    DetailedComparison,
    compare,
    compare_in_detail,
    describe,
)
from keras_pvec.comparison.nulls import permutation_cosine_moments
from keras_pvec.comparison.similarity import linear_cka

__all__ = [
    "Comparison",
    "DetailedComparison",
    "SampleMismatchError",
    "angle",
    "compare",
    "compare_in_detail",
    "describe",
    "linear_cka",
    "permutation_cosine_moments",
    "principal_angles",
]
