"""P-vectors: what they are, and how one is made of features.

A P-vector is the top left singular vector of a feature matrix `X` of shape
`(n_samples, n_features)` that is *not* centred: one entry per sample, unit norm,
defined up to sign (Liu et al. 2022, "Exploring the common principal subspace of deep
features in neural networks", doi 10.1007/s10994-021-06076-6).
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
    from keras_pvec.samples import SampleSet, SampleSource


class AmbiguousPVectorWarning(UserWarning):
    """The top singular value is not separated from the next: any vector of a plane
    would do as well."""


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
        centered_singular_value: Largest singular value of the column-centred features;
            `None` where `centered_vector` is, or in files of earlier versions.
        centered_frobenius_norm: Frobenius norm of the column-centred features, whose
            square is `n_samples` times the total variance of the columns; `None` in
            files of earlier versions.
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
    centered_singular_value: float | None = None
    centered_frobenius_norm: float | None = None
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


def p_vector(
    features: Any,
    *,
    k: int = 1,
    method: str = "fast",
    tolerance_deg: float = 1e-3,
    layer: str | None = None,
    samples: SampleSource | None = None,
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
        tolerance_deg: Wanted bound on the angular error, in degrees, for `"fast"`.
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
        blocks: Iterable[Any]
        if is_matrix:
            blocks = [features]
        elif isinstance(features, Iterator):  # it can be read only once
            blocks = _SpooledBlocks(features)
        else:
            blocks = features
        triplets = linalg.top_singular_triplets(blocks, k, tolerance_deg=tolerance_deg)
    return from_triplets(triplets, layer=layer, samples=samples)


def from_triplets(
    triplets: SingularTriplets,
    *,
    layer: str | None = None,
    samples: SampleSource | None = None,
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
        centered_singular_value=triplets.centered_singular_value,
        centered_frobenius_norm=triplets.centered_frobenius_norm,
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


def _fix_signs(vectors: np.ndarray) -> np.ndarray:
    sums = vectors.sum(axis=0)
    # Sums at rounding level (centred vectors) decide by the largest entry instead.
    largest = np.take_along_axis(
        vectors, np.abs(vectors).argmax(axis=0)[None, :], axis=0
    )[0]
    deciding = np.where(np.abs(sums) > 1e-9 * math.sqrt(len(vectors)), sums, largest)
    return vectors * np.where(deciding < 0, -1.0, 1.0)


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
