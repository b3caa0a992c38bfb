"""Further singular vectors, and how much of the features the first ones explain."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from keras_pvec.comparison import compare, principal_angles
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import concatenated
from keras_pvec.reproduction.analysis.moments import p_vectors_by_epoch
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.runs import Run


def singular_vector_angles(runs: Sequence[Run]) -> pd.DataFrame:
    """Angle of each of the top singular vectors to its counterpart in the last epoch.

    Returns:
        One row per run, epoch and `index` (1 is the P-vector), with the columns of a
        comparison of these vectors, and `subspace_angle_deg`, the largest principal
        angle between the spans of the first `index` vectors.
    """
    return with_null_band(
        concatenated((run, _singular_vector_angles(run)) for run in runs)
    )


def _singular_vector_angles(run: Run) -> pd.DataFrame:
    final = run.p_vector("final", run.layers[0])
    rows = []
    for epoch, p in p_vectors_by_epoch(run):
        for i in range(min(p.k, final.k)):
            vectors = (_with_vectors(side, i, i + 1) for side in (p, final))
            spans = (_with_vectors(side, 0, i + 1) for side in (p, final))
            rows.append(
                {
                    col.EPOCH: epoch,
                    col.INDEX: i + 1,
                    **dataclasses.asdict(compare(*vectors)),
                    col.SUBSPACE_ANGLE_DEG: principal_angles(*spans)[-1],
                }
            )
    return pd.DataFrame(rows)


def explained_variance(runs: Sequence[Run]) -> pd.DataFrame:
    """Share of the features in the top `k` singular triplets, epoch by epoch.

    Returns:
        One row per run, epoch and `k`: `explained`, the share of `||X||_F^2` in the
        first `k` directions; `error`, `E_k = ||X - U_k S_k V_k^T||_F^2`, in the squared
        units of the features, the energy of the other directions (Eckart and Young
        1936); `error_share`, `E_k / ||X||_F^2`; and `constant_share`, a lower bound on
        the share along the constant vector.
    """
    return concatenated((run, _explained_variance(run)) for run in runs)


def _explained_variance(run: Run) -> pd.DataFrame:
    rows = []
    for epoch, p in p_vectors_by_epoch(run):
        total = p.frobenius_norm**2
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
                }
            )
    return pd.DataFrame(rows)


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
