"""Claims about singular vectors beyond the first, and about energy: C9, C12."""

from __future__ import annotations

import pandas as pd

from keras_pvec.reproduction.claims.columns import ANGLE, EPOCH, NULL_ANGLE, RUN
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C9, C12
from keras_pvec.reproduction.claims.result import (
    Cause,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    Quantity,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import last_rows, late_rows, summarise
from keras_pvec.reproduction.claims.verdicts import rate_units, rung_of

_INDEX = "index"
_EXPLAINED = "explained"
_CONSTANT = "constant_share"


def rate_c9(angles: pd.DataFrame, reading: Reading = C9.primary) -> ClaimResult:
    """C9: singular vectors other than the first do not converge.

    Args:
        angles: As `analysis.singular_vector_angles` gives them.
        reading: The reading that the table was made under.
    """
    limits = C9.criterion
    found = int(angles[_INDEX].max())
    if found < limits.min_vectors:
        obstacle = Obstacle(Cause.TOO_FEW_VECTORS, limits.min_vectors, found)
        return not_tested(C9.id, obstacle, reading)
    late = late_rows(angles, limits.last_share, [RUN, _INDEX])
    permutation = rung_of(
        Null.PERMUTATION,
        _first_converges_alone(late, NULL_ANGLE),
        _vector_effects(late, NULL_ANGLE),
        limits,
    )
    met = _first_converges_alone(late, ANGLE)
    return rate_units(C9, reading, met, _vector_effects(late, ANGLE), [permutation])


def rate_c12(explained: pd.DataFrame, reading: Reading = C12.primary) -> ClaimResult:
    """C12: the first singular triplet explains most of the features.

    Args:
        explained: As `analysis.explained_variance` gives it.
        reading: The reading that the table was made under.
    """
    limits = C12.criterion
    first = explained[explained["k"] == 1]
    most = explained["k"].max()
    trained = first[first[EPOCH] >= 0]
    lowest = trained.groupby(RUN)[[_EXPLAINED, _CONSTANT]].min()
    end = last_rows(first)[_EXPLAINED]
    end_of_all = last_rows(explained[explained["k"] == most])[_EXPLAINED]
    constant = rung_of(
        Null.CONSTANT_VECTOR,
        lowest[_CONSTANT] >= limits.min_share,
        [summarise(Quantity.EXPLAINED, trained[_CONSTANT])],
        limits,
    )
    return rate_units(
        C12,
        reading,
        lowest[_EXPLAINED] >= limits.min_share,
        [
            summarise(Quantity.EXPLAINED, trained[_EXPLAINED], "k=1"),
            summarise(Quantity.END_EXPLAINED, end, "k=1"),
            summarise(Quantity.END_EXPLAINED, end_of_all, f"k={int(most)}"),
        ],
        [constant],
    )


def _first_and_others(late: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """The largest late angle of the first vector by run, and the median of those of
    each other one by run and index."""
    is_first = late[_INDEX] == 1
    return (
        late[is_first].groupby(RUN)[column].max(),
        late[~is_first].groupby([RUN, _INDEX])[column].median(),
    )


def _first_converges_alone(late: pd.DataFrame, column: str) -> pd.Series:
    first, others = _first_and_others(late, column)
    nearest = others.groupby(RUN).min()
    limits = C9.criterion
    return (first <= limits.max_first_deg) & (nearest > limits.others_deg)


def _vector_effects(late: pd.DataFrame, column: str) -> list[Effect]:
    first, others = _first_and_others(late, column)
    return [
        summarise(Quantity.FIRST_VECTOR_ANGLE, first),
        summarise(Quantity.OTHER_VECTORS_ANGLE, others),
    ]
