"""Errors of singular vectors: residual over gap, and how the gap is bounded.

A Ritz vector of `X^T X` with value `theta` and residual `r` makes an angle of at most
`asin(||r|| / gap)` with the eigenvector, where `gap` is the distance of `theta` to all
other eigenvalues (Davis and Kahan 1970; Parlett, "The Symmetric Eigenvalue Problem",
11.7). Residuals are computed; the gap needs an upper bound on the next eigenvalue:

- *Certified*: by the Cauchy interlacing theorem each of the largest eigenvalues is at
  least its Ritz value, and all of them sum to `||X||_F^2`. Hence none exceeds its Ritz
  value by more than the energy that the Ritz values do not account for.
- *Estimated*: the next eigenvalue is taken to be at most its Ritz value plus residual.
  This holds if the basis spans the leading directions, which is not proven.

Both include the rounding errors as modelled by `Precision.rounding`.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

# A residual of at most this share of the value belongs to a single eigenpair, not to a
# mixture of many.
_SINGLE_PAIR = 0.5
_UNDETERMINED_DEG = 90.0


@dataclasses.dataclass(frozen=True, eq=False)
class ErrorEstimates:
    """Estimated errors of the left singular vectors of the `k` largest Ritz pairs.

    Attributes:
        deg: The estimates in degrees, shape `(k,)`; 90 where a vector is not
            determined.
        last_at_apparent_gap_deg: Error of the last vector if the next eigenvalue were
            equal to its Ritz value.
        gaps_are_bounded: Whether every estimate has a gap above zero, or the basis is
            assumed to span the leading directions.
    """

    deg: np.ndarray
    last_at_apparent_gap_deg: float
    gaps_are_bounded: bool


def estimate_errors(
    values: np.ndarray,
    norms: np.ndarray,
    energy: float,
    k: int,
    *,
    rounding: float,
    spans_leading: bool,
) -> ErrorEstimates:
    """Estimates the errors of left singular vectors from Ritz pairs of `X^T X`.

    Args:
        values: Ritz values, largest first, shape `(m,)`.
        norms: Norms of the residuals of the first pairs, rounding included, shape
            `(r,)` with `r >= min(k, m)`.
        energy: `||X||_F^2`, the sum of all eigenvalues.
        k: How many pairs are wanted; with fewer values, all of them.
        rounding: Relative error of the products.
        spans_leading: Whether to assume that the basis spans the leading directions.
            Without this assumption the estimates are upper bounds for `k=1`.
    """
    k = min(k, values.size)
    gaps = []
    for i in range(k):
        following = _following_estimated(values, norms, energy, i, spans_leading)
        gap = float(values[i]) - following
        if i > 0:
            gap = min(gap, float(values[i - 1] - norms[i - 1] - values[i]))
        gaps.append(gap)
    growths = [_growth(values[0], values[i]) for i in range(k)]
    errors = [
        _left_error_deg(norms[i], gaps[i], growths[i], rounding) for i in range(k)
    ]
    apparent_gap = float(values[k - 1] - (values[k] if k < values.size else 0.0))
    return ErrorEstimates(
        np.array(errors),
        _left_error_deg(norms[k - 1], apparent_gap, growths[-1], rounding),
        spans_leading or all(gap > 0 for gap in gaps),
    )


def certify_errors(
    values: np.ndarray, norms: np.ndarray, energy: float, k: int, *, rounding: float
) -> np.ndarray:
    """Upper bounds on the same errors that hold whatever the basis spans.

    Args:
        values: As in `estimate_errors`.
        norms: As in `estimate_errors`.
        energy: As in `estimate_errors`.
        k: As in `estimate_errors`.
        rounding: As in `estimate_errors`.

    Returns:
        The bounds in degrees, shape `(k,)`; 90 where nothing is proven.
    """
    errors = []
    # How far an eigenvalue can be above its Ritz value.
    excess = max(energy - float(values.sum()), 0.0) + rounding * energy
    for i in range(min(k, values.size)):
        following = float(values[i + 1]) if i + 1 < values.size else 0.0
        gap = float(values[i]) - following - excess
        growth = 1.0
        if i > 0:
            gap = min(gap, float(values[i - 1] - values[i]) - rounding * energy)
            growth = _growth(values[0] + excess, values[i])
        errors.append(_left_error_deg(norms[i], gap, growth, rounding))
    return np.array(errors)


def svd_error_deg(singular_values: np.ndarray, i: int) -> float:
    """Wedin's bound on the error of a singular vector from a backward stable SVD.

    Args:
        singular_values: All singular values, largest first.
        i: Index of the vector.

    Returns:
        The bound in degrees, for a backward error of `size * eps * sigma_1`.
    """
    neighbours = np.delete(singular_values, i)
    gap = np.abs(neighbours - singular_values[i]).min(initial=singular_values[i])
    eps = np.finfo(np.float64).eps
    rounding = singular_values.size * eps * singular_values[0]
    if rounding >= gap:
        return _UNDETERMINED_DEG
    return math.degrees(math.asin(rounding / gap))


def n_determined(values: np.ndarray, errors_deg: np.ndarray, rounding: float) -> int:
    """How many of the wanted vectors are more than rounding errors; at least one.

    Args:
        values: Ritz values, largest first.
        errors_deg: Errors of the wanted vectors, shape `(k,)`.
        rounding: Relative error of the products.

    Returns:
        The number of vectors, from 1 to `k`.
    """
    determined = errors_deg < _UNDETERMINED_DEG
    determined |= values[: len(determined)] > 4 * rounding * values[0]
    return max(int(np.argmin(np.append(determined, False))), 1)


def _following_estimated(
    values: np.ndarray, norms: np.ndarray, energy: float, i: int, spans_leading: bool
) -> float:
    """Upper estimate of the eigenvalue that follows number `i`.

    It is at most the energy that the values down to number `i` do not account for. If
    the basis spans the leading directions, it is also at most its Ritz value plus
    residual, once the residual is that of a single pair.
    """
    following = max(energy - float(values[: i + 1].sum()), 0.0)
    j = i + 1
    if spans_leading and j < norms.size and norms[j] <= _SINGLE_PAIR * values[j]:
        following = min(following, float(values[j] + norms[j]))
    return following


def _growth(largest: float, value: float) -> float:
    """Factor by which an error can grow on the way to the left side."""
    return math.sqrt(largest / value) if value > 0 else 1.0


def _left_error_deg(norm: float, gap: float, growth: float, rounding: float) -> float:
    """Angle of a left singular vector from the residual and gap of the right one.

    `X` maps the error of the right vector to the left side, where it grows by
    `sigma_j / sigma_i` in every other direction `j`: at most by `growth`, and not at
    all for the first vector. The rounding of the product itself grows by as much.
    """
    if gap <= 0 or norm >= gap:
        return _UNDETERMINED_DEG
    angle = math.atan(growth * math.tan(math.asin(norm / gap)))
    return min(math.degrees(angle + growth * rounding), _UNDETERMINED_DEG)
