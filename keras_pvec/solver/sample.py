"""A sample of the rows: the first directions, and corrections of approximate vectors.

`c S^T S`, for a sample `S` of the rows, resembles `X^T X` and costs a fraction of a
pass to multiply. The iteration starts from its leading eigenvectors. It also adds to
the basis, in place of a residual `r`, an approximate solution `t` of

    (theta - c S^T S) t = r,    t orthogonal to the Ritz vectors down to its own,

as the Davidson and Jacobi-Davidson methods do (Sleijpen and van der Vorst 1996,
doi 10.1137/S0895479894270427). Each pass then reduces the error to what the sample says
wrongly of it, instead of to the ratio of the eigenvalues. Only the choice of directions
depends on the sample; products, residuals and errors are those of all rows.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import eigh

from keras_pvec.solver.arrays import to_numpy
from keras_pvec.solver.orthogonal import orthonormal_complement
from keras_pvec.solver.passes import Centering, Moments
from keras_pvec.solver.products import row_products
from keras_pvec.solver.rows import on_accelerator
from keras_pvec.solver.settings import Limits

Operator = Callable[[np.ndarray], np.ndarray]

# Most steps of conjugate gradients for a correction, and the residual that is small
# enough, as a share of the error of the sample.
_CORRECTION_STEPS = 4
_CORRECTION_TOLERANCE = 0.2
# Samples of this size are worth several threads.
_THREADED_BYTES = 1 << 22
# Steps of a block Krylov iteration from the directions of a few rows to those of the
# sample.
_START_STEPS = 2


@dataclasses.dataclass(frozen=True, eq=False)
class RowSample:
    """Evenly spaced rows of the first block.

    Attributes:
        rows: The rows in units of `unit`, shape `(m, n_features)`, float32, at most one
            in size.
        unit: Their largest absolute value; NaN if they hold nothing but zeros, so that
            no product of theirs resembles that of the matrix.
    """

    rows: np.ndarray
    unit: float

    @functools.cached_property
    def column_sums(self) -> np.ndarray:
        """Sums of the columns, shape `(n_features,)`, in units of `unit`."""
        return np.ones(len(self.rows), np.float32) @ self.rows

    @classmethod
    def of(cls, block: Any, limits: Limits) -> RowSample:
        """A sample of a block of rows, shape `(rows, n_features)`."""
        n_rows = n_sampled_rows(block.shape[0], limits)
        if on_accelerator(block):  # a pass is faster there than corrections are here
            n_rows = min(n_rows, limits.start_rows)
        stride = block.shape[0] // n_rows
        rows = to_numpy(block[: n_rows * stride : stride])
        unit = max(float(rows.max()), -float(rows.min()))
        if not (0 < unit < np.inf):  # zero, or not finite: an error as the pass closes
            return cls(np.ones((1, block.shape[1]), np.float32), np.nan)
        is_short = rows.dtype in (np.float16, np.float32)
        quotient = rows / (np.float32(unit) if is_short else unit)
        return cls(quotient.astype(np.float32, copy=False), unit)

    def operator(
        self, moments: Moments, theta: float, centering: Centering | None
    ) -> Operator:
        """`v -> c S^T S v / theta`, or its centred form, for float32 vectors.

        Args:
            moments: Those of the matrix.
            theta: A Ritz value, in the units of the moments.
            centering: For the centred form.
        """
        unit = self.unit * moments.scale
        c = np.float32(moments.n_rows / len(self.rows) * unit**2 / theta)
        if centering is None:
            return lambda v: c * self._products(v)[1]
        mean = (centering.mean / unit).astype(np.float32)
        sums = self.column_sums

        def multiply(v: np.ndarray) -> np.ndarray:
            y, z = self._products(v)
            shift = mean @ v
            total = y.sum() - len(y) * shift
            return c * (z - shift * sums - total * mean)

        return multiply

    def _products(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`S v` and `S^T S v`."""
        if self.rows.nbytes < _THREADED_BYTES:
            y = self.rows @ v
            return y, y @ self.rows
        products = row_products(
            self.rows, v[None], np.float32, with_squares=False, with_sums=False
        )
        return products.y[0], products.z[0].astype(np.float32)


