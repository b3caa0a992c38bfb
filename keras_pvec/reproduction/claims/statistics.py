"""Statistics that the ratings share: summaries, shares, trends, rows of a training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.claims.columns import ANGLE, EPOCH, RUN
from keras_pvec.reproduction.claims.criteria import Counted
from keras_pvec.reproduction.claims.result import (
    Effect,
    Interval,
    Quantity,
    Share,
    Spread,
)

_CONFIDENCE = 0.95
_FEWEST_FOR_INTERVAL = 4
# Values that differ by less than this have no interval.
_ALIKE = 0.005


def summarise(quantity: Quantity, values: Iterable[float], group: str = "") -> Effect:
    """Mean, its Student interval, and spread of a quantity; NaNs are left out."""
    known = np.array([value for value in values if not np.isnan(value)], float)
    if not known.size:
        return Effect(quantity, np.nan, 0, group=group)
    interval = None
    if known.size >= _FEWEST_FOR_INTERVAL and np.ptp(known) > _ALIKE:
        interval = _interval_of_mean(known, quantity)
    spread = Spread(float(known.min()), float(np.median(known)), float(known.max()))
    mean = float(known.mean())
    return Effect(quantity, mean, known.size, interval, spread, group)


def _interval_of_mean(values: np.ndarray, quantity: Quantity) -> Interval:
    """Student's, since a bootstrap of a handful of values is far too narrow."""
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(_CONFIDENCE)
    return Interval(
        max(float(interval.low), quantity.lowest),
        min(float(interval.high), quantity.highest),
    )


def share_of(met: pd.Series, counted: Counted) -> Share:
    """How many units meet a criterion, with the exact interval of Clopper and Pearson
    (1934).

    Args:
        met: Whether each unit does.
        counted: What the units are.
    """
    n_met, n = int(met.sum()), len(met)
    interval = stats.binomtest(n_met, n).proportion_ci(_CONFIDENCE)
    return Share(n_met, n, counted, Interval(float(interval.low), float(interval.high)))


def first_rows(table: pd.DataFrame, by: Sequence[str] = (RUN,)) -> pd.DataFrame:
    """The row of the first epoch of each run."""
    return table.sort_values(EPOCH).groupby([*by], sort=False).first()


def last_rows(table: pd.DataFrame, by: Sequence[str] = (RUN,)) -> pd.DataFrame:
    """The row of the last epoch of each run."""
    return table.sort_values(EPOCH).groupby([*by], sort=False).last()


def late_rows(
    table: pd.DataFrame, last_share: float, by: Sequence[str] = (RUN,)
) -> pd.DataFrame:
    """The rows of the last `last_share` of the epochs of each run, without its last
    epoch, whose angle to itself is zero by definition."""
    late = []
    for _, run in table.groupby([*by], sort=False):
        last = run[EPOCH].max()
        earlier = run[run[EPOCH] < last]
        start = min((1 - last_share) * (last + 1), earlier[EPOCH].max() + 1)
        late.append(earlier[earlier[EPOCH] + 1 >= start])
    return pd.concat(late, ignore_index=True)


def trends(
    table: pd.DataFrame, column: str = ANGLE, with_last: bool = False
) -> pd.Series:
    """Rank correlation of a column with the epoch, for each run.

    Args:
        table: One row per run and epoch.
        column: The column.
        with_last: Whether the last epoch counts; it does not where it is the reference.
    """
    found = {}
    for name, run in table.groupby(RUN, sort=False):
        run = run.sort_values(EPOCH)
        run = run if with_last else run.iloc[:-1]
        found[name] = rank_correlation(run[EPOCH], run[column])
    return pd.Series(found)


def rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Spearman's; 0 where it is not defined (fewer than three points, or constant)."""
    if len(x) < 3 or y.nunique() < 2:
        return 0.0
    # A correlation of exactly the threshold must not fail by its last digit.
    return round(float(stats.spearmanr(x, y).statistic), 9)
