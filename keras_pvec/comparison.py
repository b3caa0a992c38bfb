"""Angles between P-vectors, what chance alone would give, and how far to trust them.

Angles are in degrees: 0 = the same, 90 = unrelated. Nothing here needs TensorFlow, nor
the features: all comes from what P-vectors hold.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from keras_pvec.pvector import PVector

# A centred vector known no better than this is left out of comparisons.
_CENTERED_MAX_ERROR_DEG = 1.0
# How many of the samples a detailed comparison leaves out.
_INFLUENTIAL_SHARE = 0.01
_SAME_DEG = 1e-4


class SampleMismatchError(ValueError):
    """Two P-vectors were taken on different samples, or in a different order."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The angle between two P-vectors, and what is needed to judge it.

    The fields are those of a row of `log.csv`; quantities of one matrix are those of
    the first P-vector. A field is `None` where it does not apply.

    Attributes:
        n_samples: Number of samples.
        n_features: Number of features.
        angle_deg: Angle between the P-vectors: 0 = the same, 90 = unrelated.
        angle_error_deg: Estimated numerical error of `angle_deg`: the sum of the
            `error_deg` of both P-vectors.
        centered_angle_deg: Angle between the vectors of the column-centred matrices.
            `None` where one of them is not determined to within a degree.
        null_angle_deg: Angle of the mean cosine when the samples of one side are put
            into random order: what the two leanings to the constant vector explain.
        z: How many standard deviations of that null the size of the cosine lies above
            that of the mean, which is `sqrt(n-1) * pearson(u, v)` where both vectors
            lean to the same side. Below 3 or so the angle shows nothing; negative, it
            is larger than by chance.
        cos_ones: Cosine of the P-vector to the constant vector.
        cos_ones_reference: The same for the other one.
        sigma1: Largest singular value.
        sigma2_over_sigma1: Near 1 the P-vector is ambiguous.
        energy1: Share of the squared Frobenius norm in the first direction.
        participation: How many samples carry the vector.
    """

    n_samples: int
    n_features: int
    angle_deg: float | None
    angle_error_deg: float
    centered_angle_deg: float | None
    null_angle_deg: float | None
    z: float | None
    cos_ones: float
    cos_ones_reference: float | None
    sigma1: float
    sigma2_over_sigma1: float
    energy1: float
    participation: float


@dataclasses.dataclass(frozen=True)
class DetailedComparison(Comparison):
    """A comparison with the samples that decide it and other measures beside it.

    All of it comes from the `k` vectors that are stored, that is, from the best
    approximation of rank `k` of either feature matrix. `stored_energy` says how much of
    them that is; what is left out may change these numbers.

    Attributes:
        trimmed_angle_deg: The angle without the most influential samples: P-vectors of
            the rows that remain.
        trimmed_null_angle_deg: Its null, as `null_angle_deg`.
        influential_samples: The 1% of the samples, at least one, whose entries in the
            two P-vectors decide the angle: without them, each by itself, it would
            change the most. Indices into the samples, the first one the most; none if
            the angle is zero.
        row_normalised_angle_deg: The angle after each sample's features are scaled to
            unit length, so that no sample counts for more than another. `None` for
            P-vectors stored without `row_norms`.
        row_normalised_null_angle_deg: Its null, as `null_angle_deg`: such features lean
            to the constant vector the more.
        linear_cka: See `linear_cka`; 1 = the same.
        principal_angles_deg: Between the spans of all stored vectors, smallest first.
        stored_energy: Share of `||X||_F^2` in the stored vectors, of the side with
            less.
    """

    trimmed_angle_deg: float | None
    trimmed_null_angle_deg: float | None
    influential_samples: tuple[int, ...]
    row_normalised_angle_deg: float | None
    row_normalised_null_angle_deg: float | None
    linear_cka: float
    principal_angles_deg: tuple[float, ...]
    stored_energy: float


def angle(p: PVector, q: PVector) -> float:
    """Angle between two P-vectors in degrees: 0 = the same, 90 = unrelated.

    Accurate down to rounding also for tiny angles, where `arccos` is not (Kahan,
    "How futile are mindless assessments of roundoff", 2006, section 12).

    Raises:
        SampleMismatchError: P-vectors of different samples, or samples in another
            order.
    """
    _check_comparable(p, q)
    return _vector_angle_deg(p.vector, q.vector)


def principal_angles(p: PVector, q: PVector) -> np.ndarray:
    """Principal angles between the spans of the top-k left singular vectors.

    Returns:
        Angles in degrees, smallest first, shape `(min(p.k, q.k),)`.

    Raises:
        SampleMismatchError: As `angle`.
    """
    from scipy.linalg import subspace_angles

    _check_comparable(p, q)
    return np.degrees(np.sort(subspace_angles(p.vectors, q.vectors)))


def compare(p: PVector, q: PVector) -> Comparison:
    """The angle between two P-vectors with its null and the other statistics.

    Args:
        p: A P-vector.
        q: Another one, of the same samples.

    Raises:
        SampleMismatchError: As `angle`.
    """
    _check_comparable(p, q)
    null_cosine, null_std = null_cosine_moments(p.cos_ones, q.cos_ones, p.n_samples)
    cosine = float(p.vector @ q.vector)
    centered_angle = None
    if _has_centered(p) and _has_centered(q):
        centered_angle = _vector_angle_deg(p.centered_vector, q.centered_vector)
    return dataclasses.replace(
        describe(p),
        angle_deg=_vector_angle_deg(p.vector, q.vector),
        angle_error_deg=float(min(p.error_deg[0] + q.error_deg[0], 90.0)),
        centered_angle_deg=centered_angle,
        null_angle_deg=math.degrees(math.acos(min(abs(null_cosine), 1.0))),
        # A constant vector is the same in every order: its null has no spread.
        z=(abs(cosine) - abs(null_cosine)) / null_std if null_std > 1e-12 else None,
        cos_ones_reference=q.cos_ones,
    )


def compare_in_detail(p: PVector, q: PVector) -> DetailedComparison:
    """As `compare`, with the samples that decide the angle and other measures.

    Args:
        p: A P-vector.
        q: Another one, of the same samples.

    Raises:
        SampleMismatchError: As `angle`.
    """
    comparison = compare(p, q)
    influential = _most_influential(p.vector, q.vector)
    others = np.ones(p.n_samples)
    others[influential] = 0.0
    trimmed = (_reweighted(side, others) for side in (p, q))
    trimmed_angle, trimmed_null = _angle_and_null_deg(*trimmed)
    normalised = (_reweighted(side, _reciprocal(side.row_norms)) for side in (p, q))
    normalised_angle, normalised_null = _angle_and_null_deg(*normalised)
    return DetailedComparison(
        **dataclasses.asdict(comparison),
        trimmed_angle_deg=trimmed_angle,
        trimmed_null_angle_deg=trimmed_null,
        influential_samples=tuple(influential.tolist()),
        row_normalised_angle_deg=normalised_angle,
        row_normalised_null_angle_deg=normalised_null,
        linear_cka=linear_cka(p, q),
        principal_angles_deg=tuple(principal_angles(p, q).tolist()),
        stored_energy=min(_stored_energy(p), _stored_energy(q)),
    )


def describe(p: PVector) -> Comparison:
    """The statistics of one P-vector that need no reference."""
    return Comparison(
        n_samples=p.n_samples,
        n_features=p.n_features,
        angle_deg=None,
        angle_error_deg=float(p.error_deg[0]),
        centered_angle_deg=None,
        null_angle_deg=None,
        z=None,
        cos_ones=p.cos_ones,
        cos_ones_reference=None,
        sigma1=p.sigma1,
        sigma2_over_sigma1=p.sigma2_over_sigma1,
        energy1=p.energy1,
        participation=p.participation,
    )


def null_cosine_moments(
    cos_ones: Any, cos_ones_reference: Any, n_samples: Any
) -> tuple[Any, Any]:
    """Mean and standard deviation of `u.v` under a random order of the samples.

    With `a`, `b` the cosines of `u`, `v` to the constant vector, the mean is `a b` and
    the variance `(1 - a^2) (1 - b^2) / (n - 1)`. Works on numbers and on arrays.
    """
    a, b = np.asarray(cos_ones, float), np.asarray(cos_ones_reference, float)
    variance = np.maximum(1 - a**2, 0) * np.maximum(1 - b**2, 0)
    std = np.sqrt(variance / (np.asarray(n_samples, float) - 1))
    if np.ndim(std) == 0:
        return float(a * b), float(std)
    return a * b, std


def _has_centered(p: PVector) -> bool:
    return (
        p.centered_vector is not None
        and p.centered_error_deg <= _CENTERED_MAX_ERROR_DEG
    )


def _vector_angle_deg(u: np.ndarray, v: np.ndarray) -> float:
    if u @ v < 0:
        v = -v
    return math.degrees(
        2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v)))
    )


def linear_cka(p: PVector, q: PVector) -> float:
    """Linear centred kernel alignment, as far as the stored vectors tell.

    `||X^T Y||_F^2 / (||X^T X||_F ||Y^T Y||_F)` of the column-centred features
    (Kornblith et al. 2019, arXiv 1905.00414, section 3), with `X` and `Y` replaced by
    their best approximations of the ranks that were stored (`k`). Exact where these
    hold all of the features.

    Returns:
        From 0 (unrelated) to 1 (the same up to rotation and scale); NaN where the
        stored part of one side does not vary over the samples.

    Raises:
        SampleMismatchError: As `angle`.
    """
    _check_comparable(p, q)
    x, y = (_stored_features(side) for side in (p, q))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    scale = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    tiny = np.finfo(float).eps
    return float(np.sum((x.T @ y) ** 2) / scale) if scale > tiny else math.nan


def _stored_features(p: PVector) -> np.ndarray:
    """The features, up to a rotation and their scale, in the best approximation that is
    stored: shape `(n_samples, k)`."""
    return p.vectors * (p.singular_values[: p.k] / p.sigma1)


def _stored_energy(p: PVector) -> float:
    held = float(np.sum((p.singular_values[: p.k] / p.frobenius_norm) ** 2))
    return min(held, 1.0)


def _most_influential(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Those 1% of the samples whose absence from two unit vectors, each by itself,
    would change their angle the most; the first one the most. None where the vectors
    are the same, so that all that could tell samples apart is rounding."""
    if _vector_angle_deg(u, v) < _SAME_DEG:
        return np.array([], dtype=int)
    rest = np.maximum((1 - u**2) * (1 - v**2), np.finfo(float).tiny)
    without = np.minimum(np.abs(u @ v - u * v) / np.sqrt(rest), 1)
    change = np.abs(np.arccos(without) - math.acos(min(abs(float(u @ v)), 1.0)))
    n = math.ceil(_INFLUENTIAL_SHARE * len(u))
    return np.argsort(-change, kind="stable")[:n]


