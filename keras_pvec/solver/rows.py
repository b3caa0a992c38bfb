"""Blocks of rows of a matrix: what they may be, and what they hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_pvec.input_checks import check_convertible
from keras_pvec.solver.arrays import library_of, to_numpy

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
        ValueError: Not an array or tensor, fewer than two axes, no features, not real
            numbers, masked, ragged or sparse.
    """
    check_convertible(block, "The feature matrix")
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
