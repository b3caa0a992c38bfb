"""The products `X V` and `X^T X V` of blocks of rows.

Directions and their products are stored as rows: `V^T`, `(X V)^T`, `(X^T X V)^T`.
Blocks are taken in parts that stay in the cache for both products, so that a pass reads
the matrix from memory once. Parts are multiplied in the precision of the features, one
thread per core, and summed in float64.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any

import numpy as np

from keras_pvec.solver.arrays import RowProducts, library_of
from keras_pvec.solver.rows import on_accelerator
from keras_pvec.solver.threads import (
    available_cores,
    multiplies_small_matrices,
    worker_pool,
)

# Up to this many directions, products are faster one by one: they read the rows from
# the cache in place, where a general matrix product copies them into shape first.
_ONE_BY_ONE = 8
# Up to this many where the rows are too long for the cache.
_ONE_BY_ONE_WIDE = 3
# Float32 sums are accurate over this many rows.
_MAX_PART_ROWS = 2048
# Small enough for a core's second-level cache, from which the second product reads.
_CACHED_PART_BYTES = 1 << 19
_SINGLE_PART_ROWS = 8
# With fewer rows than these, adding up the products takes longer than the products.
_SMALL_PART_ROWS = 32
# Matrices of at most a million products of entries are multiplied in place.
_SMALL_PRODUCT = 700_000
# A general matrix product copies the rows once for all directions; it is slow with
# fewer rows than these.
_PART_BYTES = 1 << 22
_PART_ROWS = 64


@dataclasses.dataclass(frozen=True)
class Parts:
    """How rows are cut into parts, and how a part is multiplied.

    Attributes:
        n_rows: Rows of a part.
        n_columns: Columns that are multiplied at a time.
        one_by_one: Whether each direction is multiplied by itself.
    """

    n_rows: int
    n_columns: int
    one_by_one: bool


@functools.cache
def choose_parts(n_directions: int, n_features: int, itemsize: int) -> Parts:
    """The fastest parts for directions that are not the identity.

    Args:
        n_directions: Number of directions.
        n_features: Length of the directions.
        itemsize: Bytes of an entry.
    """
    row_bytes = n_features * itemsize
    if n_directions > 1 and itemsize == 4 and multiplies_small_matrices():
        # One direction more for the sums of the columns.
        largest = _SMALL_PRODUCT // (n_directions + 1)
        n_rows = max(_CACHED_PART_BYTES // row_bytes, _SMALL_PART_ROWS)
        n_rows = min(n_rows, max(largest // n_features, _SMALL_PART_ROWS))
        return Parts(n_rows, max(largest // n_rows, 1), one_by_one=False)
    is_wide = row_bytes * _SINGLE_PART_ROWS > _CACHED_PART_BYTES
    if n_directions <= (_ONE_BY_ONE_WIDE if is_wide else _ONE_BY_ONE):
        n_rows = max(_CACHED_PART_BYTES // row_bytes, _SINGLE_PART_ROWS)
        return Parts(min(n_rows, _MAX_PART_ROWS), n_features, one_by_one=True)
    n_rows = max(_PART_BYTES // row_bytes, _PART_ROWS)
    return Parts(min(n_rows, _MAX_PART_ROWS), n_features, one_by_one=False)


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
    n_directions = len(v)
    v = np.ascontiguousarray(v, dtype)
    is_identity = n_directions == n_features
    parts = choose_parts(n_directions, n_features, v.itemsize)
    one_by_one = parts.one_by_one and not is_identity
    # Products with a last row of ones are the sums of the columns.
    y = np.ones((n_directions + with_sums, n_rows), dtype)
    row_squares = np.zeros(n_rows if with_squares else 0)

    def work(edges: np.ndarray) -> np.ndarray:
        z = np.zeros((len(y), n_features))
        # Non-finite entries raise an error later, so warnings are suppressed.
        with np.errstate(all="ignore"):
            for start, stop in itertools.pairwise(edges):
                x = np.ascontiguousarray(block[start:stop], dtype)
                if scale != 1.0:
                    x = x * dtype(scale)
                y_part = y[:, start:stop]
                squares = row_squares[start:stop] if with_squares else None
                if one_by_one:
                    _multiply_one_by_one(x, v, y_part, z, squares)
                elif is_identity:
                    y_part[:n_directions] = x.T
                    z += y_part @ x
                    if squares is not None:
                        squares += _squares(x)
                else:
                    _multiply_together(x, v, y_part, z, squares, parts.n_columns)
        return z

    shares = _shares(n_rows, parts.n_rows)
    # The calling thread takes a share itself, which saves waking another one.
    others = [worker_pool().submit(work, share) for share in shares[1:]]
    z = work(shares[0])
    for other in others:
        z += other.result()
    return RowProducts(
        y[:n_directions], z[:n_directions], z[n_directions:].ravel(), row_squares
    )


def _multiply_one_by_one(
    x: np.ndarray,
    v: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    squares: np.ndarray | None,
) -> None:
    """Multiplies a part of the rows.

    Args:
        x: The part, shape `(rows, n_features)`.
        v: Directions, shape `(directions, n_features)`.
        y: Its first rows are set to `v X^T`; more rows may follow, which are given.
        z: `y X` is added to it.
        squares: The sums of squares of the rows are added to it.
    """
    for direction, product in zip(v, y, strict=False):
        np.dot(x, direction, out=product)
    for product, total in zip(y, z, strict=True):
        total += np.dot(product, x)
    if squares is not None:
        squares += _squares(x)


def _multiply_together(
    x: np.ndarray,
    v: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    squares: np.ndarray | None,
    n_columns: int,
) -> None:
    """The same, `n_columns` of the columns at a time."""
    y_wanted = y[: len(v)]
    y_wanted[:] = 0
    tiles = [slice(s, s + n_columns) for s in range(0, x.shape[1], n_columns)]
    for columns in tiles:
        tile = x[:, columns]
        y_wanted += v[:, columns] @ tile.T
        if squares is not None:
            squares += _squares(tile)
    for columns in tiles:
        z[:, columns] += y @ x[:, columns]


def _squares(x: np.ndarray) -> np.ndarray:
    """Sums of squares of the rows; one BLAS product per row takes half the time of
    einsum."""
    return np.matmul(x[:, None, :], x[:, :, None])[:, 0, 0]


@functools.cache
def _shares(n_rows: int, part_rows: int) -> list[np.ndarray]:
    """Edges of the parts of each thread; all threads have equally many parts."""
    n_threads = min(available_cores(), math.ceil(n_rows / part_rows))
    each = math.ceil(n_rows / part_rows / n_threads)
    edges = np.linspace(0, n_rows, n_threads * each + 1).round().astype(int)
    return [edges[i * each : (i + 1) * each + 1] for i in range(n_threads)]
