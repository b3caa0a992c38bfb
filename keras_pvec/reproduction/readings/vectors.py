"""Stored P-vectors under another reading: column-centred, of fewer samples, shuffled.

`k` stored triplets are the best approximation of rank `k` of the features: `X = X_k +
E`, where the rows of `X_k` and `E` span orthogonal spaces. So `X X^T` is `X_k X_k^T +
E E^T`, for any choice or mixture of rows as well, with a second term of norm at most
`sigma_{k+1}^2`. Davis and Kahan (1970, the sin 2 theta theorem) then bound how far the
first singular vector of the approximation can be from that of the features.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_pvec.pvector import PVector


def centred(p: PVector) -> PVector | None:
    """The P-vector of the column-centred features.

    The first vector is the stored `centered_vector`. Others come from the stored
    approximation, orthogonal to the first, and have errors of their own.

    Returns:
        As many vectors as are stored; `None` if there is no column-centred one.
    """
    if p.centered_vector is None:
        return None
    first = p.centered_vector
    values = [
        math.nan if p.centered_singular_value is None else p.centered_singular_value
    ]
    vectors, errors = [first], [p.centered_error_deg]
    if p.k > 1:
        rest = _approximation(p)
        rest = rest - rest.mean(axis=0)
        rest = rest - np.outer(first, first @ rest)
        left, others, _ = np.linalg.svd(rest, full_matrices=False)
        vectors += [*left.T[: p.k - 1]]
        values += [*others]
        errors += _errors_deg(others, _discarded(p))[: p.k - 1]
    norm = p.centered_frobenius_norm
    return dataclasses.replace(
        p,
        vectors=np.stack(vectors, axis=1),
        singular_values=np.array(values),
        error_deg=np.array(errors),
        certified_error_deg=None,
        frobenius_norm=math.nan if norm is None else norm,
    )


def first_samples(p: PVector, n: int) -> PVector | None:
    """The P-vector of the first `n` samples, of the stored approximation.

    Args:
        p: A P-vector of at least `n` samples.
        n: How many.

    Returns:
        A P-vector, whose `error_deg` accounts for what the approximation leaves out;
        `None` if the features of these samples are zero.
    """
    if n == p.n_samples:
        return p
    x = _approximation(p)[:n]
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    if not values[0] > 0:
        return None
    row_norms = None if p.row_norms is None else p.row_norms[:n]
    norm = np.linalg.norm(values if row_norms is None else row_norms)
    centred_left, centred_values, _ = np.linalg.svd(
        x - x.mean(axis=0), full_matrices=False
    )
    discarded = _discarded(p)
    return dataclasses.replace(
        p,
        vectors=_with_signs(left),
        singular_values=values,
        error_deg=np.minimum(
            p.error_deg[: len(values)] + _errors_deg(values, discarded), 90.0
        ),
        certified_error_deg=None,
        frobenius_norm=float(norm),
        row_norms=row_norms,
        centered_vector=_with_signs(centred_left)[:, 0],
        centered_error_deg=_errors_deg(centred_values, discarded)[0],
        centered_singular_value=float(centred_values[0]),
        centered_frobenius_norm=None,
        samples_sha256=fingerprint_of_first(p.samples_sha256, n),
    )


def fingerprint_of_first(sha256: str | None, n: int) -> str | None:
    """Fingerprint of the first `n` of the samples of a fingerprint."""
    return None if sha256 is None else f"{sha256}[:{n}]"


def shuffled(p: PVector, seed: list[int]) -> PVector:
    """The P-vector of the features with their rows in another order."""
    order = np.random.default_rng(seed).permutation(p.n_samples)
    centred_vector, row_norms = p.centered_vector, p.row_norms
    return dataclasses.replace(
        p,
        vectors=p.vectors[order],
        centered_vector=None if centred_vector is None else centred_vector[order],
        row_norms=None if row_norms is None else row_norms[order],
    )


def _approximation(p: PVector) -> np.ndarray:
    """`X_k` up to a rotation of feature space, shape `(n_samples, k)`."""
    return p.vectors * p.singular_values[: p.k]


def _discarded(p: PVector) -> float:
    """`sigma_{k+1}`, the norm of what the approximation leaves out; `NaN` if it is not
    known."""
    if p.singular_values.size > p.k:
        return float(p.singular_values[p.k])
    return 0.0 if p.k >= min(p.n_features, p.n_samples) else math.nan


def _errors_deg(values: np.ndarray, discarded: float) -> list[float]:
    """Bounds on the angles of singular vectors of an approximation to those of the
    whole, in degrees; 90 where there is none.

    Args:
        values: Singular values of the approximation, largest first.
        discarded: Norm of what it leaves out.
    """
    squares = np.append(values**2, 0.0)
    gaps = squares[:-1] - squares[1:]
    gaps[1:] = np.minimum(gaps[1:], gaps[:-1])
    errors = []
    for gap in gaps:
        ratio = 2 * discarded**2 / gap if gap > 0 else math.inf
        bound = 0.5 * math.degrees(math.asin(ratio)) if ratio < 1 else 90.0
        errors.append(bound)
    return errors


def _with_signs(vectors: np.ndarray) -> np.ndarray:
    """The columns with the sign that makes their sum positive."""
    return vectors * np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)
