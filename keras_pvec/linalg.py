"""Top left singular vectors of a matrix that may be too large to hold.

The matrix ``X``, shape ``(n_samples, n_features)``, is only ever seen in blocks of
rows. One pass over the blocks turns directions ``V`` of feature space into ``X V``
and ``X^T X V``, summed in float64; `LeftSingularSolver` grows the directions from
pass to pass until every wanted left singular vector is known to within a tolerance.
Memory is ``O((n_samples + n_features) * basis)``, never ``n_samples * n_features``.

Method: block Krylov iteration with full orthogonalisation and thick restart
(Golub and Van Loan, "Matrix Computations", 4th ed., 10.1-10.3). Error bound: residual
over gap (Davis and Kahan 1970; Parlett, "The Symmetric Eigenvalue Problem", 11.7).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

DEFAULT_TOLERANCE_DEG = 1e-6

# Up to this many features the whole Gram matrix takes less time than iterations do:
# the start is a full basis, and a single pass gives all vectors.
_DENSE_FEATURES = 256
_START_COLUMNS = 3
_MAX_BASIS = 48
# A float64 copy of this many bytes is cast at a time, so that it stays in the cache.
_CHUNK_BYTES = 1 << 20
# The centred vector is a companion statistic: it is found to this many degrees, and
# where its spectrum is flat (pure noise) it does not hold up the P-vector for long.
_CENTERED_TOLERANCE_DEG = 1e-3
_CENTERED_EXTRA_PASSES = 8
# float64 entries beyond this range are scaled, because the method squares twice.
_SAFE_MAGNITUDE = (1e-60, 1e60)
# Squared norms of a row from pass to pass; features that are computed anew on an
# accelerator, in half precision, differ a little.
_SAME_ROW = 0.05
_EPS = float(np.finfo(np.float64).eps)


class ZeroMatrixError(ValueError):
    """All features are zero, so that every direction is as good as another."""


@dataclasses.dataclass(frozen=True, eq=False)
class SingularTriplets:
    """The top singular triplets of a matrix ``X`` and of its column-centred form.

    Attributes:
        left: Left singular vectors, shape `(n_samples, k)`, float64, unit columns.
        right: Right singular vectors, shape `(n_features, k)`.
        singular_values: The `k` singular values and, where the matrix has one, the
            next, largest first, in the units of the features. The next one serves
            ratios and gaps: on pure noise it may be a part in a thousand too small.
        error_deg: Bound on the angle between each column of `left` and the true
            vector, in degrees, shape `(k,)`. 90 means that it is not determined.
        frobenius_norm: `||X||_F`.
        centered_left: Top left singular vector of `X` with its column means taken
            off, shape `(n_samples,)`; `None` where all rows are equal.
        centered_error_deg: Bound on the error of `centered_left`, in degrees.
        n_passes: How often the rows were read.
    """

    left: np.ndarray
    right: np.ndarray
    singular_values: np.ndarray
    error_deg: np.ndarray
    frobenius_norm: float
    centered_left: np.ndarray | None
    centered_error_deg: float
    n_passes: int


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def _on_one_thread(function: Callable) -> Callable:
    """Runs the linear algebra of NumPy within on one thread.

    Parts are small enough for one core's cache, and beside TensorFlow's own threads
    those of OpenBLAS wait for each other: on two cores the eigenvectors of 256 x 256
    took half a second instead of 10 ms.
    """

    @functools.wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        with _threads().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


class LeftSingularSolver:
    """Finds `SingularTriplets` of a matrix fed to it in blocks of rows, pass by pass.

    Several solvers can be fed from one source of rows, which is how all the layers of
    a model share a forward pass. The result depends on the rows alone: the start is
    seeded and no global random state is touched.

    Args:
        k: Number of left singular vectors.
        tolerance_deg: Stop when every error bound is below this many degrees.
        max_passes: Stop after this many passes in any case; the error bound tells.

    Example:

    ```python
    solver = LeftSingularSolver()
    while not solver.done:
        for block in blocks():           # the same rows in the same order each time
            solver.update(block)
        solver.end_pass()
    triplets = solver.result()
    ```
    """

    def __init__(
        self,
        k: int = 1,
        *,
        tolerance_deg: float = DEFAULT_TOLERANCE_DEG,
        max_passes: int = 200,
    ) -> None:
        if k < 1:
            raise ValueError(f"`k` must be at least 1. Received: k={k}")
        if not tolerance_deg > 0:
            raise ValueError(
                f"`tolerance_deg` must be positive. Received: {tolerance_deg}"
            )
        self.k = k
        self.tolerance_deg = tolerance_deg
        self.max_passes = max_passes
        self.done = False
        self.n_passes = 0
        self._plain_passes = 1
        self._wanted: _Wanted | None = None
        self._scale: float | None = None
        self._column_sums: Any = 0.0
        self._new_v: np.ndarray | None = None
        self._start_pass()

    @_on_one_thread
    def update(self, block: Any) -> None:
        """Takes the next rows of the current pass, shape `(rows, ...)`.

        A tensor on an accelerator is multiplied there; only products leave it.

        Raises:
            ValueError: A block of the wrong shape or kind, or with NaN or infinity.
        """
        block = as_rows(block)
        if self._new_v is None:
            self._new_v = _start_directions(block.shape[1], self.k)
        if block.shape[1] != self._new_v.shape[0]:
            raise ValueError(
                "All row blocks need the same number of features. Received a block "
                f"of {block.shape[1]} after blocks of {self._new_v.shape[0]}."
            )
        if self._scale is None:
            self._scale = _safe_scale(block)
        first_pass = self.n_passes == 0
        multiply = _multiply_tensor if _on_accelerator(block) else _multiply_array
        for y, z, column_sums, row_squares in multiply(
            block, self._new_v, self._scale or 1.0
        ):
            if first_pass:
                if not np.isfinite(row_squares).all():
                    _raise_not_finite(block, self._n_rows)
                self._column_sums = self._column_sums + column_sums
            self._row_squares.append(row_squares)
            self._new_y.append(y)
            self._new_z = self._new_z + z
        self._n_rows += block.shape[0]

    @_on_one_thread
    def end_pass(self) -> bool:
        """Closes a pass. Returns `True`, and sets `done`, when no other is needed.

        Raises:
            ValueError: No rows, one row, a zero matrix, or other rows than in the
                first pass.
        """
        y = np.concatenate(self._new_y) if self._new_y else np.zeros((0, 0))
        row_squares = np.concatenate(self._row_squares or [np.zeros(0)])
        if self.n_passes == 0:
            self._close_first_pass(y, row_squares)
        elif row_squares.size != self._first_row_squares.size or not np.allclose(
            row_squares,
            self._first_row_squares,
            rtol=_SAME_ROW,
            # A row of next to nothing may differ by as much as it is.
            atol=_SAME_ROW * self._energy / row_squares.size,
        ):
            raise ValueError(
                f"The rows changed between passes: {self._first_row_squares.size} in "
                f"the first, {row_squares.size} in pass {self.n_passes + 1}, or in "
                "another order. Give the same rows in the same order each time; a "
                "shuffled dataset does not."
            )
        self._v = np.concatenate([self._v, self._new_v], axis=1)
        self._y = np.concatenate([self._y, y], axis=1)
        self._z = np.concatenate([self._z, self._new_z], axis=1)
        self.n_passes += 1

        self._wanted = self._rayleigh_ritz()
        fresh = self._next_directions(self._wanted)
        self.done = fresh.shape[1] == 0 or self.n_passes >= self.max_passes
        if not self.done:
            if self._v.shape[1] + fresh.shape[1] > _MAX_BASIS + self.k:
                self._restart(self._wanted)
            self._new_v = fresh
            self._start_pass()
        return self.done

    @_on_one_thread
    def result(self) -> SingularTriplets:
        """The triplets as known after the last closed pass."""
        if self._wanted is None:
            raise RuntimeError("No pass was closed: call `end_pass()` first.")
        plain, centered = self._wanted.plain, self._wanted.centered
        k = min(self.k, plain.values.size)
        unscale = 1.0 / (self._scale or 1.0)
        left = self._y @ plain.coefficients[:, :k]
        left /= np.linalg.norm(left, axis=0)
        centered_left = None
        if centered is not None:
            coefficients = centered.coefficients[:, 0]
            centered_left = self._y @ coefficients
            centered_left -= self._mean @ (self._v @ coefficients)
            centered_left /= np.linalg.norm(centered_left)
        return SingularTriplets(
            left=left,
            right=self._v @ plain.coefficients[:, :k],
            singular_values=np.sqrt(plain.values[: k + 1]) * unscale,
            error_deg=plain.error_deg[:k],
            frobenius_norm=math.sqrt(self._energy) * unscale,
            centered_left=centered_left,
            centered_error_deg=90.0 if centered is None else centered.error_deg[0],
            n_passes=self.n_passes,
        )

    def _start_pass(self) -> None:
        self._n_rows = 0
        self._row_squares: list[np.ndarray] = []
        self._new_y: list[np.ndarray] = []
        self._new_z: Any = 0.0

    def _close_first_pass(self, y: np.ndarray, row_squares: np.ndarray) -> None:
        n = y.shape[0]
        if n < 2:
            raise ValueError(
                "A P-vector needs at least two samples (rows). Received: "
                f"{'an empty matrix' if n == 0 else 'one row'}."
            )
        self._first_row_squares = row_squares
        self._energy = float(np.sum(row_squares))
        if self._energy == 0.0:
            raise ZeroMatrixError(
                "All features are zero: a zero matrix has no singular vector. The "
                "layer is dead, its weights are still zero, or the training diverged."
            )
        if not math.isfinite(self._energy):
            raise ValueError(
                "The features span more than float64 can square. Divide them by their "
                "largest absolute value."
            )
        self._mean = self._column_sums / n
        d = self._new_v.shape[0]
        self._v = np.zeros((d, 0))
        self._y = np.zeros((n, 0))
        self._z = np.zeros((d, 0))

    def _rayleigh_ritz(self) -> _Wanted:
        n = self._y.shape[0]
        gram = self._y.T @ self._y
        mean_in_basis = self._v.T @ self._mean
        plain = _ritz_pairs(gram, self._energy, self.k, self._residual)
        centered = None
        centered_energy = self._energy - n * float(self._mean @ self._mean)
        if centered_energy > 100 * _EPS * self._energy:
            shift = n * np.outer(mean_in_basis, mean_in_basis)
            centered = _ritz_pairs(
                gram - shift,
                centered_energy,
                1,
                lambda c, values: (
                    self._residual(c, values)
                    - n * np.outer(self._mean, mean_in_basis @ c)
                ),
                floor=_EPS * self._energy,
            )
        return _Wanted(plain, centered)

    def _residual(self, coefficients: np.ndarray, values: np.ndarray) -> np.ndarray:
        return self._z @ coefficients - (self._v @ coefficients) * values

    def _next_directions(self, wanted: _Wanted) -> np.ndarray:
        """Directions to add: residuals of all that is not yet known well enough.

        The centred matrix differs from the plain one by the mean direction alone, so
        one basis that holds the mean serves both.
        """
        candidates = []
        if wanted.plain.error_deg.max() > self.tolerance_deg:
            candidates.append(wanted.plain.residuals)
            self._plain_passes = self.n_passes + 1
        if self._centered_needs_more(wanted.centered):
            candidates.append(wanted.centered.residuals)
        if not candidates or self._v.shape[1] >= self._v.shape[0]:
            return np.zeros((self._v.shape[0], 0))
        if self.n_passes == 1:
            candidates.append(self._mean[:, None])
        smallest = 10 * _EPS * wanted.plain.values[0]
        return _orthonormal_complement(
            np.concatenate(candidates, axis=1), self._v, smallest
        )

    def _centered_needs_more(self, centered: _RitzPairs | None) -> bool:
        if centered is None or self.n_passes >= (
            2 * self._plain_passes + _CENTERED_EXTRA_PASSES
        ):
            return False
        return centered.error_deg[0] > max(self.tolerance_deg, _CENTERED_TOLERANCE_DEG)

    def _restart(self, wanted: _Wanted) -> None:
        """Shrinks the basis to its best part, so that memory stays bounded."""
        keep = [wanted.plain.coefficients[:, : self.k + 8]]
        if wanted.centered is not None:
            keep.append(wanted.centered.coefficients[:, :8])
        combine, _ = np.linalg.qr(np.concatenate(keep, axis=1))
        self._v, self._y, self._z = (
            part @ combine for part in (self._v, self._y, self._z)
        )


@dataclasses.dataclass(frozen=True, eq=False)
class _RitzPairs:
    """Approximate eigenpairs of `X^T X` within the basis, largest first."""

    values: np.ndarray  # (m,)
    coefficients: np.ndarray  # (m, m)
    residuals: np.ndarray  # (n_features, wanted + 1)
    error_deg: np.ndarray  # (wanted,)


@dataclasses.dataclass(frozen=True, eq=False)
class _Wanted:
    plain: _RitzPairs
    centered: _RitzPairs | None


def _ritz_pairs(
    gram: np.ndarray,
    energy: float,
    k: int,
    residual: Callable[[np.ndarray, np.ndarray], np.ndarray],
    floor: float = 0.0,
) -> _RitzPairs:
    values, coefficients = np.linalg.eigh(gram)
    values, coefficients = np.maximum(values[::-1], 0.0), coefficients[:, ::-1]
    m = min(k + 1, values.size)
    residuals = residual(coefficients[:, :m], values[:m])
    # What rounding alone leaves in a residual is part of the bound.
    norms = np.linalg.norm(residuals, axis=0) + 8 * _EPS * values[0] + floor
    errors = [
        _error_bound_deg(values, norms, energy, i) for i in range(min(k, values.size))
    ]
    return _RitzPairs(values, coefficients, residuals, np.array(errors))


def _error_bound_deg(
    values: np.ndarray, norms: np.ndarray, energy: float, i: int
) -> float:
    """Bound on the angle of left singular vector `i`, in degrees.

    The eigenvalue below is at most the energy that the ones above leave over, and,
    once the basis has met it, at most its approximation plus residual. The basis
    starts from random directions, so it misses one with probability zero.
    """
    below = max(energy - float(values[: i + 1].sum()), 0.0)
    if i + 1 < values.size:
        below = min(below, float(values[i + 1] + norms[i + 1]))
    gap = float(values[i]) - below
    if i > 0:
        gap = min(gap, float(values[i - 1] - norms[i - 1] - values[i]))
    if gap <= 0 or norms[i] >= gap:
        return 90.0
    # X maps the error of the right vector to the left side; it shrinks by
    # sigma_j / sigma_i in every other direction j, so it can grow only for i > 0.
    growth = math.sqrt(float(values[0] / values[i]))
    return math.degrees(math.atan(growth * math.tan(math.asin(norms[i] / gap))))


def _start_directions(n_features: int, k: int) -> np.ndarray:
    if n_features <= _DENSE_FEATURES:
        return np.eye(n_features)
    rng = np.random.default_rng(20211005)
    start = rng.standard_normal((n_features, k + _START_COLUMNS))
    return np.linalg.qr(start)[0]


def _orthonormal_complement(
    candidates: np.ndarray, basis: np.ndarray, smallest: float
) -> np.ndarray:
    """Orthonormal columns that span what `candidates` add to `basis`."""
    accepted = np.zeros((basis.shape[0], 0))
    room = basis.shape[0] - basis.shape[1]
    for column in candidates.T:
        length = np.linalg.norm(column)
        if length <= smallest or accepted.shape[1] == room:
            continue
        column = column / length
        for _ in range(3):  # "twice is enough" (Parlett), and once more is cheap
            column = column - basis @ (basis.T @ column)
            column = column - accepted @ (accepted.T @ column)
            rest = np.linalg.norm(column)
            if rest < 1e-8:
                break
            column = column / rest
        else:
            accepted = np.concatenate([accepted, column[:, None]], axis=1)
    return accepted


def top_singular_triplets(
    blocks: Iterable[Any],
    k: int = 1,
    *,
    tolerance_deg: float = DEFAULT_TOLERANCE_DEG,
) -> SingularTriplets:
    """Triplets of a matrix given as row blocks that can be iterated over repeatedly.

    Args:
        blocks: Iterable of arrays or tensors, each of shape `(rows, ...)`; every
            iteration has to give the same rows in the same order.
        k: Number of left singular vectors.
        tolerance_deg: Wanted bound on their angular error, in degrees.

    Raises:
        ValueError: Blocks that do not make a matrix of at least two finite, not all
            zero rows.
    """
    solver = LeftSingularSolver(k, tolerance_deg=tolerance_deg)
    while not solver.done:
        for block in blocks:
            solver.update(block)
        solver.end_pass()
    return solver.result()


def exact_singular_triplets(matrix: Any, k: int = 1) -> SingularTriplets:
    """Triplets through `tf.linalg.svd` in float64, on the device of `matrix`.

    This is the reference for the fast method. It computes every singular vector, so
    its time grows with `n_samples * n_features * min(n_samples, n_features)`.

    Args:
        matrix: Array or tensor of shape `(n_samples, ...)`; an array goes to the
            default device, which is the GPU where there is one.
        k: Number of left singular vectors.

    Raises:
        ValueError: As `top_singular_triplets`.
    """
    import tensorflow as tf

    rows = as_rows(matrix)
    # One pass checks the input and gives the norm and the scale.
    check = LeftSingularSolver(k, max_passes=1)
    check.update(rows)
    check.end_pass()
    scale = check._scale or 1.0

    x = tf.cast(rows, tf.float64) * scale
    energy = float(tf.reduce_sum(x * x))
    sigma, u, v = tf.linalg.svd(x, full_matrices=False)
    mean = tf.reduce_mean(x, axis=0)
    centered = None
    centered_error = 90.0
    centered_energy = energy - x.shape[0] * float(tf.reduce_sum(mean * mean))
    if centered_energy > 100 * _EPS * energy:
        centered_sigma, centered_u, _ = tf.linalg.svd(x - mean, full_matrices=False)
        centered = centered_u[:, 0].numpy()
        centered_error = _backward_error_deg(centered_sigma.numpy(), 0)
    k = min(k, sigma.shape[0])
    values = sigma.numpy()
    return SingularTriplets(
        left=u[:, :k].numpy(),
        right=v[:, :k].numpy(),
        singular_values=values[: k + 1] / scale,
        error_deg=np.array([_backward_error_deg(values, i) for i in range(k)]),
        frobenius_norm=math.sqrt(energy) / scale,
        centered_left=centered,
        centered_error_deg=centered_error,
        n_passes=1,
    )


def _backward_error_deg(singular_values: np.ndarray, i: int) -> float:
    """Wedin's bound for the rounding of a backward stable SVD, in degrees."""
    neighbours = np.delete(singular_values, i)
    gap = np.abs(neighbours - singular_values[i]).min(initial=singular_values[i])
    rounding = singular_values.size * _EPS * singular_values[0]
    if rounding >= gap:
        return 90.0
    return math.degrees(math.asin(rounding / gap))


