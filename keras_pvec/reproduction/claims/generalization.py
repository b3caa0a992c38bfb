"""Claims about the angle to the raw data and generalization: C10, C11."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_pvec.reproduction.analysis.schema import (
    ANGLE_DEG as ANGLE,
    MODEL,
    NULL_ANGLE_DEG as NULL_ANGLE,
)
from keras_pvec.reproduction.claims.criteria import PowerLaw, RankCorrelation
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import C10, C11, ClaimSpec
from keras_pvec.reproduction.claims.resampling import Estimator
from keras_pvec.reproduction.claims.result import (
    Cause,
    Caveat,
    ClaimResult,
    Effect,
    Interval,
    Null,
    Obstacle,
    Rung,
    Verdict,
    not_tested,
)
from keras_pvec.reproduction.claims.stratified import (
    Correlation,
    Estimate,
    coefficient_estimate,
    difference_estimate,
    kendall_tau,
    partial,
    pearson_r,
    permutation_p,
)
from keras_pvec.reproduction.claims.verdicts import verdict_of

_ACCURACY = "test_accuracy"
# What is known of a model without a P-vector of the data.
_TRIVIAL_PREDICTORS = ("train_loss", "n_parameters", "cos_ones")


class _Models(NamedTuple):
    """Columns of models, and the coefficient that relates them.

    Attributes:
        columns: By name, shape `(n_models,)` each.
        strata: Number of the architecture of each.
        correlation: The coefficient.
        quantity: What it is.
        limit: How small it has to be.
    """

    columns: dict[str, np.ndarray]
    strata: np.ndarray
    correlation: Correlation
    quantity: Quantity
    limit: float

    def of(self, x: str, y: str = _ACCURACY) -> Callable[[np.ndarray], float]:
        """The coefficient of two columns, as a function of the models' places."""
        a, b, strata = self.columns[x], self.columns[y], self.strata

        def value(places: np.ndarray) -> float:
            return self.correlation(a[places], b[places], strata[places])

        return value

    def meets(self, effect: Effect) -> bool:
        """Whether a coefficient is below the limit, and surely below zero."""
        sure = effect.interval is not None and effect.interval.high < 0
        return sure and effect.estimate <= self.limit


def rate_c10(models: pd.DataFrame, reading: Reading = C10.primary) -> ClaimResult:
    """C10: the smaller the angle to the data, the better a model generalizes.

    Args:
        models: As `analysis.over_seeds` gives them.
        reading: The reading that the table was made under.
    """
    return _rate(
        C10,
        models,
        reading,
        kendall_tau,
        (Quantity.KENDALL_TAU, Quantity.PARTIAL_TAU),
        C10.criterion.max_tau,
    )


def rate_c11(models: pd.DataFrame, reading: Reading = C11.primary) -> ClaimResult:
    """C11: the same relation on log-log axes.

    Args:
        models: As `analysis.over_seeds` gives them.
        reading: The reading that the table was made under.
    """
    logarithms = models.copy()
    for column in (ANGLE, NULL_ANGLE, _ACCURACY, *_TRIVIAL_PREDICTORS):
        if column in models:
            values = models[column].astype(float)
            # Zeros have no logarithm.
            logarithms[column] = np.log(values.where(values > 0))
    return _rate(
        C11,
        logarithms,
        reading,
        pearson_r,
        (Quantity.PEARSON_R, Quantity.PARTIAL_R),
        C11.criterion.max_r,
    )


def _rate(
    spec: ClaimSpec[RankCorrelation] | ClaimSpec[PowerLaw],
    models: pd.DataFrame,
    reading: Reading,
    correlation: Correlation,
    quantities: tuple[Quantity, Quantity],
    limit: float,
) -> ClaimResult:
    needed = spec.criterion.min_models
    known = models.dropna(subset=[ANGLE, NULL_ANGLE, _ACCURACY])
    if MODEL not in known:
        known = known.assign(**{MODEL: ""})
    if len(known) < needed:
        obstacle = Obstacle(Cause.TOO_FEW_MODELS, needed, len(known))
        return not_tested(spec.id, obstacle, reading)
    kinds = sorted(known[MODEL].unique())
    trivial = [
        name
        for name in _TRIVIAL_PREDICTORS
        if name in known and known[name].notna().all()
    ]
    table = _Models(
        {
            name: known[name].to_numpy(float)
            for name in (ANGLE, NULL_ANGLE, _ACCURACY, *trivial)
        },
        known[MODEL].map({kind: i for i, kind in enumerate(kinds)}).to_numpy(int),
        correlation,
        quantities[0],
        limit,
    )
    if np.isnan(table.of(ANGLE)(np.arange(len(known)))):
        return not_tested(spec.id, Obstacle(Cause.MODELS_ALIKE), reading)
    overall = _coefficient(table, ANGLE)
    ladder = (
        _null_rung(table, quantities[1]),
        _trivial_rung(table, trivial),
    )
    p = permutation_p(
        correlation, table.columns[ANGLE], table.columns[_ACCURACY], table.strata
    )
    effects = [
        overall,
        Effect(Quantity.P_VALUE, p, overall.n, estimator=Estimator.COEFFICIENT),
        *_within(table, kinds),
    ]
    if spec.id == C11.id:
        effects.append(_exponent(table))
    return ClaimResult(
        spec.id,
        reading,
        verdict_of(_level(table, overall), ladder),
        tuple(effects),
        ladder=ladder,
        caveats=(Caveat.MULTIPLE_TESTS,),
    )