def _reciprocal(norms: np.ndarray | None) -> np.ndarray | None:
    """What rows are to be multiplied by for unit length; rows of zeros stay."""
    if norms is None:
        return None
    relative = norms / norms.max()
    return np.divide(1.0, relative, out=np.zeros(len(norms)), where=relative > 0)


def _reweighted(p: PVector, weights: np.ndarray | None) -> np.ndarray | None:
    """The P-vector after each sample's features are multiplied by a weight; `None` if
    nothing is left, or the weights are not known."""
    if weights is None:
        return None
    x = weights[:, None] * _stored_features(p)
    left = x @ np.linalg.eigh(x.T @ x)[1][:, -1]
    length = np.linalg.norm(left)
    return left / length if length > 0 else None


def _angle_and_null_deg(
    u: np.ndarray | None, v: np.ndarray | None
) -> tuple[float | None, float | None]:
    """Angle between two unit vectors, and the one that random orders give."""
    if u is None or v is None:
        return None, None
    leaning = abs(u.mean() * v.mean()) * len(u)
    return _vector_angle_deg(u, v), math.degrees(math.acos(min(leaning, 1.0)))


def _check_comparable(p: PVector, q: PVector) -> None:
    for name, value in (("first", p), ("second", q)):
        if not isinstance(value, PVector):
            raise TypeError(
                f"Expected a PVector as the {name} argument; make one with "
                f"kp.p_vector(features). Received: {type(value).__name__}"
            )
    known = p.samples_sha256 is not None and q.samples_sha256 is not None
    if (known and p.samples_sha256 != q.samples_sha256) or p.n_samples != q.n_samples:
        raise SampleMismatchError(
            "P-vectors compare only on the same samples in the same order. Received: "
            f"{_describe_samples(p)} and {_describe_samples(q)}."
        )


def _describe_samples(p: PVector) -> str:
    name = p.samples_name or "unnamed samples"
    digest = "no fingerprint" if p.samples_sha256 is None else p.samples_sha256[:12]
    return f"{name!r} ({p.n_samples} samples, {digest})"
