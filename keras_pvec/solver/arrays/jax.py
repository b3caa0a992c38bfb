"""JAX arrays.

JAX turns float64 into float32 unless it is told otherwise, so everything in float64 is
computed within `_float64()`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keras_pvec.solver.arrays import numpy as numpy_library
from keras_pvec.solver.arrays.base import RowProducts, TopFactors, device_parts


def is_on_accelerator(array: Any) -> bool:
    return any(device.platform != "cpu" for device in array.devices())


def to_numpy(array: Any) -> np.ndarray:
    return numpy_library.to_numpy(array)


def from_numpy(array: np.ndarray) -> jax.Array:
    with _float64():
        return jnp.asarray(array)


def flattened(array: Any, n_features: int) -> jax.Array:
    with _float64():
        return array.reshape(array.shape[0], n_features)


def largest_magnitude(array: Any) -> float:
    with _float64():
        return float(jnp.abs(array).max())


def products(block: Any, v: np.ndarray, scale: float) -> RowProducts:
    with _float64(), jax.default_matmul_precision("highest"):
        # NumPy arrays follow the block to its device.
        z, sums = np.zeros(v.shape), np.zeros(v.shape[1])
        y, squares = [], []
        for rows in device_parts(block.shape):
            x = block[rows].astype(jnp.float64) * scale
            y.append(jnp.matmul(v, x.T))
            z = z + y[-1] @ x
            sums = sums + x.sum(axis=0)
            squares.append((x * x).sum(axis=1))
        return RowProducts(
            y=np.concatenate([np.asarray(part) for part in y], axis=1),
            z=np.asarray(z),
            column_sums=np.asarray(sums),
            row_squares=np.concatenate([np.asarray(part) for part in squares]),
        )


def top_factors(
    matrix: Any, k: int, scale: float, mean: np.ndarray | None = None
) -> TopFactors:
    with _float64(), jax.default_matmul_precision("highest"):
        x = matrix.astype(jnp.float64) * scale
        if mean is not None:
            x = x - mean
        u, values, vt = jnp.linalg.svd(x, full_matrices=False)
        return TopFactors(
            np.asarray(u[:, :k]), np.asarray(vt[:k]).T, np.asarray(values)
        )


def _float64() -> AbstractContextManager[Any]:
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # before JAX 0.8

    return enable_x64()