def as_rows(block: Any) -> Any:
    """Checks a block and flattens each of its samples to a row."""
    if not hasattr(block, "shape") or not hasattr(block, "dtype"):
        raise ValueError(
            "Features must be arrays or tensors of shape (n_samples, n_features). "
            f"Received: {type(block).__name__}"
        )
    if len(block.shape) < 2:
        raise ValueError(
            "Features must have at least two axes, (n_samples, n_features). Received "
            f"shape: {tuple(block.shape)}"
        )
    if not _on_accelerator(block):
        block = np.asarray(block)
        if block.dtype.kind in "cOSUMm":
            raise ValueError(
                f"Features must be real numbers. Received dtype: {block.dtype}"
            )
    n_features = math.prod(block.shape[1:])
    if n_features == 0:
        raise ValueError(f"Features are empty. Received shape: {tuple(block.shape)}")
    if len(block.shape) == 2:
        return block
    if isinstance(block, np.ndarray):
        return block.reshape(block.shape[0], n_features)
    import tensorflow as tf

    return tf.reshape(block, (block.shape[0], n_features))


def _on_accelerator(block: Any) -> bool:
    """Whether `block` is a TensorFlow tensor that does not live on the CPU."""
    if not type(block).__module__.startswith("tensorflow"):
        return False
    return "CPU" not in getattr(block, "device", "CPU")


