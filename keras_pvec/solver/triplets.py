"""What the solver returns, and the errors of matrices without singular vectors."""

from __future__ import annotations

import dataclasses
import math

import numpy as np


class ZeroMatrixError(ValueError):
    """All features are zero, so there is no leading direction."""


@dataclasses.dataclass(frozen=True, eq=False)
class SingularTriplets:
    """The top singular triplets of a matrix `X` and of its column-centred form.

    Attributes:
        left: Left singular vectors, shape `(n_samples, k)`, float64, unit columns;
            fewer than requested if the matrix has a lower rank.
        right: Right singular vectors, shape `(n_features, k)`.
        singular_values: The `k` singular values and, where the matrix has one, the
            next, largest first, in the units of the features. The next one is meant for
            ratios and gaps: it may be 0.1% too small, or a few percent if the centred
            vector was not requested.
        error_deg: Estimated angle between each column of `left` and the true singular
            vector, in degrees, shape `(k,)`; 90 where the column is not determined.
            From the exact method it is an upper bound. From the iteration it is
            residual over gap, where the gap is to the next eigenvalue in the basis: an
            upper bound if the basis spans the leading directions. Following a random
            direction for some passes makes that very likely but does not prove it.
        certified_error_deg: Upper bound on the same angle that does not depend on that
            assumption, in degrees, shape `(k,)`: the gap allows for all of `||X||_F^2`
            that the basis does not account for. 90 where nothing is proven, which is
            common for flat spectra. See below for rounding.
        frobenius_norm: `||X||_F`.
        row_norms: Norms of the rows, shape `(n_samples,)`.
        centered_left: Top left singular vector of `X` after its column means are
            subtracted, shape `(n_samples,)`; `None` where all rows are equal, or the
            centred vector was not requested.
        centered_error_deg: Estimated error of `centered_left`, as `error_deg`.
        centered_singular_value: Largest singular value of the centred matrix, in the
            units of the features; `None` where `centered_left` is `None`.
        centered_frobenius_norm: Frobenius norm of the centred matrix; its square is the
            total variance of the columns times `n_samples`. `None` if the column means
            were not requested.
        n_passes: Number of passes over the rows.

    All errors include rounding errors. Their size is modelled, and measured on some
    rows of each block, rather than bounded in the worst case. All errors assume that
    each pass reads the same numbers.
    """

    left: np.ndarray
    right: np.ndarray
    singular_values: np.ndarray
    error_deg: np.ndarray
    certified_error_deg: np.ndarray
    frobenius_norm: float
    row_norms: np.ndarray
    centered_left: np.ndarray | None
    centered_error_deg: float
    centered_singular_value: float | None
    centered_frobenius_norm: float | None
    n_passes: int


def too_few_rows(n_rows: int) -> ValueError:
    """The error for a matrix of fewer than two rows."""
    received = "an empty matrix" if n_rows == 0 else "one row"
    return ValueError(
        f"A P-vector needs at least two samples (rows). Received: {received}."
    )


def check_energy(energy: float) -> None:
    """Raises `ValueError` where `||X||_F^2` is zero or not finite."""
    if energy == 0.0:
        raise ZeroMatrixError(
            "All features are zero: a zero matrix has no singular vector. The "
            "layer is dead, its weights are still zero, or the training diverged."
        )
    if not math.isfinite(energy):
        raise ValueError(
            "The squares of the features exceed the range of float64. Divide the "
            "features by their largest absolute value."
        )
