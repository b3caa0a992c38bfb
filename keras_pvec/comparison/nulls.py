"""The permutation null: angles without any agreement between the samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# 95% of a normal distribution lie within this many standard deviations.
_BAND_STD = 1.96


def permutation_cosine_moments(
    cos_ones: Any, cos_ones_reference: Any, n_samples: Any
) -> tuple[Any, Any]:
    """Mean and standard deviation of `u.v` under the permutation null.

    The null permutes the samples of one side uniformly at random. With `a`, `b` the
    cosines of `u`, `v` to the constant vector, the mean is `a b` and the variance
    `(1 - a^2) (1 - b^2) / (n - 1)`.

    Args:
        cos_ones: `a`, a number or an array.
        cos_ones_reference: `b`, likewise.
        n_samples: `n`, likewise.

    Returns:
        Mean and standard deviation: floats, or arrays if any argument is one.
    """
    a, b = np.asarray(cos_ones, float), np.asarray(cos_ones_reference, float)
    variance = np.maximum(1 - a**2, 0) * np.maximum(1 - b**2, 0)
    std = np.sqrt(variance / (np.asarray(n_samples, float) - 1))
    if np.ndim(std) == 0:
        return float(a * b), float(std)
    return a * b, std


def permutation_band_deg(
    cos_ones: Any, cos_ones_reference: Any, n_samples: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The band that holds 95% of the angles under the permutation null.

    Args:
        cos_ones: As in `permutation_cosine_moments`.
        cos_ones_reference: Likewise.
        n_samples: Likewise.

    Returns:
        The lower and the upper edge, in degrees, arrays of the shape of the arguments.
    """
    mean, std = permutation_cosine_moments(cos_ones, cos_ones_reference, n_samples)
    low, high = (
        np.degrees(np.arccos(np.clip(np.abs(mean) + s * _BAND_STD * std, 0, 1)))
        for s in (1, -1)
    )
    return low, high


def null_angle_deg(null_cosine: float) -> float:
    """The angle that belongs to the mean cosine of a null, in degrees."""
    return math.degrees(math.acos(min(abs(null_cosine), 1.0)))
