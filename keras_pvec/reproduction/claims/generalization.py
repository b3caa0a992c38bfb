"""Claims about the angle to the raw data and generalization: C10, C11."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.claims.columns import ANGLE, NULL_ANGLE
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C10, C11
from keras_pvec.reproduction.claims.result import (
    Cause,
    ClaimResult,
    Effect,
    Interval,
    Null,
    Obstacle,
    Quantity,
    Rung,
    not_tested,
)
from keras_pvec.reproduction.claims.verdicts import verdict_of

_ACCURACY = "test_accuracy"
_ALL = "all"  # models of all factors
# What is known of a model without a P-vector of the data.
_TRIVIAL_PREDICTORS = ("train_loss", "n_parameters", "cos_ones")
# Of a normal distribution, this many standard errors hold 95%.
_STANDARD_ERRORS = 1.96


def rate_c10(correlations: pd.DataFrame, reading: Reading = C10.primary) -> ClaimResult:
    """C10: the smaller the angle to the data, the better a model generalizes.

    Args:
        correlations: As `analysis.rank_correlations` gives them for `test_accuracy`.
        reading: The reading that the table was made under.
    """
    limits = C10.criterion
    of_angle = correlations[correlations["predictor"] == ANGLE]
    (overall,) = map(_tau, _rows(of_angle[of_angle["factor"] == _ALL]))
    known = of_angle[of_angle["tau"].notna()]
    within = [*map(_tau, _rows(known[known["factor"] != _ALL]))]
    if overall.n < limits.min_models:
        obstacle = Obstacle(Cause.TOO_FEW_MODELS, limits.min_models, overall.n)
        return not_tested(C10.id, obstacle, reading)
    if not np.isfinite(overall.estimate):
        return not_tested(C10.id, Obstacle(Cause.MODELS_ALIKE), reading)
    if not within:
        return not_tested(C10.id, Obstacle(Cause.NO_FACTOR), reading)
    trivial = _trivial_predictors(correlations, overall)
    holds = (
        overall.estimate <= limits.max_tau
        and overall.interval is not None
        and overall.interval.high < 0
        and all(effect.estimate < 0 for effect in within)
    )
    return ClaimResult(
        C10.id,
        reading,
        verdict_of(holds, [trivial]),
        (overall, *within),
        ladder=(trivial,),
    )


def rate_c11(models: pd.DataFrame, reading: Reading = C11.primary) -> ClaimResult:
    """C11: the same relation on log-log axes.

    Args:
        models: As `analysis.over_seeds` gives them.
        reading: The reading that the table was made under.
    """
    needed = C11.criterion.min_models
    known = models[(models[ANGLE] > 0) & (models[_ACCURACY] > 0)]
    if len(known) < needed:
        obstacle = Obstacle(Cause.TOO_FEW_MODELS, needed, len(known))
        return not_tested(C11.id, obstacle, reading)
    if (known[[ANGLE, NULL_ANGLE, _ACCURACY]].nunique() < 2).any():
        return not_tested(C11.id, Obstacle(Cause.MODELS_ALIKE), reading)
    accuracy = np.log(known[_ACCURACY])
    r = _correlation(np.log(known[ANGLE]), accuracy)
    null_r = _correlation(np.log(known[NULL_ANGLE]), accuracy)
    rung = Rung(Null.PERMUTATION, (null_r,), meets=_is_power_law(null_r))
    return ClaimResult(
        C11.id,
        reading,
        verdict_of(_is_power_law(r), [rung]),
        (r, _exponent(np.log(known[ANGLE]), accuracy)),
        ladder=(rung,),
    )


def _rows(table: pd.DataFrame) -> list[pd.Series]:
    return [row for _, row in table.iterrows()]


def _tau(row: pd.Series, group: str | None = None) -> Effect:
    """Kendall's tau of one row; its group is the factor unless another is given."""
    finite = np.isfinite(row["low"]) and np.isfinite(row["high"])
    if group is None:
        group = "" if row["factor"] == _ALL else row["factor"]
    return Effect(
        Quantity.KENDALL_TAU,
        float(row["tau"]),
        int(row["n"]),
        Interval(float(row["low"]), float(row["high"])) if finite else None,
        group=group,
    )


def _trivial_predictors(correlations: pd.DataFrame, overall: Effect) -> Rung:
    """Kendall's tau of predictors that need no P-vector, the strongest first. They
    meet the criterion where one of them is as strong as the angle, whichever its
    sign."""
    chosen = correlations["predictor"].isin(_TRIVIAL_PREDICTORS) & (
        correlations["factor"] == _ALL
    )
    known = correlations[chosen & np.isfinite(correlations["tau"])]
    effects = [_tau(row, row["predictor"]) for row in _rows(known)]
    effects.sort(key=lambda effect: abs(effect.estimate), reverse=True)
    best = abs(effects[0].estimate) if effects else 0.0
    meets = best >= abs(overall.estimate)
    return Rung(Null.TRIVIAL_PREDICTORS, tuple(effects), meets=meets)


def _correlation(x: pd.Series, y: pd.Series) -> Effect:
    result = stats.pearsonr(x, y)
    interval = result.confidence_interval()
    return Effect(
        Quantity.PEARSON_R,
        float(result.statistic),
        len(x),
        Interval(float(interval.low), float(interval.high)),
    )


def _exponent(x: pd.Series, y: pd.Series) -> Effect:
    fit = stats.linregress(x, y)
    half = _STANDARD_ERRORS * fit.stderr
    interval = Interval(float(fit.slope - half), float(fit.slope + half))
    return Effect(Quantity.EXPONENT, float(fit.slope), len(x), interval)


def _is_power_law(r: Effect) -> bool:
    high = np.inf if r.interval is None else r.interval.high
    return r.estimate <= C11.criterion.max_r and high < 0
