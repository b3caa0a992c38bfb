"""What the stored singular vectors say about the features beyond the first angle.

`k` stored left singular vectors with their singular values are the best approximation
of rank `k` of a feature matrix, up to a rotation of feature space, which none of the
measures here depends on.
"""

from __future__ import annotations

import math

import numpy as np

from keras_pvec.comparison.angles import line_angle_deg
from keras_pvec.pvector import PVector

# Share of the samples that a detailed comparison leaves out.
_INFLUENTIAL_SHARE = 0.01
_SAME_DEG = 1e-4


def stored_energy(p: PVector) -> float:
    """Share of `||X||_F^2` in the stored singular vectors."""
    energy = float(np.sum((p.singular_values[: p.k] / p.frobenius_norm) ** 2))
    return min(energy, 1.0)


def influential_samples(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The 1% of the samples that change the angle most when left out one at a time.

    Args:
        u: Unit vector, shape `(n_samples,)`.
        v: Another unit vector, shape `(n_samples,)`.

    Returns:
        Indices, the most influential first; empty if the vectors are equal, since only
        rounding would rank the samples then.
    """
    if line_angle_deg(u, v) < _SAME_DEG:
        return np.array([], dtype=int)
    rest = np.maximum((1 - u**2) * (1 - v**2), np.finfo(float).tiny)
    without = np.minimum(np.abs(u @ v - u * v) / np.sqrt(rest), 1)
    change = np.abs(np.arccos(without) - math.acos(min(abs(float(u @ v)), 1.0)))
    n = math.ceil(_INFLUENTIAL_SHARE * len(u))
    return np.argsort(-change, kind="stable")[:n]


def reweighted_vector(p: PVector, weights: np.ndarray) -> np.ndarray | None:
    """Top left singular vector after each sample's features are scaled by a weight.

    Returns:
        A unit vector, shape `(n_samples,)`; `None` if the weighted features are zero.
    """
    x = weights[:, None] * _stored_features(p)
    left = x @ np.linalg.eigh(x.T @ x)[1][:, -1]
    length = np.linalg.norm(left)
    return left / length if length > 0 else None


def unit_row_weights(p: PVector) -> np.ndarray | None:
    """Weights that scale each sample's features to equal length; zero rows stay zero.

    Returns:
        Shape `(n_samples,)`; `None` for P-vectors that were stored without
        `row_norms`.
    """
    if p.row_norms is None:
        return None
    relative = p.row_norms / p.row_norms.max()
    return np.divide(1.0, relative, out=np.zeros(len(relative)), where=relative > 0)


def _stored_features(p: PVector) -> np.ndarray:
    """The stored approximation of the features, up to rotation and scale, shape
    `(n_samples, k)`."""
    return p.vectors * (p.singular_values[: p.k] / p.sigma1)
