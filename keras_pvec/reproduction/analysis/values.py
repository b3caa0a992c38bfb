"""Distributions of the entries of P-vectors.

Entries are scaled by `sqrt(n_samples)`, so that their mean square is 1 and all entries
of the constant vector are 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import concatenated, labelled
from keras_pvec.reproduction.analysis.moments import p_vectors_by_epoch, spaced_epochs
from keras_pvec.reproduction.record import LoggedRun

# Entries that differ by less count as equal: they have no density and no skewness.
_EQUAL_STD = 1e-9


def p_vector_values(run: LoggedRun) -> dict[int, np.ndarray]:
    """The scaled entries of a run's P-vector by epoch, arrays of shape `(n_samples,)`.

    Signs are those of the last epoch, so that epochs can be compared.
    """
    final = run.p_vector("final", run.layers[0]).vector
    values = {}
    for epoch, p in p_vectors_by_epoch(run):
        sign = -1.0 if p.vector @ final < 0 else 1.0
        values[epoch] = sign * p.vector * np.sqrt(p.n_samples)
    return values


def value_histograms(
    run: LoggedRun, n_epochs: int = 5, n_bins: int = 60
) -> pd.DataFrame:
    """Histograms of the scaled entries, before training and at some epochs.

    Args:
        run: A finished run.
        n_epochs: Largest number of epochs, spaced by a factor up to the last one.
        n_bins: Number of bins.

    Returns:
        One row per epoch and bin: `left`, `right` and `share`. The first and the last
        bin include all entries beyond them.
    """
    values = p_vector_values(run)
    spaced = [col.BEFORE_TRAINING, *spaced_epochs(max(values), n_epochs)]
    shown = [epoch for epoch in sorted({*spaced}) if epoch in values]
    edges = np.linspace(*_central_range([values[e] for e in shown]), n_bins + 1)
    tables = [_histogram(epoch, values[epoch], edges) for epoch in shown]
    return labelled(pd.concat(tables, ignore_index=True), run)


def _histogram(epoch: int, values: np.ndarray, edges: np.ndarray) -> pd.DataFrame:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return pd.DataFrame(
        {
            col.EPOCH: epoch,
            col.LEFT: edges[:-1],
            col.RIGHT: edges[1:],
            col.SHARE: counts / counts.sum(),
        }
    )


def value_densities(run: LoggedRun, n_points: int = 200) -> pd.DataFrame:
    """Kernel density estimate of the scaled entries at every epoch.

    Args:
        run: A finished run.
        n_points: Number of values at which densities are evaluated.

    Returns:
        One row per epoch and `value`: `density`, from a Gaussian kernel with
        Silverman's bandwidth, which is robust to outliers, and is at least two steps of
        the values; empty where all entries are equal.
    """
    values = p_vector_values(run)
    grid = np.linspace(*_central_range([*values.values()]), n_points)
    tables = [
        pd.DataFrame(
            {col.EPOCH: epoch, col.VALUE: grid, col.DENSITY: _density(entries, grid)}
        )
        for epoch, entries in values.items()
    ]
    return labelled(pd.concat(tables, ignore_index=True), run)


def _density(values: np.ndarray, grid: np.ndarray) -> np.ndarray | float:
    if values.std() <= _EQUAL_STD:
        return np.nan
    bandwidth = max(_silverman_bandwidth(values), 2 * (grid[1] - grid[0]))
    # SciPy expects the bandwidth as a factor on the standard deviation.
    return stats.gaussian_kde(values, bandwidth / values.std(ddof=1))(grid)


def _silverman_bandwidth(values: np.ndarray) -> float:
    """Bandwidth by Silverman's rule of thumb (1986, equation 3.31)."""
    spread = min(values.std(ddof=1), stats.iqr(values) / 1.34)
    return 0.9 * (spread or values.std(ddof=1)) * len(values) ** -0.2


def _central_range(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """The range of all but the most extreme 1% of the entries, with a margin."""
    low, high = np.quantile(np.concatenate(values), [0.005, 0.995])
    margin = max(0.1 * (high - low), 1e-6)
    return low - margin, high + margin


def value_drift(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Distance of the distribution of the scaled entries to that of the last epoch.

    Returns:
        One row per run and epoch: `distance` (Wasserstein), and the mean, standard
        deviation and skewness of the entries.
    """
    return concatenated((run, _drift(p_vector_values(run))) for run in runs)


def _drift(values: dict[int, np.ndarray]) -> pd.DataFrame:
    final = values[max(values)]
    return pd.DataFrame(
        {
            col.EPOCH: epoch,
            col.DISTANCE: stats.wasserstein_distance(entries, final),
            col.MEAN: entries.mean(),
            col.STD: entries.std(),
            col.SKEWNESS: (
                stats.skew(entries) if entries.std() > _EQUAL_STD else np.nan
            ),
        }
        for epoch, entries in values.items()
    )
