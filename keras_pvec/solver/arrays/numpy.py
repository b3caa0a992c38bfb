"""NumPy, and whatever else converts itself to NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import svd

from keras_pvec.solver.arrays.base import RowProducts, TopFactors


def is_on_accelerator(array: Any) -> bool:
    return False


def to_numpy(array: Any) -> np.ndarray:
    array = np.asarray(array)
    # bfloat16 and its like come from another package; NumPy does not read them back
    # from files.
    is_foreign = array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32)
    return array.astype(np.float32) if is_foreign else array


def from_numpy(array: np.ndarray) -> np.ndarray:
    return array


def flattened(array: Any, n_features: int) -> np.ndarray:
    return array.reshape(array.shape[0], n_features)


def largest_magnitude(array: Any) -> float:
    return float(np.abs(array).max(initial=0.0))


def products(block: Any, v: np.ndarray, scale: float) -> RowProducts:
    x = np.asarray(block, np.float64) * scale
    y = v @ x.T
    return RowProducts(y, y @ x, x.sum(axis=0), np.einsum("ij,ij->i", x, x))


def top_factors(
    matrix: Any, k: int, scale: float, mean: np.ndarray | None = None
) -> TopFactors:
    x = np.asarray(matrix, np.float64) * scale
    if mean is not None:
        x -= mean
    u, values, vt = svd(x, full_matrices=False, overwrite_a=True, check_finite=False)
    return TopFactors(u[:, :k], vt[:k].T, values)
