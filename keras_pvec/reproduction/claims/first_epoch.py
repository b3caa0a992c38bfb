"""Claims about the first epoch, update by update: C4, C6a."""

from __future__ import annotations

import pandas as pd

from keras_pvec.reproduction.claims.columns import FINAL, REFERENCE, SPLIT
from keras_pvec.reproduction.claims.criteria import RiseThenFall
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C4, C6A, ClaimSpec
from keras_pvec.reproduction.claims.result import (
    Cause,
    ClaimResult,
    Effect,
    Null,
    Obstacle,
    Quantity,
    not_tested,
)
from keras_pvec.reproduction.claims.statistics import summarise
from keras_pvec.reproduction.claims.verdicts import rate_units, rung_of


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
    needed = spec.criterion.min_moments
    if (peaks["n_moments"] < needed).all():
        found = int(peaks["n_moments"].max()) if len(peaks) else 0
        obstacle = Obstacle(Cause.TOO_FEW_MOMENTS, needed, found)
        return not_tested(spec.id, obstacle, reading)
    position = summarise(Quantity.PEAK_POSITION, peaks["peak_step"] / peaks["n_steps"])
    permutation = rung_of(
        Null.PERMUTATION,
        _has_peak(peaks, spec.criterion, "null_"),
        _rise_and_fall(peaks, "null_"),
        spec.criterion,
    )
    return rate_units(
        spec,
        reading,
        _has_peak(peaks, spec.criterion),
        [*_rise_and_fall(peaks), position],
        [permutation],
    )


def _has_peak(peaks: pd.DataFrame, limits: RiseThenFall, prefix: str = "") -> pd.Series:
    rise, fall = peaks[f"{prefix}rise_deg"], peaks[f"{prefix}fall_deg"]
    return (rise >= limits.min_rise_deg) & (fall >= limits.min_fall_deg)


def _rise_and_fall(peaks: pd.DataFrame, prefix: str = "") -> list[Effect]:
    return [
        summarise(Quantity.RISE, peaks[f"{prefix}rise_deg"]),
        summarise(Quantity.FALL, peaks[f"{prefix}fall_deg"]),
    ]
