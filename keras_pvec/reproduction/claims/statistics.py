"""Statistics that the ratings share: summaries, shares, trends, rows of a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.analysis.schema import (
    ANGLE_DEG as ANGLE,
    EPOCH,
    RUN,
)
from keras_pvec.reproduction.claims.criteria import Counted
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.resampling import (
    CONFIDENCE,
    Estimator,
    Strata,
    interval_ends,
    networks_of,
)
from keras_pvec.reproduction.claims.result import (
    Effect,
    Interval,
    Share,
    Spread,
)

# Values that differ by less than this have no interval.
_ALIKE = 0.005


def summarise(
    quantity: Quantity,
    values: pd.Series,
    strata: Strata,
    group: str = "",
    estimator: Estimator = Estimator.MEAN,
) -> Effect:
    """Mean or median of a quantity, with its interval over networks, and its spread.

    Args:
        quantity: What it is.
        values: By unit, as `resampling.networks_of` takes them; NaNs are left out.
        strata: The architecture of each network.
        group: What the quantity is restricted to.
        estimator: Mean or median.
    """
    known = values.dropna().astype(float)
    if known.empty:
        return Effect(quantity, np.nan, 0, group=group, estimator=estimator)
    median = float(known.median())
    estimate = median if estimator is Estimator.MEDIAN else float(known.mean())
    interval = None
    if np.ptp(known) > _ALIKE:
        ends = interval_ends(
            known, strata, estimator, (quantity.lowest, quantity.highest)
        )
        interval = None if ends is None else Interval(*ends)
    spread = Spread(float(known.min()), median, float(known.max()))
    return Effect(quantity, estimate, len(known), interval, spread, group, estimator)


def share_of(met: pd.Series, counted: Counted, strata: Strata) -> Share:
    """How many units meet a criterion, with an interval over networks.

    Where all units agree there is nothing to resample; the interval is then that of as
    many independent networks that agree (Clopper and Pearson 1934).

    Args:
        met: Whether each unit does, by unit.
        counted: What the units are.
        strata: The architecture of each network.
    """
    n_met, n = int(met.sum()), len(met)
    n_networks = len({name for unit in met.index for name in networks_of(unit, strata)})
    if 0 < n_met < n:
        found = interval_ends(met.astype(float), strata, bounds=(0.0, 1.0))
        ends = (0.0, 1.0) if found is None else found
    else:
        agreeing = n_networks if n_met else 0
        exact = stats.binomtest(agreeing, n_networks).proportion_ci(CONFIDENCE)
        ends = float(exact.low), float(exact.high)
    return Share(n_met, n, counted, Interval(*ends), n_networks)


def first_rows(table: pd.DataFrame, by: Sequence[str] = (RUN,)) -> pd.DataFrame:
    """The row of the first epoch of each run."""
    return table.loc[table.groupby(_key(by), sort=False)[EPOCH].idxmin()].set_index(
        [*by]
    )


def last_rows(table: pd.DataFrame, by: Sequence[str] = (RUN,)) -> pd.DataFrame:
    """The row of the last epoch of each run."""
    return table.loc[table.groupby(_key(by), sort=False)[EPOCH].idxmax()].set_index(
        [*by]
    )


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
    return pd.Series(found, dtype=float)


def rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Spearman's; 0 where it is not defined (fewer than three points, or constant)."""
    if len(x) < 3 or y.nunique() < 2:
        return 0.0
    # A correlation of exactly the threshold must not fail by its last digit.
    return round(float(stats.spearmanr(x, y).statistic), 9)


def _key(by: Sequence[str]) -> str | list[str]:
    return by[0] if len(by) == 1 else [*by]
