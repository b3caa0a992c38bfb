"""Blocks of rows of a matrix `X`, and their products `X V` and `X^T X V`.

Directions and their products are stored as rows: `V^T`, `(X V)^T`, `(X^T X V)^T`.
Blocks are taken in parts that stay in the cache for both products, so that a pass reads
the matrix from memory once. Parts are multiplied in the precision of the features, one
thread per core, and summed in float64.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from keras_pvec.solver.arrays import RowProducts, library_of, to_numpy
from keras_pvec.solver.threads import available_cores, worker_pool

# A part is as large as fits into the cores' caches, and has no more rows than float32
# sums accurately; with fewer rows than these, products of several columns are slow.
_PART_BYTES = 1 << 22
_MAX_PART_ROWS = 2048
_MIN_PART_ROWS = 64
_MIN_PART_ROWS_SINGLE = 16
# Up to this many directions, products are faster one by one: they read the rows from
# the cache in place, where a matrix product copies them into shape first.
SINGLE_DIRECTIONS = 5
# Entries beyond this range are scaled, because the method squares twice.
_SAFE_MAGNITUDE = (1e-60, 1e60)


def as_rows(block: Any) -> Any:
    """Checks a block of samples and flattens each sample to a row.

    Args:
        block: Array or tensor of shape `(rows, ...)`.

    Returns:
        The block, shape `(rows, n_features)`: a tensor if it is on an accelerator, else
        a NumPy array.

    Raises:
        ValueError: Not an array or tensor, fewer than two axes, no features, or not
            real numbers.
    """
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
        block = to_numpy(block)
    if _is_not_real(block.dtype):
        raise ValueError(
            f"Features must be real numbers. Received dtype: {block.dtype}"
        )
    n_features = math.prod(block.shape[1:])
    if n_features == 0:
        raise ValueError(f"Features are empty. Received shape: {tuple(block.shape)}")
    if len(block.shape) == 2:
        return block
    return library_of(block).flattened(block, n_features)


def on_accelerator(block: Any) -> bool:
    """Whether a block is a tensor that is to be multiplied on an accelerator."""
    return library_of(block).is_on_accelerator(block)


def _is_not_real(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype):
        return dtype.kind in "cOSUMmV"
    return "complex" in str(dtype)


def working_dtype(block: Any) -> type[np.floating]:
    """The narrowest type that holds the entries of a block and their products."""
    if on_accelerator(block):
        return np.float64
    is_short = block.dtype.itemsize <= (4 if block.dtype.kind not in "iu" else 2)
    return np.float32 if is_short else np.float64


def safe_scale(block: Any) -> float | None:
    """Factor for float64 entries that keeps their squares in range.

    Returns:
        The factor; `None` if the block is all zero or not finite, so another block must
        decide.
    """
    if not str(block.dtype).endswith(("float64", "'float64'>")):
        return 1.0
    largest = library_of(block).largest_magnitude(block)
    if largest == 0.0 or not math.isfinite(largest):
        return None
    low, high = _SAFE_MAGNITUDE
    return 1.0 if low < largest < high else 1.0 / largest


def check_finite(block: Any, first_row: int) -> None:
    """Raises `ValueError` if a block holds NaN or infinity, naming the first such row.

    Finite entries that are too large to square are accepted.
    """
    values = to_numpy(block).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size == 0:
        return
    kind = "NaN" if np.isnan(values[bad]).any() else "infinity"
    raise ValueError(
        f"Features hold {kind}, first in row {first_row + int(bad[0])} "
        f"({bad.size} such rows in this block). Common causes are a diverged training "
        "and a division by zero."
    )


def row_products(
    block: Any,
    v: np.ndarray,
    dtype: type[np.floating],
    *,
    scale: float = 1.0,
    with_squares: bool = True,
    with_sums: bool = True,
) -> RowProducts:
    """Multiplies a block of rows on the device that holds it.

    Args:
        block: Array or tensor of shape `(rows, n_features)`.
        v: Directions, shape `(directions, n_features)`; if there are as many directions
            as features, `v` must be the identity.
        dtype: Type that arrays are multiplied in. Tensors on an accelerator always are
            multiplied in float64, since their float32 may be a narrower type.
        scale: Factor for the entries, applied first.
        with_squares: Whether to compute `row_squares`.
        with_sums: Whether to compute `column_sums`.
    """
    if on_accelerator(block):
        return library_of(block).products(block, v, scale)
    n_rows, n_features = block.shape
    v = np.ascontiguousarray(v, dtype)
    is_identity = len(v) == n_features
    one_by_one = len(v) <= SINGLE_DIRECTIONS and not is_identity
    y = np.empty((len(v), n_rows), dtype)
    row_squares = np.empty(n_rows if with_squares else 0)

    def work(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = np.zeros((len(v), n_features))
        sums = np.zeros(n_features if with_sums else 0)
        # Non-finite entries raise an error later, so warnings are suppressed.
        with np.errstate(all="ignore"):
            for start, stop in itertools.pairwise(edges):
                x = np.ascontiguousarray(block[start:stop], dtype)
                if scale != 1.0:
                    x = x * dtype(scale)
                y_part = y[:, start:stop]
                if one_by_one:
                    for direction, product, total in zip(v, y_part, z, strict=True):
                        np.dot(x, direction, out=product)
                        total += np.dot(product, x)
                else:
                    y_part[:] = x.T if is_identity else v @ x.T
                    z += y_part @ x
                if with_sums:
                    sums += np.ones(len(x), dtype) @ x
                if with_squares:
                    # One BLAS product per row takes half the time of einsum.
                    squares = np.matmul(x[:, None, :], x[:, :, None])
                    row_squares[start:stop] = squares[:, 0, 0]
        return z, sums

    shares = _shares(n_rows, n_features * np.dtype(dtype).itemsize, one_by_one)
    # The calling thread takes a share itself, which saves waking another one.
    others = [worker_pool().submit(work, share) for share in shares[1:]]
    z, sums = work(shares[0])
    for other in others:
        other_z, other_sums = other.result()
        z += other_z
        sums += other_sums
    return RowProducts(y, z, sums, row_squares)


@functools.cache
def _shares(n_rows: int, row_bytes: int, one_by_one: bool) -> list[np.ndarray]:
    """Edges of the parts of each thread; all threads have equally many parts."""
    fewest = _MIN_PART_ROWS_SINGLE if one_by_one else _MIN_PART_ROWS
    rows = min(max(fewest, _PART_BYTES // row_bytes), _MAX_PART_ROWS)
    n_threads = min(available_cores(), math.ceil(n_rows / rows))
    each = math.ceil(n_rows / rows / n_threads)
    edges = np.linspace(0, n_rows, n_threads * each + 1).round().astype(int)
    return [edges[i * each : (i + 1) * each + 1] for i in range(n_threads)]
