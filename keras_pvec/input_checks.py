"""Checks of arrays that a user gives: real, finite, rectangular, and nothing hidden.

Conversions by NumPy and Keras drop what they cannot represent, without a word: the mask
of a masked array, the imaginary part of a complex number. A ReLU turns NaN into 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Entries that are checked at a time, so that no copy of large arrays is made.
_ENTRIES = 1 << 20


def check_convertible(value: Any, name: str) -> None:
    """Checks that a conversion to a NumPy array would lose nothing.

    Args:
        value: An array, tensor, table or nested list.
        name: What to call it in errors.

    Raises:
        ValueError: A masked array with masked entries, a ragged or sparse tensor, or
            complex numbers.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(value):,} masked "
            "entries, and its mask would be lost. Fill them, `.filled(value)`, or "
            "leave out those samples."
        )
    kind = type(value).__name__
    if "Ragged" in kind:
        raise ValueError(
            f"{name} must have samples of one shape. Received: {kind}. Pad it, e.g. "
            "`.to_tensor()` or keras.utils.pad_sequences."
        )
    is_sparse = "sparse" in str(getattr(value, "layout", ""))  # PyTorch's
    if is_sparse or "Sparse" in kind or "sparse" in type(value).__module__:
        raise ValueError(
            f"{name} must be a dense array. Received: {kind}. Convert it, e.g. "
            "`.toarray()`, `.to_dense()` or tf.sparse.to_dense."
        )
    if "complex" in str(getattr(value, "dtype", "")):
        raise ValueError(
            f"{name} must be real; imaginary parts would be lost. Received dtype: "
            f"{value.dtype}. Stack real and imaginary parts as features."
        )


def as_array(value: Any, name: str) -> np.ndarray:
    """A copy of array-like data, in C order, read-only.

    Args:
        value: An array, tensor, table or nested list of real numbers or strings.
        name: What to call it in errors.

    Returns:
        The array, of shape `(n_samples, ...)`.

    Raises:
        ValueError: See `check_convertible`; or nested lists of unequal lengths, objects
            such as the strings of a table, dates, or a scalar.
    """
    check_convertible(value, name)
    try:
        array = np.array(value, order="C")
    except ValueError as error:
        raise ValueError(
            f"{name} must have samples of one shape ({error}). Pad them to one length, "
            "e.g. with keras.utils.pad_sequences."
        ) from error
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name} cannot be converted to an array ({error}). Received: "
            f"{type(value).__name__}. Detach a tensor, and move it to the CPU."
        ) from error
    if array.dtype.kind == "T":  # strings of NumPy 2, whose bytes lie elsewhere
        array = np.array(array.tolist())
    check_convertible(array, name)
    array.flags.writeable = False
    if array.dtype.kind == "O":
        kinds = sorted({type(entry).__name__ for entry in array.flat[:1000]})
        raise ValueError(
            f"{name} must hold numbers or strings of one type. Received: Python "
            f"objects ({', '.join(kinds)}). Convert text with `.astype(str)`, numbers "
            "with `.astype('float32')`; pad samples of unequal lengths."
        )
    if array.dtype.kind in "mM" or array.dtype.type is np.void:
        raise ValueError(
            f"{name} must hold numbers or strings. Received dtype: {array.dtype}. "
            "Convert them with `.astype('float32')`."
        )
    if array.ndim == 0:
        raise ValueError(
            f"{name} must have the shape (n_samples, ...). Received shape: ()"
        )
    return array


def check_finite(array: np.ndarray, name: str, first_sample: int = 0) -> None:
    """Checks that an array of samples holds no NaN and no infinity, block by block.

    Args:
        array: Array of shape `(n_samples, ...)`.
        name: What to call it in errors.
        first_sample: Number of the first of these samples, for errors.

    Raises:
        ValueError: A sample is not finite; the first one is named.
    """
    # Integers, booleans and strings are finite; "V" are floats of ml_dtypes (bfloat16).
    if array.dtype.kind not in "fV" or array.size == 0:
        return
    rows = max(_ENTRIES // max(array.size // len(array), 1), 1)
    bad: list[int] = []
    kind = ""
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        is_finite = np.isfinite(block)
        if is_finite.all():
            continue
        axes = tuple(range(1, block.ndim))
        bad += [start + int(i) for i in np.flatnonzero(~is_finite.all(axis=axes))]
        kind = kind or ("NaN" if np.isnan(block).any() else "infinity")
    if bad:
        others = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
        raise ValueError(
            f"{name} holds {kind} in sample {first_sample + bad[0]:,}{others}. Leave "
            "out those samples, or replace the entries, e.g. by np.nan_to_num."
        )
