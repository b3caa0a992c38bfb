"""Claims about singular vectors beyond the first, and about energy: C9, C12."""

from __future__ import annotations

import pandas as pd

from keras_pvec.reproduction.analysis.schema import (
    ANGLE_DEG as ANGLE,
    EPOCH,
    NULL_ANGLE_DEG as NULL_ANGLE,
    OTHER,
    RUN,
)
from keras_pvec.reproduction.claims.criteria import Counted
from keras_pvec.reproduction.claims.gate import gate_of
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C9, C12
from keras_pvec.reproduction.claims.resampling import Strata, strata_of
from keras_pvec.reproduction.claims.result import (
    Aspect,
    Cause,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    Part,
    Verdict,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import last_rows, summarise
from keras_pvec.reproduction.claims.verdicts import (
    UnitNull,
    caveats_of,
    combined,
    gated,
    rate_met,
)

_INDEX = "index"
_EXPLAINED = "explained"
_FEWEST_VECTORS = 2


def rate_c9(
    angles: pd.DataFrame,
    between: pd.DataFrame | None = None,
    reading: Reading = C9.primary,
) -> ClaimResult:
    """C9: singular vectors other than the first do not converge.

    Args:
        angles: As `analysis.singular_vector_angles` gives them.
        between: As `analysis.singular_vectors_between` gives them.
        reading: The reading that the tables were made under.
    """
    limits = C9.criterion
    found = int(angles[_INDEX].max())
    if found < _FEWEST_VECTORS:
        obstacle = Obstacle(Cause.TOO_FEW_VECTORS, _FEWEST_VECTORS, found)
        return not_tested(C9.id, obstacle, reading)
    gate = gate_of([angles])
    own = _middle(gate.rows(angles))
    strata = strata_of(angles)
    parts = []
    effects: list[Effect] = []
    if between is not None and len(gate.rows(between)):
        pairs = gate.rows(between)
        of_pairs = strata | strata_of(between)
        parts.append(_part(Aspect.BETWEEN, pairs, [RUN, OTHER], of_pairs))
        others = pairs[(pairs[_INDEX] > 1) & (pairs[_INDEX] <= limits.last_index)]
        others = others.set_index([RUN, OTHER])
        effects = [
            summarise(quantity, others[column], of_pairs)
            for quantity, column in (
                (Quantity.BEST_MATCH_ANGLE, "best_match_angle_deg"),
                (Quantity.SPAN_ANGLE, "subspace_angle_deg"),
            )
        ]
    parts.append(_part(Aspect.OWN_END, own, [RUN], strata))
    first = parts[0]
    caveats = dict.fromkeys(
        caveat for part in parts for caveat in caveats_of(limits, part.met, part.ladder)
    )
    result = ClaimResult(
        C9.id,
        reading,
        combined([part.verdict for part in parts]),
        (*first.effects, *effects),
        first.met,
        first.ladder,
        tuple(caveats),
        parts=tuple(parts),
    )
    return gated(result, gate)


def rate_c12(explained: pd.DataFrame, reading: Reading = C12.primary) -> ClaimResult:
    """C12: how much the first singular triplet explains.

    The paper shows it under a definition that it does not give, and so do we under
    three: the share of `||X||_F^2`, the share of the column variance in the first
    principal component, and the variance of the uncentred scores over the total column
    variance.

    Args:
        explained: As `analysis.explained_variance` gives it.
        reading: The reading that the table was made under.
    """
    strata = strata_of(explained)
    first = explained[explained["k"] == 1]
    most = explained["k"].max()
    end, end_of_all = last_rows(first), last_rows(explained[explained["k"] == most])
    lowest = first[first[EPOCH] >= 0].groupby(RUN, sort=False)[_EXPLAINED].min()
    effects = [
        summarise(Quantity.EXPLAINED, lowest, strata, "k=1"),
        summarise(Quantity.END_EXPLAINED, end[_EXPLAINED], strata, "k=1"),
        summarise(
            Quantity.END_EXPLAINED, end_of_all[_EXPLAINED], strata, f"k={int(most)}"
        ),
    ]
    effects += [
        summarise(quantity, end[quantity.label], strata)
        for quantity in (Quantity.PCA_SHARE, Quantity.SCORE_VARIANCE_SHARE)
        if quantity.label in end and end[quantity.label].notna().any()
    ]
    return ClaimResult(C12.id, reading, Verdict.DESCRIBED, tuple(effects))


def _middle(angles: pd.DataFrame) -> pd.DataFrame:
    """The medians of each run and index over the epochs that C9 looks at, of which
    there is at least one."""
    limits = C9.criterion
    rows = []
    for _, run in angles.groupby(RUN, sort=False):
        done = (run[EPOCH] + 1) / (run[EPOCH].max() + 1)
        chosen = done.between(limits.start_share - 1e-9, limits.end_share + 1e-9)
        if not chosen.any():
            middle = (limits.start_share + limits.end_share) / 2
            chosen = (done - middle).abs() == (done - middle).abs().min()
        rows.append(run[chosen])
    table = pd.concat(rows, ignore_index=True)
    keys = [RUN, _INDEX]
    return table.groupby(keys, sort=False)[[ANGLE, NULL_ANGLE]].median().reset_index()


def _part(aspect: Aspect, table: pd.DataFrame, unit: list[str], strata: Strata) -> Part:
    limits = C9.criterion
    chosen = table[table[_INDEX] <= limits.last_index]
    observed, null = (
        chosen.pivot_table(
            index=unit, columns=_INDEX, values=column, sort=False, dropna=False
        ).dropna(how="all")
        for column in (ANGLE, NULL_ANGLE)
    )

    def meets(angles: pd.DataFrame) -> pd.Series:
        others = angles.drop(columns=1)
        near = angles[1] <= limits.max_first_deg
        return near & (others.min(axis=1) >= limits.min_others_deg)

    def effects(angles: pd.DataFrame) -> list[Effect]:
        return [
            summarise(Quantity.FIRST_VECTOR_ANGLE, angles[1], strata),
            summarise(
                Quantity.OTHER_VECTORS_ANGLE,
                angles.drop(columns=1).min(axis=1),
                strata,
            ),
        ]

    permutation = UnitNull(Null.PERMUTATION, meets(null), effects(null))
    counted = Counted.PAIRS if aspect is Aspect.BETWEEN else Counted.RUNS
    rating = rate_met(limits, meets(observed), strata, [permutation], counted)
    return Part(
        aspect,
        rating.verdict,
        rating.met,
        tuple(effects(observed)),
        rating.ladder,
    )
