"""Rayleigh-Ritz approximations: eigenpairs of `X^T X` within a basis."""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_pvec.solver.basis import Basis
from keras_pvec.solver.bounds import ErrorEstimates, estimate_errors
from keras_pvec.solver.passes import Centering


@dataclasses.dataclass(frozen=True, eq=False)
class RitzPairs:
    """Approximate eigenpairs of `X^T X`, or of its centred form, within a basis.

    Attributes:
        values: Ritz values, largest first, shape `(m,)`.
        coefficients: Ritz vectors in terms of the basis, one a column, shape `(m, m)`.
        residuals: Residuals of the first pairs, one a row, shape `(r, n_features)`.
        norms: Norms of these, with what rounding may add, shape `(r,)`.
        errors: Estimated errors of the wanted left singular vectors.
    """

    values: np.ndarray
    coefficients: np.ndarray
    residuals: np.ndarray
    norms: np.ndarray
    errors: ErrorEstimates

    def is_open(self, tolerance_deg: float) -> np.ndarray:
        """Which of the wanted vectors are not accurate enough, shape `(k,)`."""
        return self.errors.deg > tolerance_deg


def ritz_pairs(
    basis: Basis,
    energy: float,
    k: int,
    *,
    n_residuals: int,
    rounding: float,
    spans_leading: bool,
    centering: Centering | None = None,
) -> RitzPairs:
    """Ritz pairs of `X^T X`, or of the centred form.

    Args:
        basis: The basis.
        energy: `||X||_F^2`, of the matrix itself.
        k: How many left singular vectors are wanted.
        n_residuals: How many residuals to compute; at least `k + 1` are computed, and
            at most one per pair.
        rounding: Relative error of the products.
        spans_leading: Whether to assume that the basis spans the leading directions.
        centering: For pairs of the centred matrix, where `X^T X - n mean mean^T` takes
            the place of `X^T X`.
    """
    gram = basis.gram
    if centering is not None:
        mean_in_basis = basis.v @ centering.mean
        gram = gram - centering.n_rows * np.outer(mean_in_basis, mean_in_basis)
    values, coefficients = np.linalg.eigh(gram)
    values, coefficients = np.maximum(values[::-1], 0.0), coefficients[:, ::-1]
    m = min(max(k + 1, n_residuals), values.size)
    leading = coefficients[:, :m]
    combine = leading.T
    residuals = combine @ basis.z - values[:m, None] * (combine @ basis.v)
    if centering is not None:
        residuals = residuals - centering.n_rows * np.outer(
            mean_in_basis @ leading, centering.mean
        )
    # A residual is only known up to its own rounding errors.
    norms = np.linalg.norm(residuals, axis=1) + rounding * values[0]
    if centering is not None:
        # Rounding errors are those of the products that the means are subtracted from.
        norms, energy = norms + rounding * energy, centering.energy
    errors = estimate_errors(
        values, norms, energy, k, rounding=rounding, spans_leading=spans_leading
    )
    return RitzPairs(values, coefficients, residuals, norms, errors)