def _safe_scale(block: Any) -> float | None:
    """What float64 entries are multiplied by so that their squares stay in range."""
    if not str(block.dtype).endswith(("float64", "'float64'>")):
        return 1.0
    largest = float(np.abs(np.asarray(block)).max(initial=0.0))
    if largest == 0.0 or not math.isfinite(largest):
        return None
    low, high = _SAFE_MAGNITUDE
    return 1.0 if low < largest < high else 1.0 / largest


_Products = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _multiply_array(
    block: np.ndarray, v: np.ndarray, scale: float
) -> Iterator[_Products]:
    """Yields `X v`, `X^T X v`, column sums and squared row norms, part by part."""
    rows = max(1, _CHUNK_BYTES // (8 * block.shape[1]))
    for start in range(0, block.shape[0], rows):
        x = block[start : start + rows].astype(np.float64, copy=False)
        if scale != 1.0:
            x = x * scale
        # What is not finite is told by an error, not by NumPy's warnings as well.
        with np.errstate(all="ignore"):
            # A full basis is the identity: nothing to multiply.
            y = x if v.shape[0] == v.shape[1] else x @ v
            products = (y, x.T @ y, x.sum(axis=0), np.einsum("ij,ij->i", x, x))
        yield products


def _multiply_tensor(block: Any, v: np.ndarray, scale: float) -> Iterator[_Products]:
    """The same on the device that holds `block`, all rows at once."""
    import tensorflow as tf

    with tf.device(block.device):
        x = tf.cast(block, tf.float64) * scale
        y = x @ tf.constant(v)
        products = (
            y,
            tf.matmul(x, y, transpose_a=True),
            tf.reduce_sum(x, axis=0),
            tf.reduce_sum(x * x, axis=1),
        )
    yield tuple(product.numpy() for product in products)


def _raise_not_finite(block: Any, first_row: int) -> None:
    values = np.asarray(block, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size == 0:
        return  # finite, but too large to square: told when the pass closes
    kind = "NaN" if np.isnan(values[bad]).any() else "infinity"
    raise ValueError(
        f"Features hold {kind}, first in row {first_row + int(bad[0])} "
        f"({bad.size} such rows in this block). A diverged training or a division by "
        "zero is the usual reason."
    )
