"""P-vectors: what they are, and how they are computed from features.

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
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_pvec.pass_bars import PassBars, Verbose, check_verbose
from keras_pvec.solver import (
    DEFAULT_TOLERANCE_DEG,
    SingularTriplets,
    as_rows,
    check_count,
    check_tolerance,
    exact_singular_triplets,
    to_numpy,
    top_singular_triplets,
)

if TYPE_CHECKING:
    from keras_pvec.samples import SampleSet, SampleSource


class AmbiguousPVectorWarning(UserWarning):
    """The top singular value is not separated from the next, so the P-vector is
    determined only up to a rotation within a plane."""


@dataclasses.dataclass(frozen=True, eq=False)
class PVector:
    """The top left singular vector of a feature matrix `X`, and its statistics.

    Attributes:
        vectors: The top-k left singular vectors, shape `(n_samples, k)`, float64,
            unit columns. The sign is fixed so that a column's entries sum to at
            least zero.
        singular_values: Singular values, largest first: `k` and, where there is one,
            the next; in the units of the features.
        error_deg: Estimated angle between each column and the true singular vector, in
            degrees, shape `(k,)`; 90 where a column is not determined. An upper bound
            for `method="exact"`. For `method="fast"` it is one if the solver's basis
            spans the leading directions, which is very likely but not proven.
        frobenius_norm: `||X||_F`, in the units of the features.
        n_features: Number of columns of `X`.
        row_norms: Norm of each sample's features, in their units, shape
            `(n_samples,)`; `None` if not known.
        centered_vector: Top left singular vector of the mean-centred features, shape
            `(n_samples,)`; `None` if all samples have equal features.
        centered_error_deg: Estimated error of `centered_vector`, in degrees, as
            `error_deg`.
        centered_singular_value: Largest singular value of the column-centred features;
            `None` if `centered_vector` is `None`, and in files of earlier versions.
        centered_frobenius_norm: Frobenius norm of the column-centred features, whose
            square is `n_samples` times the total variance of the columns; `None` in
            files of earlier versions.
        layer: Name of the layer, or `None`.
        samples_name: Name of the `SampleSet`, or `None`.
        samples_sha256: Its fingerprint, or `None` if the samples are not known.
        certified_error_deg: Upper bound on the same angle as `error_deg` that does not
            depend on what the basis spans, in degrees, shape `(k,)`; 90 where nothing
            is proven, which is common where `sigma1` does not dominate. `None` in files
            of earlier versions. Up to rounding errors, whose size is modelled.
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
    certified_error_deg: np.ndarray | None = None

    @property
    def vector(self) -> np.ndarray:
        """The P-vector itself, shape `(n_samples,)`, unit norm."""
        return self.vectors[:, 0]

    @property
    def n_samples(self) -> int:
        return self.vectors.shape[0]

    @property
    def k(self) -> int:
        """Number of stored left singular vectors."""
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
        """Component along the constant vector `1/sqrt(n)`, a cosine: near 1, the vector
        says little more than that all features have the same sign."""
        return float(self.vector.sum() / math.sqrt(self.n_samples))

    @property
    def participation(self) -> float:
        """Participation ratio `1 / sum(u_i^4)`, from 1 (a single sample dominates) to
        `n_samples` (all contribute equally)."""
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
    tolerance_deg: float = DEFAULT_TOLERANCE_DEG,
    layer: str | None = None,
    samples: SampleSource | None = None,
    verbose: Verbose = "auto",
) -> PVector:
    """Computes the P-vector of a feature matrix.

    Args:
        features: Array of NumPy, TensorFlow, JAX or PyTorch, shape `(n_samples, ...)`,
            each sample flattened to a row; it may be on an accelerator and may require
            gradients. Or an iterable of such blocks of rows, for a matrix too large to
            hold. An iterable that can be read only once (a generator) is kept in a
            temporary file while it is needed. Products are computed in the precision of
            the features, at least float32, and summed in float64; where this is not
            accurate enough, everything is computed in float64.
        k: How many left singular vectors to find.
        method: `"fast"` iterates until the estimated error is small enough; `"exact"`
            runs a full SVD in float64, that of the library of the features on their
            device; it computes every singular vector and is much slower. NumPy arrays
            use the SVD of the Keras backend.
        tolerance_deg: Largest estimated error of `"fast"`, in degrees.
        layer: Name of the layer that the features come from.
        samples: The `SampleSet` that the rows belong to. Its fingerprint is kept, so
            that a comparison with P-vectors of other samples raises an error.
        verbose: Progress of `"fast"` over the row blocks, pass by pass: 0 shows
            nothing, 1 a bar for each pass, 2 a line for each pass. `"auto"` shows bars
            in a terminal or notebook where Keras is imported, once the computation has
            taken five seconds.

    Returns:
        A `PVector`.

    Raises:
        ValueError: An argument out of range; features that are not a matrix, are empty,
            a single row, all zero, or hold NaN or infinity; or a number of rows that
            differs from that of `samples`.

    Example:

    ```python
    p = kp.p_vector(features)
    q = kp.p_vector(other_features)
    kp.angle(p, q)
    ```
    """
    check_count("k", k)
    check_tolerance(tolerance_deg)
    check_verbose(verbose)
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
    if not is_matrix and hasattr(features, "to_numpy"):
        raise ValueError(
            "Features must be an array or a tensor. Received: "
            f"{type(features).__name__}. Convert it: .to_numpy(dtype='float32')"
        )
    if method == "exact":
        matrix = features if is_matrix else _concatenated(features)
        triplets = exact_singular_triplets(matrix, k)
    else:
        blocks: Iterable[Any] = [features] if is_matrix else features
        bars = PassBars(verbose, len(blocks) if isinstance(blocks, Sized) else None)
        if isinstance(blocks, Iterator):  # can be read only once
            blocks = _SpooledBlocks(bars.over(blocks))
        shown = _ShownBlocks(blocks, bars)
        triplets = top_singular_triplets(shown, k, tolerance_deg=tolerance_deg)
    return from_triplets(triplets, layer=layer, samples=samples)


