"""Correlations within strata, with intervals that hold their level.

Models of one architecture resemble each other, and a difference between architectures
makes a correlation over all models where there is none within any. Only models of the
same architecture are therefore compared.

Intervals are those of the stratified jackknife with Student's t; those of coefficients
are made on Fisher's scale, so that they stay within [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from keras_pvec.reproduction.claims.resampling import CONFIDENCE

# Largest coefficient that Fisher's transformation is applied to.
_MOST = 1 - 1e-9
_N_PERMUTATIONS = 1999

Correlation = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
# Of the places of some models, the value of a statistic.
Statistic = Callable[[np.ndarray], float]


class Estimate(NamedTuple):
    """A statistic and its interval."""

    value: float
    low: float
    high: float


def kendall_tau(x: np.ndarray, y: np.ndarray, strata: np.ndarray) -> float:
    """Kendall's tau-b over the pairs within strata; NaN where a side does not vary.

    Args:
        x, y: Shape `(n_models,)`.
        strata: Numbers of their strata, shape `(n_models,)`.
    """
    same = strata[:, None] == strata[None, :]
    a = np.sign(x[:, None] - x[None, :]) * same
    b = np.sign(y[:, None] - y[None, :]) * same
    return _normalised(a, b)


def pearson_r(x: np.ndarray, y: np.ndarray, strata: np.ndarray) -> float:
    """Pearson's r of the deviations from the means of the strata; arguments as
    `kendall_tau`."""
    return _normalised(_deviations(x, strata), _deviations(y, strata))


def partial(xy: float, xz: float, yz: float) -> float:
    """Partial correlation of x and y given z; NaN where z determines one of them."""
    left = (1 - xz**2) * (1 - yz**2)
    if not left > 1e-12:
        return float("nan")
    return float(np.clip((xy - xz * yz) / np.sqrt(left), -1, 1))


def coefficient_estimate(statistic: Statistic, strata: np.ndarray) -> Estimate:
    """A coefficient in [-1, 1] with its 95% interval."""
    found = _jackknife(lambda places: _fisher(statistic(places)), strata, CONFIDENCE)
    return Estimate(statistic(np.arange(len(strata))), *np.tanh(found[1:]).tolist())


def difference_estimate(
    statistic: Statistic, strata: np.ndarray, n_comparisons: int = 1
) -> Estimate:
    """A difference of two coefficients with its 95% interval, corrected after
    Bonferroni for as many comparisons."""
    confidence = 1 - (1 - CONFIDENCE) / n_comparisons
    return _jackknife(statistic, strata, confidence)


def permutation_p(
    correlation: Correlation, x: np.ndarray, y: np.ndarray, strata: np.ndarray
) -> float:
    """Two-sided p-value of a correlation under permutations within strata."""
    rng = np.random.default_rng(0)
    observed = abs(correlation(x, y, strata))
    places = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    hits = 0
    permuted = y.copy()
    for _ in range(_N_PERMUTATIONS):
        for chosen in places:
            permuted[chosen] = y[rng.permutation(chosen)]
        hits += abs(correlation(x, permuted, strata)) >= observed - 1e-12
    return (1 + hits) / (1 + _N_PERMUTATIONS)


def _jackknife(statistic: Statistic, strata: np.ndarray, confidence: float) -> Estimate:
    n = len(strata)
    everything = np.arange(n)
    value = statistic(everything)
    variance = 0.0
    for stratum in np.unique(strata):
        places = np.flatnonzero(strata == stratum)
        if len(places) < 2:
            continue  # it has no part in what is compared within strata
        left_out = np.array([statistic(np.delete(everything, i)) for i in places])
        share = (len(places) - 1) / len(places)
        variance += share * float(np.sum((left_out - left_out.mean()) ** 2))
    df = max(n - len(np.unique(strata)) - 1, 1)
    half = float(stats.t.ppf((1 + confidence) / 2, df)) * np.sqrt(variance)
    return Estimate(value, float(value - half), float(value + half))


def _fisher(value: float) -> float:
    return float(np.arctanh(np.clip(value, -_MOST, _MOST)))


def _deviations(x: np.ndarray, strata: np.ndarray) -> np.ndarray:
    sums = np.bincount(strata, weights=x)
    return x - (sums / np.maximum(np.bincount(strata), 1))[strata]


def _normalised(a: np.ndarray, b: np.ndarray) -> float:
    lengths = np.sum(a * a) * np.sum(b * b)
    if not lengths > 1e-24:
        return float("nan")
    # A perfect correlation must not exceed one by its last digit.
    return float(np.clip(np.sum(a * b) / np.sqrt(lengths), -1, 1))
