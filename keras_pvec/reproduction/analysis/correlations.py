"""Rank correlations of generalization measures with performance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.analysis import schema as col

# The angle should outperform the last three, which need no P-vectors.
PREDICTORS = (
    col.ANGLE_DEG,
    col.CENTERED_ANGLE_DEG,
    col.TRAIN_LOSS,
    col.N_PARAMETERS,
    col.COS_ONES,
)
_CONFIDENCE = 0.95
# With fewer observations, percentile bootstrap intervals are far too narrow.
_FEWEST_FOR_INTERVAL = 8


def rank_correlations(
    models: pd.DataFrame, target: str, *, n_resamples: int = 2000
) -> pd.DataFrame:
    """Kendall's tau of each predictor with a target: over all models, and among models
    that differ in one factor.

    Across a whole grid a third quantity (the architecture, say) can cause or reverse a
    correlation (Jiang et al. 2020, arXiv 1912.02178, section 4, who introduced the
    second kind).

    Args:
        models: As `over_seeds` returns them.
        target: `"test_accuracy"` or `"gap"`.
        n_resamples: Number of bootstrap resamples for intervals.

    Returns:
        One row per predictor and `factor` (`"all"` for all models): `tau`, its 95%
        interval `low`, `high` (bootstrap over models; Student's t over groups, for a
        factor), and the number of models or groups (`n`). Empty where undefined.
    """
    rows = []
    for predictor in PREDICTORS:
        complete = models.dropna(subset=[predictor, target])
        pair = complete[[predictor, target]].to_numpy(float)
        row: dict[str, Any] = {col.TARGET: target, col.PREDICTOR: predictor}
        low, high = _bootstrap_interval(_kendall_tau, pair.T, n_resamples)
        overall = (col.ALL_MODELS, _kendall_tau(*pair.T), low, high, len(pair))
        rows.append(row | _tau_row(*overall))
        for factor in _varied_factors(complete):
            taus = _taus_within(complete, factor, predictor, target)
            low, high = _interval_of_mean(taus)
            mean = taus.mean() if len(taus) else np.nan
            rows.append(row | _tau_row(factor, mean, low, high, len(taus)))
    return pd.DataFrame(rows)


def _tau_row(
    factor: str, tau: float, low: float, high: float, n: int
) -> dict[str, Any]:
    return {col.FACTOR: factor, col.TAU: tau, col.LOW: low, col.HIGH: high, col.N: n}


def _varied_factors(models: pd.DataFrame) -> list[str]:
    varied = [factor for factor in models[col.FACTOR].unique() if factor != col.BASE]
    return [col.MODEL, *varied] if models[col.MODEL].nunique() > 1 else varied


def _taus_within(
    models: pd.DataFrame, factor: str, predictor: str, target: str
) -> np.ndarray:
    """Tau of each group of two or more models that differ in this factor, where it is
    defined."""
    if factor == col.MODEL:
        groups = models.groupby(col.VARIANT)
    else:
        has_factor = models[col.FACTOR].isin([factor, col.BASE])
        groups = models[has_factor].groupby(col.MODEL)
    taus = [
        _kendall_tau(group[predictor], group[target])
        for _, group in groups
        if len(group) > 1
    ]
    return np.array([tau for tau in taus if np.isfinite(tau)])


def _kendall_tau(x: Any, y: Any) -> float:
    """Kendall's tau-b; NaN if one of the variables is constant."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(stats.kendalltau(x, y).statistic)


def _bootstrap_interval(
    statistic: Callable[..., float], samples: Sequence[np.ndarray], n_resamples: int
) -> tuple[float, float]:
    """Percentile interval; NaN for few observations, and where the statistic is not
    defined."""
    if len(samples[0]) < _FEWEST_FOR_INTERVAL or not np.isfinite(statistic(*samples)):
        return np.nan, np.nan
    result = stats.bootstrap(
        samples,
        # A resample of a single model has no order: its tau counts as 0.
        lambda *resample: np.nan_to_num(statistic(*resample)),
        paired=True,
        vectorized=False,
        confidence_level=_CONFIDENCE,
        n_resamples=n_resamples,
        method="percentile",
        random_state=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high


def _interval_of_mean(taus: np.ndarray) -> tuple[float, float]:
    """Student's t interval within [-1, 1]; NaN for fewer than two groups, and if all
    are equal, since the scatter is then unknown."""
    if len(taus) < 2 or np.ptp(taus) == 0:
        return np.nan, np.nan
    interval = stats.ttest_1samp(taus, 0.0).confidence_interval(_CONFIDENCE)
    return max(interval.low, -1.0), min(interval.high, 1.0)