def n_sampled_rows(n_rows: int, limits: Limits) -> int:
    """How many rows of the first block are sampled."""
    n_sampled = max(
        n_rows // limits.sampled_share,
        min(n_rows // limits.start_share, limits.start_rows),
    )
    fewest, most = limits.sample_rows
    return min(max(n_sampled, fewest), most, n_rows)


def leading_directions(
    sample: RowSample, n_plain: int, n_centered: int, limits: Limits
) -> np.ndarray:
    """Leading right singular vectors of a sample and of its centred form.

    Args:
        sample: The sample.
        n_plain: Number of vectors of the sample.
        n_centered: Number of vectors of its centred form.
        limits: Constants of the method.

    Returns:
        Shape `(n_plain + n_centered, n_features)`, of any length; fewer where the
        sample has fewer rows.
    """
    rows = sample.rows
    stride = max(len(rows) // limits.start_rows, 1)
    few = rows[: limits.start_rows * stride : stride]
    directions = _leading_of_gram(few @ few.T, n_plain, n_centered) @ few
    if stride == 1 or len(directions) >= rows.shape[1]:
        return directions
    basis = newest = orthonormal_complement(directions, directions[:0], 0.0)
    parts = []
    for _ in range(_START_STEPS):
        products = row_products(
            rows, newest, np.float32, with_squares=False, with_sums=False
        )
        parts.append(products.y)
        newest = orthonormal_complement(products.z, basis, 0.0)
        if len(parts) == _START_STEPS or len(newest) == 0:
            break
        basis = np.concatenate([basis, newest])
    y = np.concatenate(parts).astype(np.float64)
    gram = y @ y.T
    means = y.mean(axis=1)
    plain = np.linalg.eigh(gram)[1][:, -n_plain:]
    if n_centered == 0:
        return plain.T @ basis
    centered = np.linalg.eigh(gram - len(rows) * np.outer(means, means))[1]
    return np.concatenate([plain, centered[:, -n_centered:]], axis=1).T @ basis


def _leading_of_gram(gram: np.ndarray, n_plain: int, n_centered: int) -> np.ndarray:
    """Leading eigenvectors of a Gram matrix of rows and of its centred form, one a
    row."""
    m = len(gram)
    gram = gram.astype(np.float64)
    vectors = [_top_eigenvectors(gram, n_plain)]
    if n_centered > 0 and m > 1:
        means = gram.mean(axis=0)
        centered = gram - means - means[:, None] + means.mean()
        vectors.append(_top_eigenvectors(centered, n_centered))
    return np.concatenate(vectors, axis=1).T.astype(np.float32)


def _top_eigenvectors(gram: np.ndarray, n: int) -> np.ndarray:
    m = len(gram)
    return eigh(gram, subset_by_index=[max(m - n, 0), m - 1])[1]


def correction(
    operator: Operator,
    residual: np.ndarray,
    ritz_vectors: np.ndarray,
    *,
    accuracy: float,
) -> np.ndarray:
    """An approximate solution of the correction equation, by conjugate gradients.

    Args:
        operator: `v -> c S^T S v / theta`.
        residual: The residual, shape `(n_features,)`.
        ritz_vectors: Ritz vectors down to its own, orthonormal rows, shape
            `(i + 1, n_features)`.
        accuracy: Relative error of the sample, which the solution need not fall below.

    Returns:
        `theta t`, shape `(n_features,)`; the residual itself where the sample has a
        direction of larger value that the Ritz vectors do not span.
    """
    ritz_vectors = ritz_vectors.astype(np.float32)

    def project(v: np.ndarray) -> np.ndarray:
        return v - (ritz_vectors @ v) @ ritz_vectors

    length = float(np.linalg.norm(residual))
    if length == 0.0:
        return residual
    r = project((residual / length).astype(np.float32))
    found = np.zeros_like(r)
    p, squares = r, r @ r
    smallest = (_CORRECTION_TOLERANCE * accuracy) ** 2 * squares
    for _ in range(_CORRECTION_STEPS):
        product = p - project(operator(p))
        curvature = p @ product
        if not curvature > 0:
            break
        step = squares / curvature
        found = found + step * p
        r = r - step * product
        before, squares = squares, r @ r
        if squares <= smallest:
            break
        p = r + (squares / before) * p
    return length * found.astype(np.float64) if found.any() else residual
