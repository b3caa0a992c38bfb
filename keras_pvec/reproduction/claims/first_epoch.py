"""Claims about the first epoch, update by update: C4, C6a."""

from __future__ import annotations

import pandas as pd

from keras_pvec.reproduction.analysis.schema import (
    FINAL,
    REFERENCE,
    RUN,
    SPLIT,
)
from keras_pvec.reproduction.claims.criteria import RiseThenFall
from keras_pvec.reproduction.claims.gate import gate_of
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C4, C6A, ClaimSpec
from keras_pvec.reproduction.claims.resampling import Strata, strata_of
from keras_pvec.reproduction.claims.result import (
    Cause,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import summarise
from keras_pvec.reproduction.claims.verdicts import (
    UnitNull,
    caveats_of,
    gated,
    rate_met,
)


def rate_c4(peaks: pd.DataFrame, reading: Reading = C4.primary) -> ClaimResult:
    """C4: the angle to the well-trained model first rises, then falls.

    Args:
        peaks: As `analysis.first_epoch_peaks` gives them, on both splits.
        reading: The reading that the table was made under.
    """
    return _rate_peaks(C4, peaks[peaks[REFERENCE] == FINAL], reading)


def rate_c6a(peaks: pd.DataFrame, reading: Reading = C6A.primary) -> ClaimResult:
    """C6a: the angle to the raw data first rises, then falls.

    Args:
        peaks: As `analysis.first_epoch_peaks` gives them.
        reading: Which samples and raw data of the table count.
    """
    samples, raw_data = reading.samples, reading.raw_data
    if samples is None or raw_data is None:
        raise ValueError(
            f"C6a needs a reading that names samples and raw data. Received: {reading}"
        )
    chosen = (peaks[REFERENCE] == raw_data.value) & (peaks[SPLIT] == samples.value)
    return _rate_peaks(C6A, peaks[chosen], reading)


def _rate_peaks(
    spec: ClaimSpec[RiseThenFall], peaks: pd.DataFrame, reading: Reading
) -> ClaimResult:
    limits = spec.criterion
    for column, needed, cause in (
        ("n_moments", limits.min_moments, Cause.TOO_FEW_MOMENTS),
        ("n_steps", limits.min_updates, Cause.TOO_FEW_UPDATES),
    ):
        if (peaks[column] < needed).all():
            found = int(peaks[column].max()) if len(peaks) else 0
            return not_tested(spec.id, Obstacle(cause, needed, found), reading)
    peaks = peaks[peaks["n_steps"] >= limits.min_updates]
    gate = gate_of([peaks])
    strata = strata_of(peaks)
    rated = peaks
    if spec.of_well_trained:
        rated = gate.rows(peaks)
    rated = rated.set_index([RUN, SPLIT])
    permutation = UnitNull(
        Null.PERMUTATION,
        _has_peak(rated, limits, "null_"),
        _sizes(rated, strata, "null_"),
    )
    rating = rate_met(limits, _has_peak(rated, limits), strata, [permutation])
    position = rated["peak_step"] / rated["n_steps"]
    result = ClaimResult(
        spec.id,
        reading,
        rating.verdict,
        (
            *_sizes(rated, strata),
            summarise(Quantity.PEAK_POSITION, position, strata),
        ),
        rating.met,
        rating.ladder,
        caveats_of(limits, rating.met, rating.ladder),
    )
    return gated(result, gate)


def _has_peak(peaks: pd.DataFrame, limits: RiseThenFall, prefix: str = "") -> pd.Series:
    """Whether each curve has a peak that is large, and large beside its noise. Both
    sides of an angle that is largest at an end are not: one of them is zero."""
    least = limits.min_noise_ratio * peaks[f"{prefix}noise_deg"]
    least = least.clip(lower=limits.min_change_deg)
    return (peaks[f"{prefix}rise_deg"] >= least) & (peaks[f"{prefix}fall_deg"] >= least)


def _sizes(peaks: pd.DataFrame, strata: Strata, prefix: str = "") -> list[Effect]:
    return [
        summarise(quantity, peaks[f"{prefix}{column}"], strata)
        for quantity, column in (
            (Quantity.RISE, "rise_deg"),
            (Quantity.FALL, "fall_deg"),
            (Quantity.NOISE, "noise_deg"),
        )
    ]
