"""The exact method: a full SVD in float64 by TensorFlow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_pvec.solver.bounds import svd_error_deg
from keras_pvec.solver.rows import as_rows, check_finite, safe_scale
from keras_pvec.solver.settings import check_count
from keras_pvec.solver.triplets import SingularTriplets, check_energy, too_few_rows

# A centred matrix of less energy than this many rounding errors counts as zero.
_CENTERED_ROUNDINGS = 100


def exact_singular_triplets(matrix: Any, k: int = 1) -> SingularTriplets:
    """Triplets through `tf.linalg.svd` in float64, on the device of `matrix`.

    This is the reference for the fast method. It computes every singular vector, so its
    time grows with `n_samples * n_features * min(n_samples, n_features)`.

    Args:
        matrix: Array or tensor of shape `(n_samples, ...)`; an array goes to the
            default device, which is the GPU where there is one.
        k: Number of left singular vectors.

    Returns:
        The triplets.

    Raises:
        ValueError: See `top_singular_triplets`.
    """
    check_count("k", k)
    rows = as_rows(matrix)
    if rows.shape[0] < 2:
        raise too_few_rows(rows.shape[0])
    scale = safe_scale(rows) or 1.0

    import tensorflow as tf

    x = tf.cast(rows, tf.float64) * scale
    energy = float(tf.reduce_sum(x * x))
    if not math.isfinite(energy):
        check_finite(rows, 0)
    check_energy(energy)
    sigma, u, v = tf.linalg.svd(x, full_matrices=False)
    mean = tf.reduce_mean(x, axis=0)
    centered = centered_value = None
    centered_error = 90.0
    centered_energy = energy - x.shape[0] * float(tf.reduce_sum(mean * mean))
    eps = np.finfo(np.float64).eps
    if centered_energy > _CENTERED_ROUNDINGS * eps * energy:
        centered_sigma, centered_u, _ = tf.linalg.svd(x - mean, full_matrices=False)
        centered = centered_u[:, 0].numpy()
        centered_value = float(centered_sigma[0]) / scale
        centered_error = svd_error_deg(centered_sigma.numpy(), 0)
    values = sigma.numpy()
    # Singular values that are rounding errors have no direction.
    k = min(k, max(int((values > values.size * eps * values[0]).sum()), 1))
    errors = np.array([svd_error_deg(values, i) for i in range(k)])
    return SingularTriplets(
        left=u[:, :k].numpy(),
        right=v[:, :k].numpy(),
        singular_values=values[: k + 1] / scale,
        error_deg=errors,
        certified_error_deg=errors,
        frobenius_norm=math.sqrt(energy) / scale,
        row_norms=tf.norm(x, axis=1).numpy() / scale,
        centered_left=centered,
        centered_error_deg=centered_error,
        centered_singular_value=centered_value,
        centered_frobenius_norm=math.sqrt(max(centered_energy, 0.0)) / scale,
        n_passes=1,
    )
