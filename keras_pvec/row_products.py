"""What one pass over rows of a matrix `X` yields: `X V` and `X^T X V`.

Directions, and what becomes of them, lie in rows here: `V^T`, `(X V)^T`, `(X^T X V)^T`.
Rows are taken in parts that stay in the cache while they are used twice, so that a
pass reads the matrix from memory once. Parts are multiplied in the precision of the
features, by as many threads as there are cores, and summed up in float64.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

# As large as is shared between the cores' caches, and no more rows than float32 can sum
# up; from fewer rows on, products of some columns are slow.
_PART_BYTES = 1 << 22
_MAX_PART_ROWS = 2048
_MIN_PART_ROWS = 64
# Up to this many directions, products are quicker one by one: they read the rows from
# the cache as they are, where a product of matrices copies them into shape first.
SINGLE_DIRECTIONS = 5
_MIN_PART_ROWS_SINGLE = 16
# Entries beyond this range are scaled, because the method squares twice.
_SAFE_MAGNITUDE = (1e-60, 1e60)


@dataclasses.dataclass(frozen=True, eq=False)
class RowProducts:
    """Products of a block of rows.

    Attributes:
        y: `(X V)^T`, shape `(directions, rows)`.
        z: `(X^T X V)^T`, shape `(directions, n_features)`, float64.
        column_sums: Sums over the rows, shape `(n_features,)`, float64.
        row_squares: Sums of the squares of each row, shape `(rows,)`, float64. This and
            `column_sums` are empty if they were not asked for.
    """

    y: np.ndarray
    z: np.ndarray
    column_sums: np.ndarray
    row_squares: np.ndarray


def row_products(
    block: Any,
    v: np.ndarray,
    dtype: type[np.floating],
    *,
    scale: float = 1.0,
    with_squares: bool = True,
    with_sums: bool = True,
) -> RowProducts:
    """Multiplies a block of rows, on the device that holds it.

    Args:
        block: Array or tensor of shape `(rows, n_features)`.
        v: Directions, shape `(directions, n_features)`.
        dtype: What arrays are multiplied in. Tensors on an accelerator, whose float32
            may be a shorter one, always are in float64.
        scale: What entries are multiplied by first.
        with_squares: Whether to compute `row_squares`.
        with_sums: Whether to compute `column_sums`.
    """
    if on_accelerator(block):
        return _of_tensor(block, v, scale)
    n_rows, n_features = block.shape
    v = np.ascontiguousarray(v, dtype)
    is_identity = len(v) == n_features
    one_by_one = len(v) <= SINGLE_DIRECTIONS and not is_identity
    y = np.empty((len(v), n_rows), dtype)
    row_squares = np.empty(n_rows if with_squares else 0)

    def work(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = np.zeros((len(v), n_features))
        sums = np.zeros(n_features if with_sums else 0)
        # What is not finite is told by an error, not by NumPy's warnings as well.
        with np.errstate(all="ignore"):
            for start, stop in itertools.pairwise(edges):
                x = np.ascontiguousarray(block[start:stop], dtype)
                if scale != 1.0:
                    x = x * dtype(scale)
                of_part = y[:, start:stop]
                if one_by_one:
                    for direction, product, total in zip(v, of_part, z, strict=True):
                        np.dot(x, direction, out=product)
                        total += np.dot(product, x)
                else:
                    of_part[:] = x.T if is_identity else v @ x.T
                    z += of_part @ x
                if with_sums:
                    sums += np.ones(len(x), dtype) @ x
                if with_squares:
                    # Row by row, by the BLAS: twice as quick as einsum.
                    squares = np.matmul(x[:, None, :], x[:, :, None])
                    row_squares[start:stop] = squares[:, 0, 0]
        return z, sums

    shares = _shares(n_rows, n_features * np.dtype(dtype).itemsize, one_by_one)
    # This thread takes a share itself, which saves waking up another.
    others = [_pool(os.getpid()).submit(work, share) for share in shares[1:]]
    totals = [work(shares[0]), *(other.result() for other in others)]
    z, sums = (sum(parts[1:], parts[0]) for parts in zip(*totals, strict=True))
    return RowProducts(y, z, sums, row_squares)


@functools.cache
def _shares(n_rows: int, row_bytes: int, one_by_one: bool) -> list[np.ndarray]:
    """Where the parts of each thread begin and end; all threads have equally many."""
    fewest = _MIN_PART_ROWS_SINGLE if one_by_one else _MIN_PART_ROWS
    rows = min(max(fewest, _PART_BYTES // row_bytes), _MAX_PART_ROWS)
    n_threads = min(available_cores(), math.ceil(n_rows / rows))
    each = math.ceil(n_rows / rows / n_threads)
    edges = np.linspace(0, n_rows, n_threads * each + 1).round().astype(int)
    return [edges[i * each : (i + 1) * each + 1] for i in range(n_threads)]


def _of_tensor(block: Any, v: np.ndarray, scale: float) -> RowProducts:
    """The same on the device that holds `block`, all rows at once."""
    import tensorflow as tf

    with tf.device(block.device):
        x = tf.cast(block, tf.float64) * scale
        y = tf.matmul(tf.constant(v, tf.float64), x, transpose_b=True)
        products = (
            y,
            y @ x,
            tf.reduce_sum(x, axis=0),
            tf.reduce_sum(x * x, axis=1),
        )
    return RowProducts(*(product.numpy() for product in products))


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
        with _one_thread:
            return function(*args, **kwargs)

    return limited


class _OneThread:
    """The limit, which holds for the process: the first to enter sets it, in whatever
    thread, and the last to leave restores what was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_within = 0
        self._limit = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._n_within == 0:
                self._limit.enter_context(_blas().limit(limits=1, user_api="blas"))
            self._n_within += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_within -= 1
            if self._n_within == 0:
                self._limit.close()


_one_thread = _OneThread()


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


@functools.cache
def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process; those of its parent do not live on after a fork."""
    n_others = max(available_cores() - 1, 1)
    return ThreadPoolExecutor(n_others, thread_name_prefix="row_products")
