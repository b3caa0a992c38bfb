"""Claims about the angles between networks: C1, C5, C13."""

from __future__ import annotations

import dataclasses

import pandas as pd

from keras_pvec.reproduction.analysis.ladder import untrained_angles
from keras_pvec.reproduction.analysis.schema import (
    ANGLE_DEG as ANGLE,
    CENTERED_ANGLE_DEG as CENTERED_ANGLE,
    GROUP,
    IMAGE_STATISTICS_NULL_DEG as IMAGE_STATISTICS_NULL,
    NULL_ANGLE_DEG as NULL_ANGLE,
    NULL_PARTIAL_CORRELATION,
    OTHER,
    OTHER_GROUP,
    PARTIAL_CORRELATION,
    REFERENCE,
    RUN,
    SEED,
    WITHIN_CLASS_NULL_DEG as WITHIN_CLASS_NULL,
)
from keras_pvec.reproduction.claims.criteria import SmallAngle
from keras_pvec.reproduction.claims.gate import gate_of
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C1, C5, C13, ClaimSpec
from keras_pvec.reproduction.claims.resampling import Strata, strata_of
from keras_pvec.reproduction.claims.result import (
    Cause,
    Caveat,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    Rung,
    Verdict,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import (
    last_rows,
    share_of,
    summarise,
)
from keras_pvec.reproduction.claims.verdicts import (
    UnitNull,
    caveats_of,
    gated,
    level_of,
    rate_met,
)

# Nulls of a pair, by the column that holds its median angle under each.
_PAIR_NULLS = (
    (Null.PERMUTATION, NULL_ANGLE),
    (Null.WITHIN_CLASS, WITHIN_CLASS_NULL),
    (Null.IMAGE_STATISTICS, IMAGE_STATISTICS_NULL),
)


def rate_c1(
    pairs: pd.DataFrame,
    untrained: pd.DataFrame | None = None,
    reading: Reading = C1.primary,
) -> ClaimResult:
    """C1: any two well-trained networks of one dataset have a small angle.

    Pairs of one architecture with different seeds are left out.

    Args:
        pairs: As `analysis.angles_between` gives them.
        untrained: As `analysis.untrained_pairs` gives them. Without pairs of the same
            kinds, a pair is judged by its angle alone.
        reading: The reading that the tables were made under.
    """
    return _rate_pairs(C1, pairs, untrained, reading)


def rate_c13(
    pairs: pd.DataFrame,
    untrained: pd.DataFrame | None = None,
    reading: Reading = C13.primary,
    *,
    random_weights: bool = False,
) -> ClaimResult:
    """C13: pretrained ImageNet networks have small angles to each other.

    Args:
        pairs: As `analysis.pairwise_angles` gives them.
        untrained: The same table of networks of these architectures with random
            weights.
        reading: The reading that the tables were made under.
        random_weights: Whether the networks were not trained, in which case the claim
            is not tested whatever their angles are.
    """
    result = _rate_pairs(C13, pairs, untrained, reading)
    if not random_weights or result.obstacle is not None:
        return result
    return dataclasses.replace(
        result, verdict=Verdict.NOT_TESTED, obstacle=Obstacle(Cause.RANDOM_WEIGHTS)
    )


def rate_c5(angles: pd.DataFrame, reading: Reading = C5.primary) -> ClaimResult:
    """C5: checkpoints of every model converge to each of three references.

    A run is held against the references of other seeds than its own, and meets the
    criterion if it does for each of them.

    Args:
        angles: As `analysis.angles_to_references` gives them.
        reading: The reading that the table was made under.
    """
    seeds = angles.groupby(RUN)[SEED].first()
    # A reference that is not among the runs has no seed that a run could share.
    shared = angles[REFERENCE].map(seeds) == angles[SEED]
    if shared.all():
        obstacle = Obstacle(Cause.TOO_FEW_SEEDS, needed=2, found=len(seeds.unique()))
        return not_tested(C5.id, obstacle, reading)
    gate = gate_of([angles])
    rated = gate.rows(angles[~shared])
    if gate.is_open:
        rated = rated[~rated[REFERENCE].isin(gate.badly_trained)]
    if rated.empty:
        # No well-trained reference of another seed is left.
        gate, rated = gate._replace(is_open=False), angles[~shared]
    by = [RUN, REFERENCE]
    strata = strata_of(angles)
    end = last_rows(rated, by)
    decrease, null_decrease = (
        rated.groupby(by, sort=False)[column].max().reindex(end.index) - end[column]
        for column in (ANGLE, NULL_ANGLE)
    )
    limits = C5.criterion

    def meets(end: pd.Series, decrease: pd.Series) -> pd.Series:
        near = (end <= limits.max_deg) & (decrease >= limits.min_fall_deg)
        return near.groupby(level=RUN, sort=False).all()

    permutation = UnitNull(
        Null.PERMUTATION,
        meets(end[NULL_ANGLE], null_decrease),
        [
            summarise(Quantity.END_ANGLE, end[NULL_ANGLE], strata),
            summarise(Quantity.DECREASE, null_decrease, strata),
        ],
    )
    rating = rate_met(limits, meets(end[ANGLE], decrease), strata, [permutation])
    references = end.index.get_level_values(REFERENCE)
    result = ClaimResult(
        C5.id,
        reading,
        rating.verdict,
        (
            summarise(Quantity.END_ANGLE, end[ANGLE], strata),
            summarise(Quantity.DECREASE, decrease, strata),
            *(
                summarise(
                    Quantity.END_ANGLE, end.loc[references == name, ANGLE], strata, name
                )
                for name in dict.fromkeys(references)
            ),
        ),
        rating.met,
        rating.ladder,
        caveats_of(limits, rating.met, rating.ladder),
    )
    return gated(result, gate)


def by_pair(pairs: pd.DataFrame) -> pd.DataFrame:
    """The table with its pairs as an index."""
    return pairs.set_index([RUN, OTHER])


def _rate_pairs(
    spec: ClaimSpec[SmallAngle],
    pairs: pd.DataFrame,
    untrained: pd.DataFrame | None,
    reading: Reading,
) -> ClaimResult:
    different = pairs[pairs[GROUP] != pairs[OTHER_GROUP]]
    if different.empty:
        return not_tested(spec.id, Obstacle(Cause.TOO_FEW_NETWORKS, needed=2), reading)
    gate = gate_of([different])
    rated = by_pair(gate.rows(different))
    if rated.empty:
        gate = gate._replace(is_open=False)
        rated = by_pair(different)
    strata = strata_of(pairs)
    starts = _untrained_angles(rated, untrained)
    limits = spec.criterion

    def meets(angles: pd.Series) -> pd.Series:
        return (angles <= limits.max_deg) & ((angles < starts) | starts.isna())

    nulls = [
        UnitNull(
            null,
            meets(rated[column]),
            _null_effects(null, rated, column, strata),
        )
        for null, column in _PAIR_NULLS
        if column in rated and rated[column].notna().any()
    ]
    rating = rate_met(limits, meets(rated[ANGLE]), strata, nulls)
    effects = [summarise(Quantity.ANGLE, rated[ANGLE], strata)]
    for quantity, values in (
        (Quantity.CENTERED_ANGLE, rated[CENTERED_ANGLE]),
        (Quantity.UNTRAINED_ANGLE, starts),
    ):
        if values.notna().any():
            effects.append(summarise(quantity, values, strata))
    caveats = list(caveats_of(limits, rating.met, rating.ladder))
    ladder = rating.ladder
    if starts.isna().any():
        caveats.append(Caveat.NO_UNTRAINED_PAIRS)
    if untrained is not None and starts.notna().any():
        ladder = (*ladder, _untrained_rung(limits, untrained))
    result = ClaimResult(
        spec.id,
        reading,
        rating.verdict,
        tuple(effects),
        rating.met,
        ladder,
        tuple(caveats),
    )
    return gated(result, gate)


def _null_effects(
    null: Null, pairs: pd.DataFrame, column: str, strata: Strata
) -> list[Effect]:
    """The angles under a null, and of the image statistics what they leave."""
    effects = [summarise(Quantity.ANGLE, pairs[column], strata)]
    if null is Null.IMAGE_STATISTICS and PARTIAL_CORRELATION in pairs:
        effects += [
            summarise(quantity, pairs[name], strata)
            for quantity, name in (
                (Quantity.PARTIAL_CORRELATION, PARTIAL_CORRELATION),
                (Quantity.NULL_PARTIAL_CORRELATION, NULL_PARTIAL_CORRELATION),
            )
        ]
    return effects


def _untrained_angles(rated: pd.DataFrame, untrained: pd.DataFrame | None) -> pd.Series:
    if untrained is None:
        return pd.Series(float("nan"), index=rated.index)
    angles = untrained_angles(rated.reset_index(), untrained)
    return pd.Series(angles.to_numpy(), index=rated.index)


def _untrained_rung(limits: SmallAngle, untrained: pd.DataFrame) -> Rung:
    """How many untrained pairs are within the limit; that trained ones are closer is
    part of the criterion."""
    different = untrained[untrained[GROUP] != untrained[OTHER_GROUP]]
    angles = by_pair(different)[ANGLE]
    strata = strata_of(untrained)
    share = share_of(angles <= limits.max_deg, limits.counted, strata)
    meets = level_of(share.fraction, limits) is Verdict.REPRODUCED
    return Rung(
        Null.UNTRAINED, (summarise(Quantity.ANGLE, angles, strata),), share, meets
    )
