"""Further singular vectors, and how much of the features the first ones explain."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from keras_pvec.comparison import compare, principal_angles
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import (
    concatenated,
    model_of,
    run_label,
    with_quality,
)
from keras_pvec.reproduction.analysis.layouts import TABLES
from keras_pvec.reproduction.analysis.moments import p_vectors_by_epoch
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.reproduction.record import LoggedRun


def singular_vector_angles(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Angle of each of the top singular vectors to its counterpart in the last epoch.

    Returns:
        One row per run, epoch and `index` (1 is the P-vector), with the columns of a
        comparison of these vectors, and `subspace_angle_deg`, the largest principal
        angle between the spans of the first `index` vectors.
    """
    return with_null_band(
        concatenated((run, _singular_vector_angles(run)) for run in runs)
    )


def _singular_vector_angles(run: LoggedRun) -> pd.DataFrame:
    final = run.p_vector("final", run.layers[0])
    rows = []
    for epoch, p in p_vectors_by_epoch(run):
        for i in range(min(p.k, final.k)):
            rows.append(
                {
                    col.EPOCH: epoch,
                    col.INDEX: i + 1,
                    **_comparison_of(p, final, i),
                    col.SUBSPACE_ANGLE_DEG: _span_angle(p, final, i),
                }
            )
    return pd.DataFrame(rows)


def singular_vectors_between(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Angles between the top singular vectors of the last epochs of all pairs of runs.

    Returns:
        One row per unordered pair and `index` (1 is the P-vector): `run`, `other`,
        `group`, `other_group`, `well_trained`, `other_well_trained`, the columns of a
        comparison of the vectors of that index, `best_match_angle_deg`, the smallest
        angle to any stored vector of the other network (the smaller of both
        directions), and `subspace_angle_deg`, as in `singular_vector_angles`.
    """
    rows = []
    for run, other in itertools.combinations(runs, 2):
        pair = {col.RUN: run_label(run), col.OTHER: run_label(other)}
        pair |= {col.GROUP: model_of(run), col.OTHER_GROUP: model_of(other)}
        p, q = (r.p_vector("final", r.layers[0]) for r in (run, other))
        cosines = np.abs(p.vectors.T @ q.vectors).clip(max=1)
        for i in range(min(p.k, q.k)):
            best = max(cosines[i].max(), cosines[:, i].max())
            rows.append(
                pair
                | {col.INDEX: i + 1}
                | _comparison_of(p, q, i)
                | {
                    col.BEST_MATCH_ANGLE_DEG: float(np.degrees(np.arccos(best))),
                    col.SUBSPACE_ANGLE_DEG: _span_angle(p, q, i),
                }
            )
    if not rows:
        return pd.DataFrame(columns=[*TABLES["singular_vectors_between"].columns])
    table = with_null_band(with_quality(pd.DataFrame(rows), runs))
    return table[[*TABLES["singular_vectors_between"].columns]]


def _comparison_of(p: PVector, q: PVector, i: int) -> dict[str, Any]:
    """The comparison of two singular vectors of the same place."""
    vectors = (_with_vectors(side, i, i + 1) for side in (p, q))
    return compare(*vectors).as_row()


def _span_angle(p: PVector, q: PVector, i: int) -> float:
    spans = (_with_vectors(side, 0, i + 1) for side in (p, q))
    return float(principal_angles(*spans)[-1])


def explained_variance(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Share of the features in the top `k` singular triplets, epoch by epoch.

    Returns:
        One row per run, epoch and `k`: `explained`, the share of `||X||_F^2` in the
        first `k` directions; `error`, `E_k = ||X - U_k S_k V_k^T||_F^2`, in the squared
        units of the features, the energy of the other directions (Eckart and Young
        1936); `error_share`, `E_k / ||X||_F^2`; and `constant_share`, a lower bound on
        the share along the constant vector. Other definitions for the first direction:
        `pca_share` and `score_variance_share`.
    """
    return concatenated((run, _explained_variance(run)) for run in runs)


def _explained_variance(run: LoggedRun) -> pd.DataFrame:
    rows = []
    for epoch, p in p_vectors_by_epoch(run):
        total = p.frobenius_norm**2
        variance_shares = _variance_shares(p)
        energies = np.cumsum(p.singular_values[: p.k] ** 2)
        for k, energy in enumerate(energies, start=1):
            rows.append(
                {
                    col.EPOCH: epoch,
                    col.K: k,
                    col.EXPLAINED: min(energy / total, 1.0),
                    col.ERROR: max(total - energy, 0.0),
                    col.ERROR_SHARE: max(1 - energy / total, 0.0),
                    col.CONSTANT_SHARE: p.energy1 * p.cos_ones**2,
                    col.PCA_SHARE: variance_shares[0],
                    col.SCORE_VARIANCE_SHARE: variance_shares[1],
                }
            )
    return pd.DataFrame(rows)


def _variance_shares(p: PVector) -> tuple[float, float]:
    """Shares of the total column variance: of the first principal component, and of
    the scores on the first right singular vector of the uncentred matrix."""
    norm, value = p.centered_frobenius_norm, p.centered_singular_value
    if not norm:
        return np.nan, np.nan
    scores = p.sigma1**2 * max(1 - p.cos_ones**2, 0.0)
    pca = np.nan if value is None else min((value / norm) ** 2, 1.0)
    return pca, scores / norm**2


def _with_vectors(p: PVector, start: int, stop: int) -> PVector:
    """A P-vector restricted to its singular vectors `start` to `stop - 1`."""
    certified = p.certified_error_deg
    return dataclasses.replace(
        p,
        vectors=p.vectors[:, start:stop],
        singular_values=p.singular_values[start:],
        error_deg=p.error_deg[start:stop],
        certified_error_deg=None if certified is None else certified[start:stop],
        # The centred vector belongs to the first one.
        centered_vector=None if start else p.centered_vector,
    )
