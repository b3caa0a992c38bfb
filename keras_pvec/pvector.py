"""P-vectors, the angles between them, and what chance alone would give.

A P-vector is the top left singular vector of a feature matrix `X` of shape
`(n_samples, n_features)` that is *not* centred: one entry per sample, unit norm,
defined up to sign (Liu et al. 2022, "Exploring the common principal subspace of deep
features in neural networks", doi 10.1007/s10994-021-06076-6).

Angles are in degrees: 0 = the same, 90 = unrelated.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from keras_pvec.linalg import SingularTriplets
    from keras_pvec.samples import SampleSet

# A centred vector known no better than this is left out of comparisons.
_CENTERED_MAX_ERROR_DEG = 1.0


class AmbiguousPVectorWarning(UserWarning):
    """The top singular value is not separated from the next: any vector of a plane
    would do as well."""


class SampleMismatchError(ValueError):
    """Two P-vectors were taken on different samples, or in a different order."""


@dataclasses.dataclass(frozen=True, eq=False)
class PVector:
    """The top left singular vector of a feature matrix, and what goes with it.

    Attributes:
        vectors: The top-k left singular vectors, shape `(n_samples, k)`, float64,
            unit columns. The sign is fixed so that a column's entries sum to at
            least zero.
        singular_values: Singular values, largest first: `k` and, where there is one,
            the next; in the units of the features.
        error_deg: Bound on the angular error of each column, degrees, shape `(k,)`.
        frobenius_norm: `||X||_F`, in the units of the features.
        n_features: Number of columns of `X`.
        row_norms: Norm of each sample's features, in their units, shape
            `(n_samples,)`; `None` if not known.
        centered_vector: Top left singular vector after each feature's mean over the
            samples is taken off, shape `(n_samples,)`; `None` if all samples have
            equal features.
        centered_error_deg: Bound on the error of `centered_vector`, degrees.
        layer: Name of the layer, or `None`.
        samples_name: Name of the `SampleSet`, or `None`.
        samples_sha256: Its fingerprint, or `None` if the samples are not known.
    """

    vectors: np.ndarray
    singular_values: np.ndarray
    error_deg: np.ndarray
    frobenius_norm: float
    n_features: int
    row_norms: np.ndarray | None = None
    centered_vector: np.ndarray | None = None
    centered_error_deg: float = 90.0
    layer: str | None = None
    samples_name: str | None = None
    samples_sha256: str | None = None

    @property
    def vector(self) -> np.ndarray:
        """The P-vector itself, shape `(n_samples,)`, unit norm."""
        return self.vectors[:, 0]

    @property
    def n_samples(self) -> int:
        return self.vectors.shape[0]

    @property
    def k(self) -> int:
        """How many left singular vectors are held."""
        return self.vectors.shape[1]

    @property
    def sigma1(self) -> float:
        """Largest singular value, in the units of the features."""
        return float(self.singular_values[0])

    @property
    def sigma2_over_sigma1(self) -> float:
        """0 for a rank-one matrix; near 1 the P-vector is ambiguous."""
        if self.singular_values.size < 2:
            return 0.0
        return float(self.singular_values[1] / self.singular_values[0])

    @property
    def energy1(self) -> float:
        """Share of `||X||_F^2` in the first direction, `sigma1^2 / ||X||_F^2`."""
        return float(min((self.sigma1 / self.frobenius_norm) ** 2, 1.0))

    @property
    def cos_ones(self) -> float:
        """Cosine to the constant vector `1/sqrt(n)`: near 1, the vector says little
        more than that all features have the same sign."""
        return float(self.vector.sum() / math.sqrt(self.n_samples))

    @property
    def participation(self) -> float:
        """`1 / sum(u_i^4)`: how many samples carry the vector, 1 to `n_samples`."""
        return float(1.0 / np.sum(self.vector**4))

    def __repr__(self) -> str:
        layer = "" if self.layer is None else f"layer={self.layer!r}, "
        return (
            f"PVector({layer}n_samples={self.n_samples}, n_features={self.n_features}, "
            f"k={self.k}, energy1={self.energy1:.3f}, "
            f"sigma2_over_sigma1={self.sigma2_over_sigma1:.3f})"
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The angle between two P-vectors, and what is needed to judge it.

    The fields are those of a row of `log.csv`; quantities of one matrix are those of
    the first P-vector. A field is `None` where it does not apply.

    Attributes:
        n_samples: Number of samples.
        n_features: Number of features.
        angle_deg: Angle between the P-vectors: 0 = the same, 90 = unrelated.
        angle_error_deg: Bound on the numerical error of `angle_deg`.
        centered_angle_deg: Angle between the vectors of the column-centred matrices.
            `None` where one of them is not determined to within a degree.
        null_angle_deg: Angle of the mean cosine when the samples of one side are put
            into random order: what the two leanings to the constant vector explain.
        z: How many standard deviations of that null the cosine lies above it,
            `sqrt(n-1) * pearson(u, v)`, with signs such that `u.v >= 0`. Below 3 or
            so the angle shows nothing.
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


def p_vector(
    features: Any,
    *,
    k: int = 1,
    method: str = "fast",
    tolerance_deg: float | None = None,
    layer: str | None = None,
    samples: SampleSet | None = None,
) -> PVector:
    """Computes the P-vector of a feature matrix.

    Args:
        features: Array or tensor of shape `(n_samples, ...)`, each sample flattened
            to a row; or an iterable of such blocks of rows, for a matrix too large to
            hold. An iterable that can be read only once (a generator) is kept in a
            temporary file while it is needed. Products are in the precision of the
            features, at least float32, sums in float64; where the bound asks for it,
            all of it in float64.
        k: How many left singular vectors to find.
        method: `"fast"` iterates until the error bound is met; `"exact"` runs
            `tf.linalg.svd` in float64 on the device of the features, which takes
            every singular vector and the time for it.
        tolerance_deg: Wanted bound on the angular error, in degrees, for `"fast"`;
            default 1e-3.
        layer: Name of the layer that the features come from.
        samples: The `SampleSet` behind the rows; its fingerprint is kept, so that
            comparing with P-vectors of other samples is an error.

    Returns:
        A `PVector`.

    Raises:
        ValueError: Not a matrix, empty, a single row, all zero, NaN or infinite
            entries, or not as many rows as `samples`.

    Example:

    ```python
    p = kp.p_vector(features)
    q = kp.p_vector(other_features)
    kp.angle(p, q)
    ```
    """
    from keras_pvec import linalg

    if method not in ("fast", "exact"):
        raise ValueError(
            f"`method` must be 'fast' or 'exact'. Received: method={method!r}"
        )
    is_matrix = hasattr(features, "shape") and hasattr(features, "dtype")
    if not is_matrix and not isinstance(features, Iterable):
        raise ValueError(
            "Features must be an array, a tensor or an iterable of row blocks. "
            f"Received: {type(features).__name__}"
        )
    if method == "exact":
        matrix = features if is_matrix else np.concatenate([*map(np.asarray, features)])
        triplets = linalg.exact_singular_triplets(matrix, k)
    else:
        tolerance = tolerance_deg or linalg.DEFAULT_TOLERANCE_DEG
        if is_matrix:
            blocks = [features]
        elif iter(features) is features:
            blocks = _SpooledBlocks(features)
        else:
            blocks = features
        triplets = linalg.top_singular_triplets(blocks, k, tolerance_deg=tolerance)
    return from_triplets(triplets, layer=layer, samples=samples)


def from_triplets(
    triplets: SingularTriplets,
    *,
    layer: str | None = None,
    samples: SampleSet | None = None,
) -> PVector:
    """Makes a `PVector` of singular triplets, and warns if it is ambiguous."""
    n_samples = triplets.left.shape[0]
    if samples is not None and len(samples) != n_samples:
        raise ValueError(
            f"The features have {n_samples} rows, but the sample set "
            f"{samples.name!r} has {len(samples)} samples."
        )
    centered = triplets.centered_left
    if centered is not None:
        centered = _fix_signs(centered[:, None])[:, 0]
    vector = PVector(
        vectors=_fix_signs(triplets.left),
        singular_values=triplets.singular_values,
        error_deg=triplets.error_deg,
        frobenius_norm=triplets.frobenius_norm,
        n_features=triplets.right.shape[0],
        row_norms=triplets.row_norms,
        centered_vector=centered,
        centered_error_deg=float(triplets.centered_error_deg),
        layer=layer,
        samples_name=None if samples is None else samples.name,
        samples_sha256=None if samples is None else samples.sha256,
    )
    if vector.error_deg[0] > 1.0:
        where = "" if layer is None else f" of layer {layer!r}"
        warnings.warn(
            f"The P-vector{where} is ambiguous: sigma2/sigma1 = "
            f"{vector.sigma2_over_sigma1:.6f}, so that its direction is known only to "
            f"within {vector.error_deg[0]:.3g} degrees. Compare the plane of the first "
            "two vectors instead: k=2 and `principal_angles`.",
            AmbiguousPVectorWarning,
            stacklevel=3,
        )
    return vector


def data_p_vector(samples: SampleSet, *, k: int = 1) -> PVector:
    """P-vector of the raw data: each sample flattened to a row.

    It does not depend on the scale of the data: pixels in [0, 1] and in [0, 255] give
    the same vector.

    Raises:
        ValueError: Samples with several inputs; give the one meant to `p_vector`.
    """
    if not isinstance(samples.x, np.ndarray):
        raise ValueError(
            f"The sample set {samples.name!r} has several inputs. Choose one: "
            "kp.p_vector(samples.x[...], samples=samples, layer='data')"
        )
    x = samples.x.reshape(len(samples), -1)
    return p_vector(x, k=k, layer="data", samples=samples)


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

    Raises:
        SampleMismatchError: As `angle`.
    """
    _check_comparable(p, q)
    null_cosine, null_std = null_cosine_moments(p.cos_ones, q.cos_ones, p.n_samples)
    cosine = float(p.vector @ q.vector)
    aligned = math.copysign(1.0, cosine)
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
        z=aligned * (cosine - null_cosine) / null_std if null_std > 1e-12 else None,
        cos_ones_reference=q.cos_ones,
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


def _fix_signs(vectors: np.ndarray) -> np.ndarray:
    sums = vectors.sum(axis=0)
    # Sums at rounding level (centred vectors) decide by the largest entry instead.
    largest = np.take_along_axis(
        vectors, np.abs(vectors).argmax(axis=0)[None, :], axis=0
    )[0]
    deciding = np.where(np.abs(sums) > 1e-9 * math.sqrt(len(vectors)), sums, largest)
    return vectors * np.where(deciding < 0, -1.0, 1.0)


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


class _SpooledBlocks:
    """Row blocks of a one-shot iterator, kept in a temporary file to be read again."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        # Lives as long as this object; the system removes it in any case.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        for block in blocks:
            np.save(self._file, np.asarray(block), allow_pickle=False)
        self._end = self._file.tell()

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        while self._file.tell() < self._end:
            yield np.load(self._file, allow_pickle=False)
