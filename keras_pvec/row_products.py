"""What one pass over rows of a matrix `X` yields: `X V` and `X^T X V`.

Rows are taken in parts that stay in the cache while they are used twice, so that a
pass reads the matrix from memory once. Parts are multiplied in the precision of the
features, by as many threads as there are cores, and summed up in float64.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

# As large as is shared between the cores' caches; from fewer rows on, products of some
# columns are slow.
_PART_BYTES = 1 << 22
_MIN_PART_ROWS = 64
# Entries beyond this range are scaled, because the method squares twice.
_SAFE_MAGNITUDE = (1e-60, 1e60)


@dataclasses.dataclass(frozen=True, eq=False)
class RowProducts:
    """Products of a block of rows.

    Attributes:
        y: `X V`, shape `(rows, columns)`.
        z: `X^T X V`, shape `(n_features, columns)`, float64.
        column_sums: Sums over the rows, shape `(n_features,)`, float64.
        squares: Sum of the squares of all entries. This and `column_sums` are zero if
            they were not asked for.
    """

    y: np.ndarray
    z: np.ndarray
    column_sums: np.ndarray
    squares: float


def row_products(
    block: Any,
    v: np.ndarray,
    dtype: type[np.floating],
    *,
    scale: float = 1.0,
    with_moments: bool = True,
) -> RowProducts:
    """Multiplies a block of rows, on the device that holds it.

    Args:
        block: Array or tensor of shape `(rows, n_features)`.
        v: Directions, shape `(n_features, columns)`.
        dtype: What arrays are multiplied in. Tensors on an accelerator, whose float32
            may be a shorter one, always are in float64.
        scale: What entries are multiplied by first.
        with_moments: Whether to compute `column_sums` and `squares`.
    """
    if on_accelerator(block):
        return _of_tensor(block, v, scale)
    n_rows, n_features = block.shape
    v = np.asarray(v, dtype, order="C")
    is_identity = v.shape[0] == v.shape[1]
    step = max(_MIN_PART_ROWS, _PART_BYTES // (np.dtype(dtype).itemsize * n_features))
    starts = np.arange(0, n_rows, step)
    y = np.empty((n_rows, v.shape[1]), dtype)

    def work(starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        z, sums, squares = np.zeros((v.shape[1], n_features)), np.zeros(n_features), 0.0
        for start in starts:
            rows = slice(start, min(start + step, n_rows))
            x = np.ascontiguousarray(block[rows], dtype)
            if scale != 1.0:
                x = x * dtype(scale)
            # What is not finite is told by an error, not by NumPy's warnings as well.
            with np.errstate(all="ignore"):
                y[rows] = x if is_identity else x @ v
                z += y[rows].T @ x
                if with_moments:
                    sums += np.ones(len(x), dtype) @ x
                    squares += float(np.dot(x.ravel(), x.ravel()))
        return z, sums, squares

    shares = np.array_split(starts, min(_n_threads(), len(starts)))
    totals = (
        _pool(os.getpid()).map(work, shares) if len(shares) > 1 else map(work, shares)
    )
    z, sums, squares = functools.reduce(
        lambda a, b: tuple(x + y for x, y in zip(a, b, strict=True)), totals
    )
    return RowProducts(y, z.T, sums, squares)


def _of_tensor(block: Any, v: np.ndarray, scale: float) -> RowProducts:
    """The same on the device that holds `block`, all rows at once."""
    import tensorflow as tf

    with tf.device(block.device):
        x = tf.cast(block, tf.float64) * scale
        y = x @ tf.constant(v, tf.float64)
        products = (
            y,
            tf.matmul(x, y, transpose_a=True),
            tf.reduce_sum(x, axis=0),
            tf.reduce_sum(x * x),
        )
    y, z, column_sums, squares = (product.numpy() for product in products)
    return RowProducts(y, z, column_sums, float(squares))


def as_rows(block: Any) -> Any:
    """Checks a block and flattens each of its samples to a row."""
    if not hasattr(block, "shape") or not hasattr(block, "dtype"):
        raise ValueError(
            "Features must be arrays or tensors of shape (n_samples, n_features). "
            f"Received: {type(block).__name__}"
        )
    if len(block.shape) < 2:
        raise ValueError(
            "Features must have at least two axes, (n_samples, n_features). Received "
            f"shape: {tuple(block.shape)}"
        )
    if not on_accelerator(block):
        block = np.asarray(block)
        if block.dtype.kind in "cOSUMm":
            raise ValueError(
                f"Features must be real numbers. Received dtype: {block.dtype}"
            )
    n_features = math.prod(block.shape[1:])
    if n_features == 0:
        raise ValueError(f"Features are empty. Received shape: {tuple(block.shape)}")
    if len(block.shape) == 2:
        return block
    if isinstance(block, np.ndarray):
        return block.reshape(block.shape[0], n_features)
    import tensorflow as tf

    return tf.reshape(block, (block.shape[0], n_features))


def on_accelerator(block: Any) -> bool:
    """Whether `block` is a TensorFlow tensor that does not live on the CPU."""
    if not type(block).__module__.startswith("tensorflow"):
        return False
    return "CPU" not in getattr(block, "device", "CPU")


def working_dtype(block: Any) -> type[np.floating]:
    """The shortest type that holds the entries of a block and their products."""
    if on_accelerator(block):
        return np.float64
    is_short = block.dtype.itemsize <= (4 if block.dtype.kind not in "iu" else 2)
    return np.float32 if is_short else np.float64


def safe_scale(block: Any) -> float | None:
    """What float64 entries are multiplied by so that their squares stay in range;
    `None` if the block does not tell, being all zero or not finite."""
    if not str(block.dtype).endswith(("float64", "'float64'>")):
        return 1.0
    largest = float(np.abs(np.asarray(block)).max(initial=0.0))
    if largest == 0.0 or not math.isfinite(largest):
        return None
    low, high = _SAFE_MAGNITUDE
    return 1.0 if low < largest < high else 1.0 / largest


def check_finite(block: Any, first_row: int) -> None:
    """Raises `ValueError` if a block holds NaN or infinity, naming the first such row.

    Entries that are finite but too large to square pass.
    """
    values = np.asarray(block, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size == 0:
        return
    kind = "NaN" if np.isnan(values[bad]).any() else "infinity"
    raise ValueError(
        f"Features hold {kind}, first in row {first_row + int(bad[0])} "
        f"({bad.size} such rows in this block). A diverged training or a division by "
        "zero is the usual reason."
    )


def on_one_thread(function: Callable) -> Callable:
    """Runs the linear algebra of NumPy within on one thread.

    Parts are multiplied by threads of ours; and beside TensorFlow's own threads, those
    of OpenBLAS wait for each other: on two cores the eigenvectors of 256 x 256 took
    half a second instead of 10 ms.
    """

    @functools.wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        with _blas().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


@functools.cache
def _n_threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process; those of its parent do not live on after a fork."""
    return ThreadPoolExecutor(_n_threads(), thread_name_prefix="row_products")
