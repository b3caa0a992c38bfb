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

# Matrices of at most this many products of entries are multiplied in place where the
# BLAS can; a general matrix product first copies the rows into shape.
_SMALL_PRODUCT = 700_000
# Most rows of a tile, and fewest: adding up the products of fewer takes longer than the
# products.
_TILE_ROWS = 64
_FEWEST_ROWS = 32
# Rows are cut into tiles so that a part has at least so many products with each
# direction: NumPy keeps other threads from running while it computes fewer than 500.
_FEWEST_PRODUCTS = 512
# A single direction, and elsewhere up to so many, are faster one by one: they read the
# rows from the cache in place. The second number is for rows of which few fit into the
# cache.
_ONE_BY_ONE = 8
_ONE_BY_ONE_WIDE = 3
_WIDE_PART_ROWS = 32
_FEWEST_ROWS_SINGLE = 8
# A part is about as large as a core's second-level cache, from which the second product
# reads. Several threads are slower on smaller parts, since they may wait for each other
# where they return to Python.
_CACHED_PART_BYTES = 1 << 21
# Parts for general matrix products, which are slow with fewer rows than these.
_PART_BYTES = 1 << 22
_PART_ROWS = 64
# Float32 sums are accurate over this many rows.
_MAX_PART_ROWS = 2048


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How a block of rows is cut. `np.matmul` loops over the tiles of a part without
    returning to Python.

    Attributes:
        part_rows: Rows of a part, a multiple of `tile_rows`.
        tile_rows: Rows of a tile.
        tile_columns: Columns of a tile.
        one_by_one: Whether each direction is multiplied by itself, with whole parts.
    """

    part_rows: int
    tile_rows: int
    tile_columns: int
    one_by_one: bool


@functools.cache
def choose_tiling(n_directions: int, n_features: int, itemsize: int) -> Tiling:
    """The fastest tiling for directions that are not the identity.

    Args:
        n_directions: Number of directions.
        n_features: Length of the directions.
        itemsize: Bytes of an entry.
    """
    row_bytes = n_features * itemsize
    part_rows = min(_CACHED_PART_BYTES // row_bytes, _MAX_PART_ROWS)
    tile_rows = min(max(part_rows, _FEWEST_ROWS), _TILE_ROWS)
    n_high = max(part_rows // tile_rows, 1)
    n_wide = math.ceil(_FEWEST_PRODUCTS / (n_high * tile_rows))
    tile_columns = math.ceil(n_features / n_wide)
    is_wide = part_rows < _WIDE_PART_ROWS
    in_place = itemsize == 4 and multiplies_small_matrices()
    if in_place and (n_directions > 1 or is_wide):
        # One direction more for the sums of the columns.
        largest = _SMALL_PRODUCT // (n_directions + 1)
        tile_columns = max(min(tile_columns, largest // _FEWEST_ROWS), 1)
        tile_rows = max(min(tile_rows, largest // tile_columns), 1)
        part_rows = max(part_rows // tile_rows, 1) * tile_rows
        return Tiling(part_rows, tile_rows, tile_columns, one_by_one=False)
    if n_directions <= (_ONE_BY_ONE_WIDE if is_wide else _ONE_BY_ONE):
        part_rows = max(part_rows, _FEWEST_ROWS_SINGLE)
        return Tiling(part_rows, part_rows, tile_columns, one_by_one=True)
    part_rows = min(max(_PART_BYTES // row_bytes, _PART_ROWS), _MAX_PART_ROWS)
    return Tiling(part_rows, part_rows, n_features, one_by_one=False)


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
    tiling = choose_tiling(n_directions, n_features, v.itemsize)
    # Products with a last column of ones are the sums of the columns.
    y = np.ones((n_rows, n_directions + with_sums), dtype)
    row_squares = np.zeros(n_rows if with_squares else 0)

    def work(edges: np.ndarray) -> np.ndarray:
        z = np.zeros((y.shape[1], n_features))
        # Non-finite entries raise an error later, so warnings are suppressed.
        with np.errstate(all="ignore"):
            for start, stop in itertools.pairwise(edges):
                x = np.ascontiguousarray(block[start:stop], dtype)
                if scale != 1.0:
                    x = x * dtype(scale)
                y_part = y[start:stop]
                if with_squares:
                    row_squares[start:stop] = _squares(x, tiling)
                if is_identity:
                    y_part[:, :n_directions] = x
                    z += y_part.T @ x
                elif tiling.one_by_one:
                    _multiply_one_by_one(x, v, y_part, z)
                else:
                    _multiply_tiles(x, v, y_part, z, tiling)
        return z

    shares = _shares(n_rows, tiling)
    # The calling thread takes a share itself, which saves waking another one.
    others = [worker_pool().submit(work, share) for share in shares[1:]]
    z = work(shares[0])
    for other in others:
        z += other.result()
    return RowProducts(
        y[:, :n_directions].T, z[:n_directions], z[n_directions:].ravel(), row_squares
    )


def _multiply_one_by_one(
    x: np.ndarray, v: np.ndarray, y: np.ndarray, z: np.ndarray
) -> None:
    """Multiplies a part of the rows.

    Args:
        x: The part, shape `(rows, n_features)`.
        v: Directions, shape `(directions, n_features)`.
        y: Its first columns are set to `X V`; more columns may follow, which are given.
        z: `y^T X` is added to it.
    """
    for i, direction in enumerate(v):
        y[:, i] = np.dot(x, direction)
    for product, total in zip(y.T, z, strict=True):
        total += np.dot(np.ascontiguousarray(product), x)


def _multiply_tiles(
    x: np.ndarray, v: np.ndarray, y: np.ndarray, z: np.ndarray, tiling: Tiling
) -> None:
    """The same, tile by tile."""
    for rows, n_high in _grid(len(x), tiling.tile_rows):
        parts_of_y = []
        for columns, n_wide in _grid(x.shape[1], tiling.tile_columns):
            tiles = _tiles(x[rows, columns], n_high, n_wide)
            (directions,) = _tiles(v[:, columns], 1, n_wide)
            products = tiles @ directions.swapaxes(1, 2)
            parts_of_y.append(_sum(products, 1).reshape(-1, len(v)))
        y[rows, : len(v)] = functools.reduce(np.add, parts_of_y)
        factors = y[rows].reshape(n_high, 1, -1, y.shape[1]).swapaxes(2, 3)
        for columns, n_wide in _grid(x.shape[1], tiling.tile_columns):
            products = factors @ _tiles(x[rows, columns], n_high, n_wide)
            z[:, columns] += _sum(products, 0).swapaxes(0, 1).reshape(len(z), -1)


def _sum(products: np.ndarray, axis: int) -> np.ndarray:
    """Sum over the tiles along an axis, of which there often is only one."""
    return products.sum(axis) if products.shape[axis] > 1 else products.squeeze(axis)


def _grid(size: int, tile: int) -> list[tuple[slice, int]]:
    """The part of an axis that is made of whole tiles, and the rest: each as its range
    and its number of tiles."""
    n = size // tile
    whole, rest = (slice(0, n * tile), n), (slice(n * tile, size), 1)
    return [span for span in (whole, rest) if span[0].start < span[0].stop]


def _tiles(x: np.ndarray, n_high: int, n_wide: int) -> np.ndarray:
    """A view of a matrix as tiles, shape `(n_high, n_wide, rows, columns)`."""
    n_rows, n_columns = x.shape
    shape = n_high, n_rows // n_high, n_wide, n_columns // n_wide
    return x.reshape(shape).swapaxes(1, 2)


def _squares(x: np.ndarray, tiling: Tiling) -> np.ndarray:
    """Sums of squares of the rows, as BLAS products of the rows of the tiles."""
    sums = []
    for columns, n_wide in _grid(x.shape[1], tiling.tile_columns):
        (tiles,) = _tiles(x[:, columns], 1, n_wide)
        squares = tiles[:, :, None] @ tiles[..., None]
        sums.append(squares[..., 0, 0].sum(axis=0, dtype=np.float64))
    return functools.reduce(np.add, sums)


@functools.cache
def _shares(n_rows: int, tiling: Tiling) -> list[np.ndarray]:
    """Edges of the parts of each thread; all threads have equally many parts."""
    n_parts = math.ceil(n_rows / tiling.part_rows)
    n_threads = min(available_cores(), n_parts)
    each = math.ceil(n_parts / n_threads)
    n_tiles = n_rows / tiling.tile_rows
    edges = np.linspace(0, n_tiles, n_threads * each + 1).round().astype(int)
    edges *= tiling.tile_rows
    edges[-1] = n_rows
    return [edges[i * each : (i + 1) * each + 1] for i in range(n_threads)]