def from_triplets(
    triplets: SingularTriplets,
    *,
    layer: str | None = None,
    samples: SampleSource | None = None,
) -> PVector:
    """Makes a `PVector` from singular triplets.

    Args:
        triplets: The triplets of the feature matrix.
        layer: As in `p_vector`.
        samples: As in `p_vector`.

    Returns:
        The `PVector`, with its signs fixed.

    Raises:
        ValueError: The number of rows differs from that of `samples`.

    Warns:
        AmbiguousPVectorWarning: The estimated error is larger than one degree.
    """
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
        certified_error_deg=triplets.certified_error_deg,
    )
    if vector.error_deg[0] > 1.0:
        where = "" if layer is None else f" of layer {layer!r}"
        warnings.warn(
            f"The P-vector{where} is ambiguous: sigma2/sigma1 = "
            f"{vector.sigma2_over_sigma1:.6f}, and its estimated error is "
            f"{vector.error_deg[0]:.3g} degrees. Compare the plane of the first two "
            "vectors instead: k=2 and `principal_angles`.",
            AmbiguousPVectorWarning,
            stacklevel=3,
        )
    return vector


def data_p_vector(samples: SampleSet, *, k: int = 1) -> PVector:
    """P-vector of the raw data, each sample flattened to a row.

    It does not depend on the scale of the data: pixels in [0, 1] and in [0, 255] give
    the same vector.

    Args:
        samples: The samples.
        k: How many left singular vectors to find.

    Returns:
        A `PVector` of the layer `"data"`.

    Raises:
        ValueError: Samples with several inputs; pass one of them to `p_vector`.
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
    # If the sum is at rounding level (centred vectors), the largest entry decides.
    largest = np.take_along_axis(
        vectors, np.abs(vectors).argmax(axis=0)[None, :], axis=0
    )[0]
    deciding = np.where(np.abs(sums) > 1e-9 * math.sqrt(len(vectors)), sums, largest)
    return vectors * np.where(deciding < 0, -1.0, 1.0)


def _as_array(block: Any) -> np.ndarray:
    return to_numpy(as_rows(block))


def _concatenated(blocks: Iterable[Any]) -> np.ndarray:
    parts = [_as_array(block) for block in blocks]
    if not parts:
        raise ValueError("Features are empty. Received: no block of rows")
    return np.concatenate(parts)


class _ShownBlocks:
    """Row blocks whose passes are shown."""

    def __init__(self, blocks: Iterable[Any], bars: PassBars) -> None:
        self._blocks = blocks
        self._bars = bars

    def __iter__(self) -> Iterator[Any]:
        return self._bars.over(self._blocks)


class _SpooledBlocks:
    """Row blocks of a one-shot iterator, kept in a temporary file to be read again."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        # Open as long as this object lives; the system deletes the file when it is
        # closed.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        for block in blocks:
            np.save(self._file, _as_array(block), allow_pickle=False)
        self._end = self._file.tell()

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        while self._file.tell() < self._end:
            yield np.load(self._file, allow_pickle=False)