def _level(table: _Models, overall: Effect) -> Verdict:
    """Reproduced below the limit and surely below zero; inconclusive where the interval
    holds both zero and the limit."""
    if table.meets(overall):
        return Verdict.REPRODUCED
    interval = overall.interval
    if interval is None or (interval.low <= table.limit and interval.high >= 0):
        return Verdict.INCONCLUSIVE
    return Verdict.NOT_REPRODUCED


def _null_rung(table: _Models, quantity: Quantity) -> Rung:
    """The null angle as a predictor, and what the angle adds to it."""
    null = _coefficient(table, NULL_ANGLE)
    xy, xz, yz = (
        table.of(*columns) for columns in ((ANGLE,), (ANGLE, NULL_ANGLE), (NULL_ANGLE,))
    )

    def value(places: np.ndarray) -> float:
        return partial(xy(places), xz(places), yz(places))

    given_null = _effect(
        quantity, coefficient_estimate(value, table.strata), len(table.strata)
    )
    adds = given_null.interval is not None and given_null.interval.high < 0
    meets = table.meets(null) and not adds
    return Rung(Null.PERMUTATION, (null, given_null), meets=meets)


def _trivial_rung(table: _Models, names: list[str]) -> Rung:
    """Predictors that need no P-vector, the strongest first; then by how much the angle
    is stronger than each. They meet the criterion where one of them does, whichever its
    sign, and the angle is not surely stronger."""
    places = np.arange(len(table.strata))
    taus, differences, meets = [], [], False
    of_angle = table.of(ANGLE)
    sign = np.sign(of_angle(places))
    for name in names:
        of_name = table.of(name)
        observed = of_name(places)
        if np.isnan(observed):
            continue
        effect = _coefficient(table, name)
        other = np.sign(observed)

        def stronger(
            chosen: np.ndarray, of_name=of_name, other: float = other
        ) -> float:
            return sign * of_angle(chosen) - other * of_name(chosen)

        found = difference_estimate(stronger, table.strata, len(names))
        difference = _effect(Quantity.DIFFERENCE, found, effect.n, name)
        taus.append(effect)
        differences.append(difference)
        is_stronger = difference.interval is not None and difference.interval.low > 0
        meets |= _meets_whichever_sign(table, effect) and not is_stronger
    order = sorted(range(len(taus)), key=lambda i: -abs(taus[i].estimate))
    effects = [taus[i] for i in order] + [differences[i] for i in order]
    return Rung(Null.TRIVIAL_PREDICTORS, tuple(effects), meets=meets)


def _meets_whichever_sign(table: _Models, effect: Effect) -> bool:
    if effect.interval is None:
        return False
    low, high = effect.interval
    return abs(effect.estimate) >= -table.limit and (low > 0 or high < 0)


def _coefficient(table: _Models, name: str) -> Effect:
    group = "" if name in (ANGLE, NULL_ANGLE) else name
    found = coefficient_estimate(table.of(name), table.strata)
    return _effect(table.quantity, found, len(table.strata), group)


def _within(table: _Models, kinds: list[str]) -> list[Effect]:
    """The coefficient of each architecture, if there are several."""
    effects = []
    for i, kind in enumerate(kinds):
        places = np.flatnonzero(table.strata == i)
        value = table.of(ANGLE)(places)
        if len(kinds) > 1 and not np.isnan(value):
            found = Estimate(value, np.nan, np.nan)
            effects.append(_effect(table.quantity, found, len(places), kind))
    return effects


def _exponent(table: _Models) -> Effect:
    """Slope of log accuracy against log angle within architectures."""
    x, y = table.columns[ANGLE], table.columns[_ACCURACY]

    def slope(places: np.ndarray) -> float:
        a, b, strata = x[places], y[places], table.strata[places]
        a, b = (v - _means(v, strata) for v in (a, b))
        return float(a @ b / (a @ a))

    found = difference_estimate(slope, table.strata)
    return _effect(Quantity.EXPONENT, found, len(x))


def _means(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    sums = np.bincount(strata, weights=values)
    return (sums / np.maximum(np.bincount(strata), 1))[strata]


def _effect(quantity: Quantity, found: Estimate, n: int, group: str = "") -> Effect:
    low, high = max(found.low, quantity.lowest), min(found.high, quantity.highest)
    finite = np.isfinite(found.low) and np.isfinite(found.high)
    interval = Interval(float(low), float(high)) if finite else None
    return Effect(
        quantity, found.value, n, interval, None, group, Estimator.COEFFICIENT
    )
