"""Errors of singular vectors: residual over gap, and what the gap rests on.

A Ritz vector of `X^T X` with value `theta` and residual `r` makes an angle of at most
`asin(||r|| / gap)` with the eigenvector, where `gap` is the distance of `theta` to all
other eigenvalues (Davis and Kahan 1970; Parlett, "The Symmetric Eigenvalue Problem",
11.7). Residuals are computed; the gap needs an upper bound on the next eigenvalue:

- *Certified*: by the Cauchy interlacing theorem each of the largest eigenvalues is at
  least its Ritz value, and all of them sum to `||X||_F^2`. Hence none exceeds its Ritz
  value by more than the energy that the Ritz values leave over.
- *Estimated*: the next eigenvalue is taken to be at most its Ritz value plus residual.
  This holds if the basis spans the leading directions, which nothing proves.

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
class AngleErrors:
    """Errors of the left singular vectors of the `k` largest Ritz pairs, in degrees.

    Attributes:
        estimated_deg: Estimates, shape `(k,)`; 90 where a vector is not determined.
        certified_deg: Bounds that hold whatever the basis spans, shape `(k,)`.
        last_at_apparent_gap_deg: Error of the last vector if the next eigenvalue were
            equal to its Ritz value.
        gaps_are_bounded: Whether every estimate has a gap above zero, or the basis is
            assumed to span the leading directions.
    """

    estimated_deg: np.ndarray
    certified_deg: np.ndarray
    last_at_apparent_gap_deg: float
    gaps_are_bounded: bool


def angle_errors(
    values: np.ndarray,
    norms: np.ndarray,
    energy: float,
    k: int,
    *,
    rounding: float,
    spans_leading: bool,
) -> AngleErrors:
    """Errors of the left singular vectors that belong to Ritz pairs of `X^T X`.

    Args:
        values: Ritz values, largest first, shape `(m,)`.
        norms: Norms of the residuals of the first pairs, rounding included, shape
            `(r,)` with `r >= k`.
        energy: `||X||_F^2`, the sum of all eigenvalues.
        k: How many pairs are wanted.
        rounding: Relative error of the products.
        spans_leading: Whether to assume that the basis spans the leading directions.
    """
    k = min(k, values.size)
    gaps = [
        min(
            values[i] - _next_estimated(values, norms, energy, i, spans_leading),
            _distance_above(values, norms, i),
        )
        for i in range(k)
    ]
    growths = [math.sqrt(values[0] / values[i]) if values[i] else 1.0 for i in range(k)]
    below = values[k] if k < values.size else 0.0
    return AngleErrors(
        estimated_deg=np.array(
            [_left_error_deg(norms[i], gaps[i], growths[i], rounding) for i in range(k)]
        ),
        certified_deg=np.array(
            [_certified_deg(values, norms, energy, i, rounding) for i in range(k)]
        ),
        last_at_apparent_gap_deg=_left_error_deg(
            norms[k - 1], values[k - 1] - below, growths[-1], rounding
        ),
        gaps_are_bounded=spans_leading or all(gap > 0 for gap in gaps),
    )


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


def n_determined(values: np.ndarray, estimated_deg: np.ndarray, rounding: float) -> int:
    """How many of the wanted vectors are more than rounding errors; at least one.

    Args:
        values: Ritz values, largest first.
        estimated_deg: Errors of the wanted vectors, shape `(k,)`.
        rounding: Relative error of the products.
    """
    known = estimated_deg < _UNDETERMINED_DEG
    known |= values[: len(known)] > 4 * rounding * values[0]
    return max(int(np.argmin(np.append(known, False))), 1)


def _next_estimated(
    values: np.ndarray, norms: np.ndarray, energy: float, i: int, spans_leading: bool
) -> float:
    """Estimate from above of the eigenvalue that follows number `i`.

    It is at most the energy that the values down to number `i` leave over. If the basis
    spans the leading directions, it is also at most its Ritz value plus residual, once
    the residual is that of a single pair.
    """
    following = max(energy - float(values[: i + 1].sum()), 0.0)
    j = i + 1
    if spans_leading and j < norms.size and norms[j] <= _SINGLE_PAIR * values[j]:
        following = min(following, float(values[j] + norms[j]))
    return following


def _distance_above(values: np.ndarray, norms: np.ndarray, i: int) -> float:
    """Distance of value `i` to the eigenvalue before it; infinite for the first."""
    if i == 0:
        return math.inf
    return float(values[i - 1] - norms[i - 1] - values[i])


def _certified_deg(
    values: np.ndarray, norms: np.ndarray, energy: float, i: int, rounding: float
) -> float:
    unaccounted = max(energy - float(values.sum()), 0.0) + rounding * energy
    following = values[i + 1] if i + 1 < values.size else 0.0
    gap = values[i] - following - unaccounted
    if i > 0:
        gap = min(gap, values[i - 1] - values[i] - rounding * energy)
    growth = 1.0
    if i > 0 and values[i] > 0:
        growth = math.sqrt((values[0] + unaccounted) / values[i])
    return _left_error_deg(norms[i], gap, growth, rounding)


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
