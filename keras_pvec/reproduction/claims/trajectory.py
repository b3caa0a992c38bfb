"""Claims about one network over the epochs of its training: C2, C3, C6b, C8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from keras_pvec.reproduction.analysis.schema import (
    ANGLE_DEG as ANGLE,
    COS_ONES,
    COS_ONES_REFERENCE,
    EPOCH,
    NULL_ANGLE_DEG as NULL_ANGLE,
    RUN,
)
from keras_pvec.reproduction.claims.between_networks import by_pair
from keras_pvec.reproduction.claims.criteria import Counted
from keras_pvec.reproduction.claims.gate import gate_of
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C2, C3, C6B, C8
from keras_pvec.reproduction.claims.resampling import Estimator, Strata, strata_of
from keras_pvec.reproduction.claims.result import (
    Aspect,
    Cause,
    Caveat,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    Part,
    Rung,
    Verdict,
)
from keras_pvec.reproduction.claims.statistics import (
    first_rows,
    last_rows,
    late_rows,
    summarise,
    trends,
)
from keras_pvec.reproduction.claims.verdicts import (
    Condition,
    UnitNull,
    caveats_of,
    combined,
    gated,
    level_of_conditions,
    rate_met,
    verdict_of,
)


def rate_c2(
    angles: pd.DataFrame,
    reading: Reading = C2.primary,
) -> ClaimResult:
    """C2: the angle to the well-trained model starts large and falls.

    The angle between two vectors is at most the sum of their angles to the constant
    vector. Where the median of that cap over the runs is below the threshold, the
    criterion cannot be met.

    Args:
        angles: As `analysis.angles_to_final` gives them.
        reading: The reading that the tables were made under.
    """
    gate = gate_of([angles])
    rated = gate.rows(angles)
    strata = strata_of(angles)
    limits = C2.criterion
    starts = first_rows(rated)
    null_start, null_trend = starts[NULL_ANGLE], trends(rated, NULL_ANGLE)

    def conditions(start: pd.Series, trend: pd.Series) -> list[Condition]:
        return [
            Condition(
                _median(Quantity.START_ANGLE, start, strata),
                limits.min_start_deg,
                at_most=False,
            ),
            Condition(
                _median(Quantity.ANGLE_TREND, trend, strata),
                limits.max_trend,
                at_most=True,
            ),
        ]

    observed = conditions(starts[ANGLE], trends(rated))
    verdict, rung = _rate_medians(observed, conditions(null_start, null_trend))
    effects = [condition.effect for condition in observed]
    obstacle = None
    if COS_ONES in starts:
        cap = _median(Quantity.CAP, _caps(starts), strata)
        effects.append(cap)
        if cap.estimate < limits.min_start_deg:
            verdict = Verdict.NOT_TESTED
            obstacle = Obstacle(
                Cause.CANNOT_BE_MET, int(limits.min_start_deg), int(cap.estimate)
            )
    result = ClaimResult(
        C2.id,
        reading,
        verdict,
        tuple(effects),
        ladder=(rung,),
        caveats=(Caveat.OWN_END,),
        obstacle=obstacle,
    )
    return gated(result, gate)


def rate_c3(
    angles: pd.DataFrame,
    pairs: pd.DataFrame | None = None,
    reading: Reading = C3.primary,
) -> ClaimResult:
    """C3: the same curve for every architecture and supervision, to a small end.

    Args:
        angles: As `analysis.angles_to_final` gives them.
        pairs: As `analysis.angles_between` gives them; without any, only the angle to
            the own end is rated.
        reading: The reading that the tables were made under.
    """
    gate = gate_of([angles])
    strata = strata_of(angles)
    limits = C3.criterion
    late = late_rows(gate.rows(angles), limits.last_share)
    ends = late.groupby(RUN, sort=False)[[ANGLE, NULL_ANGLE]].max()
    parts = [_small_part(Aspect.OWN_END, Quantity.LATE_ANGLE, ends, strata)]
    if pairs is not None and len(gate.rows(pairs)):
        between = by_pair(gate.rows(pairs))
        parts.append(
            _small_part(
                Aspect.BETWEEN, Quantity.ANGLE, between, strata | strata_of(pairs)
            )
        )
    own = parts[0]
    caveats = dict.fromkeys(
        caveat for part in parts for caveat in caveats_of(limits, part.met, part.ladder)
    )
    trend = summarise(Quantity.ANGLE_TREND, trends(gate.rows(angles)), strata)
    result = ClaimResult(
        C3.id,
        reading,
        combined([part.verdict for part in parts]),
        (*own.effects, trend),
        own.met,
        own.ladder,
        (Caveat.OWN_END, *caveats),
        parts=tuple(parts),
    )
    return gated(result, gate)


def rate_c6b(angles: pd.DataFrame, reading: Reading = C6B.primary) -> ClaimResult:
    """C6b: after the first epoch, the angle to the raw data falls to a small value.

    Args:
        angles: As `analysis.angles_to_data` gives them.
        reading: The reading that the table was made under.
    """
    limits = C6B.criterion
    gate = gate_of([angles])
    rated = gate.rows(angles)
    strata = strata_of(angles)
    trained = rated[rated[EPOCH] >= 0]
    end = last_rows(trained)

    def conditions(column: str) -> list[Condition]:
        trend = trends(trained, column, with_last=True)
        return [
            Condition(
                _median(Quantity.ANGLE_TREND, trend, strata),
                limits.max_trend,
                at_most=True,
            ),
            Condition(
                _median(Quantity.END_ANGLE, end[column], strata),
                limits.max_deg,
                at_most=True,
            ),
        ]

    observed = conditions(ANGLE)
    verdict, rung = _rate_medians(observed, conditions(NULL_ANGLE))
    result = ClaimResult(
        C6B.id,
        reading,
        verdict,
        tuple(condition.effect for condition in observed),
        ladder=(rung,),
    )
    return gated(result, gate)


def rate_c8(drift: pd.DataFrame, reading: Reading = C8.primary) -> ClaimResult:
    """C8: the distribution of the P-vector's values drifts during training.

    The paper shows it, and so do we: there is no criterion.

    Args:
        drift: As `analysis.value_drift` gives it.
        reading: The reading that the table was made under.
    """
    strata = strata_of(drift)
    before = first_rows(drift)["distance"]
    trend = trends(drift, "distance")
    return ClaimResult(
        C8.id,
        reading,
        Verdict.DESCRIBED,
        (
            summarise(Quantity.START_DISTANCE, before, strata),
            summarise(Quantity.DISTANCE_TREND, trend, strata),
        ),
        caveats=(Caveat.ORDER_FREE, Caveat.OWN_END),
    )


def _small_part(
    aspect: Aspect, quantity: Quantity, units: pd.DataFrame, strata: Strata
) -> Part:
    """The angles of runs, or of pairs, against the limit of C3."""
    limits = C3.criterion
    permutation = UnitNull(
        Null.PERMUTATION,
        units[NULL_ANGLE] <= limits.max_deg,
        [summarise(quantity, units[NULL_ANGLE], strata)],
    )
    counted = Counted.PAIRS if aspect is Aspect.BETWEEN else Counted.RUNS
    met = units[ANGLE] <= limits.max_deg
    rating = rate_met(limits, met, strata, [permutation], counted)
    effect = summarise(quantity, units[ANGLE], strata)
    return Part(aspect, rating.verdict, rating.met, (effect,), rating.ladder)


def _median(quantity: Quantity, values: pd.Series, strata: Strata) -> Effect:
    return summarise(quantity, values, strata, estimator=Estimator.MEDIAN)


def _rate_medians(
    observed: Sequence[Condition], null: Sequence[Condition]
) -> tuple[Verdict, Rung]:
    """The verdict on medians, and what the permutation null gives for the same runs."""
    level = level_of_conditions(observed)
    # What the null holds of what is held.
    held = [n.holds for o, n in zip(observed, null, strict=True) if o.holds]
    meets = bool(held) and all(held)
    effects = tuple(condition.effect for condition in null)
    rung = Rung(Null.PERMUTATION, effects, meets=meets)
    return verdict_of(level, [rung]), rung


def _caps(starts: pd.DataFrame) -> pd.Series:
    """Largest possible angle of two vectors, by their angles to the constant one."""
    alpha, beta = (
        np.degrees(np.arccos(starts[column].astype(float).abs().clip(upper=1)))
        for column in (COS_ONES, COS_ONES_REFERENCE)
    )
    return (alpha + beta).clip(upper=90.0)
