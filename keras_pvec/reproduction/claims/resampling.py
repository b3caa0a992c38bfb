"""Confidence intervals from resampled networks.

Pairs that share a network, and moments of one training, are not independent; networks
are. So networks are resampled within their architecture, and a pair counts as often as
the product of the counts of its two networks.

From a stratum of `n` networks, `n - 1` are drawn with replacement and weighted by
`n / (n - 1)`; drawing `n` would give a variance that is too small by that factor: half
of it for two seeds (Rao and Wu 1988, doi 10.1080/01621459.1988.10478591).

Few networks have few resamples, and the percentiles of these end too early. An interval
is therefore the wider of two, cut where values cannot be: percentiles, and the standard
error of the resamples times a quantile of Student's t. Both take as many degrees of
freedom as there are networks beyond one per stratum (percentiles after Hesterberg 2015,
doi 10.1080/00031305.2015.1089789). `benchmarks/coverage.py` measures their coverage.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.analysis.schema import (
    GROUP,
    MODEL,
    OTHER,
    OTHER_GROUP,
    RUN,
)

CONFIDENCE = 0.95
_N_RESAMPLES = 1999
_SEED = 0

Strata = Mapping[Hashable, str]


class Estimator(enum.Enum):
    """How values of several units become one number."""

    MEAN = "mean"
    MEDIAN = "median"
    COEFFICIENT = "coefficient"  # of a correlation or a regression


def strata_of(table: pd.DataFrame) -> dict[Hashable, str]:
    """Architecture of each network of a table of runs, or of pairs of runs."""
    found: dict[Hashable, str] = {}
    for name, kind in ((RUN, MODEL), (RUN, GROUP), (OTHER, OTHER_GROUP)):
        if name in table and kind in table:
            found |= dict(zip(table[name], table[kind].astype(str), strict=True))
    if not found and RUN in table:
        found = dict.fromkeys(table[RUN], "")
    return found


def networks_of(unit: Hashable, strata: Strata) -> tuple[Hashable, ...]:
    """The networks that a unit belongs to: a run's label, or a tuple that begins with
    the label of a run or those of a pair."""
    if not isinstance(unit, tuple):
        return (unit,)
    return tuple(part for part in unit[:2] if part in strata) or unit[:1]


def interval_ends(
    values: pd.Series,
    strata: Strata,
    estimator: Estimator = Estimator.MEAN,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float] | None:
    """95% interval of the mean or the median of the values of units.

    Args:
        values: By unit, as `networks_of` takes them.
        strata: The architecture of each network.
        estimator: What the interval is of.
        bounds: Smallest and largest possible value.

    Returns:
        `None` where the values are fewer than two, or of one network.
    """
    members = [networks_of(unit, strata) for unit in values.index]
    networks = sorted({name for unit in members for name in unit}, key=str)
    if len(networks) < 2 or len(values) < 2:
        return None
    kinds = _collapsed([strata.get(name, "") for name in networks])
    weights = _resampled_weights(kinds)
    place = {name: i for i, name in enumerate(networks)}
    of_units = np.stack(
        [
            _weights_of([place[name] for name in unit], weights, kinds)
            for unit in members
        ],
        axis=1,
    )
    of_units = of_units[of_units.sum(axis=1) > 0]
    if not len(of_units):
        return None
    x = values.to_numpy(float)
    if estimator is Estimator.MEDIAN:
        estimate = float(np.median(x))
        found = _weighted_medians(x, of_units)
    else:
        estimate = float(x.mean())
        found = of_units @ x / of_units.sum(axis=1)
    df = max(len(networks) - len(set(kinds)), 1)
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, df))
    tail = float(stats.norm.cdf(-t))
    low, high = np.quantile(found, [tail, 1 - tail])
    half = t * float(found.std())
    return (
        float(max(min(low, estimate - half), bounds[0])),
        float(min(max(high, estimate + half), bounds[1])),
    )


def _collapsed(kinds: Sequence[str]) -> list[str]:
    """Strata of which each has two networks or more: architectures with one network
    form a stratum of their own, which makes intervals too wide rather than too
    narrow."""
    counts = pd.Series(kinds).value_counts()
    single = [kind for kind in kinds if counts[kind] == 1]
    if len(single) == 1 and len(kinds) > 1:
        # It joins the smallest other one.
        partner = counts[counts > 1].index[-1]
        return [partner if kind in single else kind for kind in kinds]
    return ["" if kind in single else kind for kind in kinds]


def _resampled_weights(kinds: Sequence[str]) -> np.ndarray:
    """Weights of the networks, shape `(n_resamples, n_networks)`."""
    rng = np.random.default_rng(_SEED)
    weights = np.ones((_N_RESAMPLES, len(kinds)))
    for kind in dict.fromkeys(kinds):
        places = np.flatnonzero(np.array(kinds) == kind)
        n = len(places)
        if n > 1:
            counts = rng.multinomial(n - 1, np.full(n, 1 / n), size=_N_RESAMPLES)
            weights[:, places] = counts * (n / (n - 1))
    return weights


def _weights_of(
    places: Sequence[int], weights: np.ndarray, kinds: Sequence[str]
) -> np.ndarray:
    """Weights of a unit of these networks.

    Two networks of one stratum are never drawn together if it holds two, so that the
    product of their weights is zero; its linear part has the right mean.
    """
    of_networks = weights[:, list(places)]
    if len({kinds[place] for place in places}) < len(places):
        return of_networks.sum(axis=1) - (len(places) - 1)
    return of_networks.prod(axis=1)


def _weighted_medians(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    x, w = values[order], np.cumsum(weights[:, order], axis=1)
    half = w[:, -1:] / 2
    # The mean of the two middle values where the weight is split evenly.
    low = (w < half * (1 - 1e-12)).sum(axis=1)
    high = (w <= half * (1 + 1e-12)).sum(axis=1)
    return (x[low] + x[np.minimum(high, len(x) - 1)]) / 2
