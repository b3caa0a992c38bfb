"""What the solver requires of an array library, and what it receives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

# Entries of a part of a matrix that is converted to float64 on an accelerator, so that
# the copy takes half a gigabyte at most.
_DEVICE_PART_ENTRIES = 1 << 26


@dataclasses.dataclass(frozen=True, eq=False)
class RowProducts:
    """Products of a block of rows.

    Attributes:
        y: `(X V)^T`, shape `(directions, rows)`.
        z: `(X^T X V)^T`, shape `(directions, n_features)`, float64.
        column_sums: Sums over the rows, shape `(n_features,)`, float64; empty if not
            requested.
        row_squares: Sum of squares of each row, shape `(rows,)`, float64; empty if not
            requested.
    """

    y: np.ndarray
    z: np.ndarray
    column_sums: np.ndarray
    row_squares: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class TopFactors:
    """The singular values of a matrix, and its top singular vectors, in float64.

    Attributes:
        left: Left singular vectors, shape `(n_samples, k)`.
        right: Right singular vectors, shape `(n_features, k)`.
        values: All singular values, largest first.
    """

    left: np.ndarray
    right: np.ndarray
    values: np.ndarray


class ArrayLibrary(Protocol):
    """A library of arrays, as the solver uses it. The modules of this package are
    such libraries.

    Matrices have shape `(rows, n_features)`. Products and factors are computed in
    float64: the float32 of an accelerator may be a narrower type (TF32, bfloat16).
    """

    def is_on_accelerator(self, array: Any) -> bool:
        """Whether an array is to be multiplied on a device other than the CPU."""
        ...

    def to_numpy(self, array: Any) -> np.ndarray:
        """The array in NumPy, in a type of NumPy's own that holds its numbers."""
        ...

    def from_numpy(self, array: np.ndarray) -> Any:
        """An array of the library, on its default device."""
        ...

    def flattened(self, array: Any, n_features: int) -> Any:
        """The array with each sample flattened to a row of `n_features` entries."""
        ...

    def largest_magnitude(self, array: Any) -> float:
        """The largest absolute value of the entries; NaN or infinity if one of them
        is."""
        ...

    def products(self, block: Any, v: np.ndarray, scale: float) -> RowProducts:
        """All products of the rows of `scale * block` with the directions `v`, shape
        `(directions, n_features)`; only the products leave the device."""
        ...

    def top_factors(
        self, matrix: Any, k: int, scale: float, mean: np.ndarray | None = None
    ) -> TopFactors:
        """Singular values and top `k` vectors of `scale * matrix`, after `mean`, shape
        `(n_features,)`, is subtracted from its rows."""
        ...


def device_parts(shape: tuple[int, ...]) -> Iterator[slice]:
    """Ranges of the rows of a matrix, short enough to be copied in float64."""
    n_rows, n_features = shape
    step = max(_DEVICE_PART_ENTRIES // n_features, 1)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
