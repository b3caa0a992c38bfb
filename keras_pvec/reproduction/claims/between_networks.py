"""Claims about the angles between networks: C1, C5, C13."""

from __future__ import annotations

import dataclasses

import pandas as pd

from keras_pvec.reproduction.claims.columns import (
    ANGLE,
    CENTERED_ANGLE,
    NULL_ANGLE,
    REFERENCE,
    RUN,
)
from keras_pvec.reproduction.claims.criteria import Counted, SmallAngle
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C1, C5, C13, ClaimSpec
from keras_pvec.reproduction.claims.result import (
    Cause,
    ClaimResult,
    Null,
    Obstacle,
    Quantity,
    Rung,
    Verdict,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import (
    first_rows,
    last_rows,
    summarise,
)
from keras_pvec.reproduction.claims.verdicts import rate_units, rung_of


def rate_c1(
    pairs: pd.DataFrame,
    untrained: pd.DataFrame | None = None,
    reading: Reading = C1.primary,
) -> ClaimResult:
    """C1: any two well-trained networks of one dataset have a small angle.

    Args:
        pairs: As `analysis.angles_between` gives them.
        untrained: As `analysis.angles_to_untrained` gives them: a second null. If
            trained networks are as close to untrained ones, it is not training that
            brings them together.
        reading: The reading that the tables were made under.
    """
    return _rate_pairs(C1, pairs, reading, _untrained_rungs(untrained))


def rate_c13(
    pairs: pd.DataFrame, random_weights: bool = False, reading: Reading = C13.primary
) -> ClaimResult:
    """C13: pretrained ImageNet networks have small angles to each other.

    Args:
        pairs: As `analysis.pairwise_angles` gives them.
        random_weights: Whether the networks were not trained, in which case the claim
            is not tested whatever their angles are.
        reading: The reading that the table was made under.
    """
    result = _rate_pairs(C13, pairs, reading)
    if not random_weights or result.obstacle is not None:
        return result
    return dataclasses.replace(
        result, verdict=Verdict.NOT_TESTED, obstacle=Obstacle(Cause.RANDOM_WEIGHTS)
    )


def rate_c5(angles: pd.DataFrame, reading: Reading = C5.primary) -> ClaimResult:
    """C5: checkpoints of every model converge to each of three references.

    Args:
        angles: As `analysis.angles_to_references` gives them.
        reading: The reading that the table was made under.
    """
    by = [RUN, REFERENCE]
    before, end = first_rows(angles, by), last_rows(angles, by)
    decrease = before[ANGLE] - end[ANGLE]
    limit = C5.criterion.max_deg
    permutation = rung_of(
        Null.PERMUTATION,
        end[NULL_ANGLE] <= limit,
        [summarise(Quantity.END_ANGLE, end[NULL_ANGLE])],
        C5.criterion,
    )
    return rate_units(
        C5,
        reading,
        (end[ANGLE] <= limit) & (decrease > 0),
        [
            summarise(Quantity.END_ANGLE, end[ANGLE]),
            summarise(Quantity.DECREASE, decrease),
        ],
        [permutation],
    )


def _rate_pairs(
    spec: ClaimSpec[SmallAngle],
    pairs: pd.DataFrame,
    reading: Reading,
    other_rungs: tuple[Rung, ...] = (),
) -> ClaimResult:
    if pairs.empty:
        # No more than one, of which no pair can be made.
        return not_tested(spec.id, Obstacle(Cause.TOO_FEW_NETWORKS, needed=2), reading)
    limit = spec.criterion.max_deg
    effects = [summarise(Quantity.ANGLE, pairs[ANGLE])]
    if pairs[CENTERED_ANGLE].notna().any():
        effects.append(summarise(Quantity.CENTERED_ANGLE, pairs[CENTERED_ANGLE]))
    permutation = rung_of(
        Null.PERMUTATION,
        pairs[NULL_ANGLE] <= limit,
        [summarise(Quantity.ANGLE, pairs[NULL_ANGLE])],
        spec.criterion,
    )
    met = pairs[ANGLE] <= limit
    return rate_units(spec, reading, met, effects, [permutation, *other_rungs])


def _untrained_rungs(untrained: pd.DataFrame | None) -> tuple[Rung, ...]:
    """How close trained networks are to their untrained twins."""
    if untrained is None or untrained.empty:
        return ()
    angles = last_rows(untrained)[ANGLE]
    criterion = dataclasses.replace(C1.criterion, counted=Counted.RUNS)
    rung = rung_of(
        Null.UNTRAINED_TWIN,
        angles <= criterion.max_deg,
        [summarise(Quantity.END_ANGLE, angles)],
        criterion,
    )
    return (rung,)
