"""The exact method: a full SVD in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_pvec.solver.arrays import keras_library, library_of
from keras_pvec.solver.bounds import svd_error_deg
from keras_pvec.solver.rows import as_rows, check_finite, safe_scale
from keras_pvec.solver.settings import check_count
from keras_pvec.solver.triplets import SingularTriplets, check_energy, too_few_rows

# A centred matrix of less energy than this many rounding errors counts as zero.
_CENTERED_ROUNDINGS = 100


def exact_singular_triplets(matrix: Any, k: int = 1) -> SingularTriplets:
    """Triplets through a full SVD in float64.

    The SVD is that of the library of `matrix`, on its device: `tf.linalg.svd`,
    `jnp.linalg.svd` or `torch.linalg.svd`. NumPy arrays go to the default device of the
    Keras backend, or to LAPACK where Keras has no such backend.

    This is the reference for the fast method. It computes every singular vector, so its
    time grows with `n_samples * n_features * min(n_samples, n_features)`.

    Args:
        matrix: Array or tensor of shape `(n_samples, ...)`.
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
    library = library_of(matrix)
    if library is library_of(np.empty(0)):
        library = keras_library()
    x = library.from_numpy(rows) if isinstance(rows, np.ndarray) else rows
    moments = library.products(x, np.zeros((0, rows.shape[1])), scale)
    energy = float(moments.row_squares.sum())
    if not math.isfinite(energy):
        check_finite(rows, 0)
    check_energy(energy)
    factors = library.top_factors(x, k, scale)
    values = factors.values
    mean = moments.column_sums / rows.shape[0]
    centered = centered_value = None
    centered_error = 90.0
    centered_energy = energy - rows.shape[0] * float(mean @ mean)
    eps = np.finfo(np.float64).eps
    if centered_energy > _CENTERED_ROUNDINGS * eps * energy:
        centered_factors = library.top_factors(x, 1, scale, mean)
        centered = centered_factors.left[:, 0]
        centered_value = float(centered_factors.values[0]) / scale
        centered_error = svd_error_deg(centered_factors.values, 0)
    # Singular values that are rounding errors have no direction.
    k = min(k, max(int((values > values.size * eps * values[0]).sum()), 1))
    errors = np.array([svd_error_deg(values, i) for i in range(k)])
    return SingularTriplets(
        left=factors.left[:, :k],
        right=factors.right[:, :k],
        singular_values=values[: k + 1] / scale,
        error_deg=errors,
        certified_error_deg=errors,
        frobenius_norm=math.sqrt(energy) / scale,
        row_norms=np.sqrt(moments.row_squares) / scale,
        centered_left=centered,
        centered_error_deg=centered_error,
        centered_singular_value=centered_value,
        centered_frobenius_norm=math.sqrt(max(centered_energy, 0.0)) / scale,
        n_passes=1,
    )
