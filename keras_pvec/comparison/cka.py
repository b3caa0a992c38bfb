"""Linear centred kernel alignment (CKA) of two feature matrices.

CKA depends on the whole spectrum of the mean-centred features. Stored P-vectors do not
suffice: a truncated uncentred decomposition loses what the large constant component
hides. Therefore these functions take the features themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_pvec.input_checks import check_convertible, check_finite

# The unbiased estimate divides by n (n - 3).
_FEWEST_ROWS = 4


def linear_cka(x: Any, y: Any, *, unbiased: bool = False) -> float:
    """Linear CKA of two feature matrices.

    `||X^T Y||_F^2 / (||X^T X||_F ||Y^T Y||_F)` of the mean-centred features (Kornblith
    et al. 2019, arXiv 1905.00414, section 3).

    Args:
        x: Array of shape `(n_samples, ...)`, each sample flattened to a row.
        y: Features of the same samples; the number of features may differ.
        unbiased: Uses the unbiased estimate of the Hilbert-Schmidt independence
            criterion (Song et al. 2012, Journal of Machine Learning Research 13,
            theorem 5). The plain formula is biased upwards where there are more
            features than samples.

    Returns:
        1 for features that are equal up to rotation and scale. The plain formula is in
        [0, 1]; the unbiased estimate has mean 0 for independent features and can be
        slightly negative. NaN if either matrix is constant over the samples.

    Raises:
        ValueError: Different numbers of samples, or fewer than two (four for the
            unbiased estimate); features that are masked, complex, NaN or infinite.

    Example:

    ```python
    kp.linear_cka(features, other_features)
    ```
    """
    x, y = _rows(x), _rows(y)
    _check_rows(x, y, _FEWEST_ROWS if unbiased else 2)
    if unbiased:
        return _alignment(*_unbiased_criteria(x, y))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    n_features = max(x.shape[1], y.shape[1])
    if n_features > len(x):  # n x n products are smaller
        k, m = x @ x.T, y @ y.T
        return _alignment(np.sum(k * m), np.sum(k * k), np.sum(m * m))
    cross = np.sum((x.T @ y) ** 2)
    return _alignment(cross, np.sum((x.T @ x) ** 2), np.sum((y.T @ y) ** 2))


def minibatch_cka(blocks: Iterable[tuple[Any, Any]]) -> float:
    """Linear CKA of features that are too large to hold, from blocks of samples.

    The unbiased criteria of `linear_cka` are averaged over the blocks (Nguyen et al.
    2021, arXiv 2010.15327, section 2), so the result does not depend on the block size
    except for its variance.

    Args:
        blocks: Pairs of arrays of shape `(rows, ...)` with the features of the same
            samples, at least four rows in each.

    Returns:
        The estimate, as from `linear_cka` with `unbiased=True`.

    Raises:
        ValueError: No block, or a block with fewer than four samples or with different
            numbers of samples.
    """
    totals = np.zeros(3)
    n_blocks = 0
    for x, y in blocks:
        x, y = _rows(x), _rows(y)
        _check_rows(x, y, _FEWEST_ROWS)
        totals += _unbiased_criteria(x, y)
        n_blocks += 1
    if n_blocks == 0:
        raise ValueError("`blocks` is empty. Expected pairs of feature arrays.")
    return _alignment(*totals)


def _rows(x: Any) -> np.ndarray:
    check_convertible(x, "A feature matrix")
    x = np.asarray(x, np.float64)
    check_finite(np.atleast_1d(x), "A feature matrix")
    return x.reshape(len(x), -1) if x.ndim else x.reshape(0, 0)


def _check_rows(x: np.ndarray, y: np.ndarray, fewest: int) -> None:
    if len(x) != len(y) or len(x) < fewest:
        raise ValueError(
            f"CKA needs the features of the same samples, at least {fewest}. Received: "
            f"{len(x)} and {len(y)} samples."
        )


def _unbiased_criteria(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Unbiased estimates of the criterion of `x` and `y`, `x` and `x`, `y` and `y`."""
    # In exact arithmetic centring changes no estimate; in floating point it adds
    # accuracy.
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(m, 0.0)
    return _unbiased(k, m), _unbiased(k, k), _unbiased(m, m)


def _unbiased(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, equation 5; `k` and `m` have a zero diagonal."""
    n = len(k)
    of_k, of_m = k.sum(axis=0), m.sum(axis=0)
    total = np.sum(k * m) + of_k.sum() * of_m.sum() / ((n - 1) * (n - 2))
    return float(total - 2 / (n - 2) * (of_k @ of_m)) / (n * (n - 3))


def _alignment(cross: float, of_x: float, of_y: float) -> float:
    if not (of_x > 0 and of_y > 0):
        return math.nan
    return float(cross / math.sqrt(of_x) / math.sqrt(of_y))
