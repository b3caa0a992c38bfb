"""Top left singular vectors of a matrix that may be too large to hold.

The matrix ``X``, shape ``(n_samples, n_features)``, is only ever seen in blocks of
rows. One pass over the blocks turns directions ``V`` of feature space into ``X V``
and ``X^T X V`` (all of them kept transposed, one direction a row);
`LeftSingularSolver` grows the directions from pass to pass until every wanted left
singular vector is known to within a tolerance. Memory is
``O((n_samples + n_features) * basis)``, never ``n_samples * n_features``.

Method: block Krylov iteration with full orthogonalisation and thick restart
(Golub and Van Loan, "Matrix Computations", 4th ed., 10.1-10.3), from directions that
some of the rows suggest (Halko et al. 2011, arXiv 0909.4061, on the use of a sample).
Error bound: residual over gap (Davis and Kahan 1970; Parlett, "The Symmetric Eigenvalue
Problem", 11.7), with what rounding leaves.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.linalg import eigh

from keras_pvec.row_products import (
    SINGLE_DIRECTIONS,
    as_rows,
    check_finite,
    on_one_thread,
    row_products,
    safe_scale,
    working_dtype,
)

DEFAULT_TOLERANCE_DEG = 1e-3

# Up to this many features the whole Gram matrix takes less time than iterations do:
# the start is a full basis, and a single pass gives all vectors.
_DENSE_FEATURES = 64
# The start is what some of the rows suggest, at least and at most this many.
_SAMPLE_ROWS = (32, 128)
# Beyond a few directions, which are multiplied singly, eight take the time of six.
_BLOCK = 8
_MAX_BASIS = 48
# The centred vector is a companion statistic: it is found to this many degrees, and
# where its spectrum is flat (pure noise) it does not hold up the P-vector for long.
_CENTERED_TOLERANCE_DEG = 1e-2
_CENTERED_PASSES = 12
# Squared norms of a row from pass to pass; features that are computed anew on an
# accelerator, in half precision, differ a little.
_SAME_ROW = 0.05
# How much of each block is compared.
_COMPARED_ENTRIES = 1 << 12
_COMPARED_ROWS = 4
# A residual of this share of the eigenvalue means a pair of the matrix, not a mixture.
_NEAR = 0.5
# So many passes have followed the random direction before what the basis has met counts
# for all there is; fewer from a start that knows a similar matrix.
_PASSES_TO_MEET = 3
_PASSES_TO_MEET_WARM = 2
# As many pairs as a basis begins with, at most.
_NEW_BASIS = 24
# Where sums of squares are within this range, float32 neither over- nor underflows.
_FLOAT32_SAFE = (1e-24, 1e30)


class ZeroMatrixError(ValueError):
    """All features are zero, so that every direction is as good as another."""


@dataclasses.dataclass(frozen=True, eq=False)
class SingularTriplets:
    """The top singular triplets of a matrix ``X`` and of its column-centred form.

    Attributes:
        left: Left singular vectors, shape `(n_samples, k)`, float64, unit columns;
            fewer than were asked for if the matrix has a lower rank.
        right: Right singular vectors, shape `(n_features, k)`.
        singular_values: The `k` singular values and, where the matrix has one, the
            next, largest first, in the units of the features. The next one serves
            ratios and gaps: it may be a part in a thousand too small, and some percent
            if the centred vector was not asked for.
        error_deg: Bound on the angle between each column of `left` and the true
            vector, in degrees, shape `(k,)`. 90 means that it is not determined.
        frobenius_norm: `||X||_F`.
        row_norms: Norms of the rows, shape `(n_samples,)`.
        centered_left: Top left singular vector of `X` with its column means taken
            off, shape `(n_samples,)`; `None` where all rows are equal.
        centered_error_deg: Bound on the error of `centered_left`, in degrees.
        centered_singular_value: Largest singular value of the centred matrix, in the
            units of the features; `None` where `centered_left` is.
        centered_frobenius_norm: Frobenius norm of the centred matrix; its square is the
            total variance of the columns times `n_samples`. `None` if the column means
            were not asked for.
        n_passes: How often the rows were read.
    """

    left: np.ndarray
    right: np.ndarray
    singular_values: np.ndarray
    error_deg: np.ndarray
    frobenius_norm: float
    row_norms: np.ndarray
    centered_left: np.ndarray | None
    centered_error_deg: float
    centered_singular_value: float | None
    centered_frobenius_norm: float | None
    n_passes: int


class LeftSingularSolver:
    """Finds `SingularTriplets` of a matrix fed to it in blocks of rows, pass by pass.

    Several solvers can be fed from one source of rows, which is how all the layers of
    a model share a forward pass. The result depends on the arguments alone: what is
    random about the start is seeded by the rows, and no global random state is touched.

    Args:
        k: Number of left singular vectors.
        tolerance_deg: Stop when every error bound is below this many degrees.
        max_passes: Stop after this many passes in any case; the error bound tells.
        centered_passes: How many passes more than the vectors need the vector of the
            column-centred matrix, which is found from the same passes, may cost;
            `None` to do without it.
        block_size: How many directions a pass improves at least. One is quickest where
            the rows lie in memory; where they are expensive to come by, some more
            save passes.
        start: Right singular vectors to start from, shape `(n_features, columns)`,
            such as those of a matrix that is nearly the same.

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
        centered_passes: int | None = _CENTERED_PASSES,
        block_size: int = 1,
        start: np.ndarray | None = None,
    ) -> None:
        counts = {"k": k, "max_passes": max_passes, "block_size": block_size}
        for name, value in counts.items():
            if not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(
                    f"`{name}` must be a whole number, at least 1. Received: "
                    f"{name}={value}"
                )
        if not tolerance_deg > 0:
            raise ValueError(
                f"`tolerance_deg` must be positive. Received: {tolerance_deg}"
            )
        self.k = k
        self.tolerance_deg = tolerance_deg
        self.max_passes = max_passes
        self.centered_passes = centered_passes
        self.block_size = block_size
        self.done = False
        self.n_passes = 0
        self._start = start
        self._plain_passes = 1
        self._residual_norm = math.inf
        self._measured_rounding = 0.0
        # What the next pass begins with; until then `result` is to stay as it is.
        self._before_pass: Callable[[], None] | None = None
        self._with_moments = True
        self._wanted: _Wanted | None = None
        self._scale: float | None = None
        self._new_v: np.ndarray | None = None
        self._dtype: type[np.floating] = np.float64
        self._start_pass()

    @on_one_thread
    def update(self, block: Any) -> None:
        """Takes the next rows of the current pass, shape `(rows, ...)`.

        A tensor on an accelerator is multiplied there; only products leave it.

        Raises:
            ValueError: A block of the wrong shape or kind, or with NaN or infinity.
        """
        block = as_rows(block)
        if block.shape[0] == 0:
            return
        if self._new_v is None:
            self._begin(block)
        if block.shape[1] != self._new_v.shape[1]:
            raise ValueError(
                "All row blocks need the same number of features. Received a block "
                f"of {block.shape[1]} after blocks of {self._new_v.shape[1]}."
            )
        if self._scale is None:
            self._scale = safe_scale(block)
        if self._before_pass is not None:
            self._before_pass()
            self._before_pass = None
        some = np.asarray(block[: self._n_compared(block)], np.float64)
        some = some * (self._scale or 1.0)
        if self.n_passes:
            self._check_same_rows(some)
        products = row_products(
            block,
            self._new_v,
            self._dtype,
            scale=self._scale or 1.0,
            with_squares=self._with_moments,
            with_sums=self._with_moments and self.centered_passes is not None,
        )
        if self._with_moments:
            if not math.isfinite(products.row_squares.sum()):
                check_finite(block, self._n_rows)
            self._row_squares.append(products.row_squares)
            if self.centered_passes is not None:
                self._column_sums = self._column_sums + products.column_sums
        self._measure_rounding(some, products.y)
        self._new_y.append(products.y)
        self._new_z = self._new_z + products.z
        self._n_rows += block.shape[0]

    @on_one_thread
    def end_pass(self) -> bool:
        """Closes a pass. Returns `True`, and sets `done`, when no other is needed.

        Raises:
            ValueError: No rows, one row, a zero matrix, or other rows than in the
                first pass.
        """
        if self.n_passes == 0:
            if not self._close_first_pass():
                return False  # once more, in float64
        elif self._n_rows != len(self._squares_of_rows):
            self._raise_other_rows()
        if self._with_moments:
            self._take_moments()
        self._v = np.concatenate([self._v, self._new_v])
        self._z = np.concatenate([self._z, self._new_z])
        # The longest ones are not copied from pass to pass.
        self._y.append(np.concatenate(self._new_y, axis=1))
        self.n_passes += 1

        self._wanted = self._rayleigh_ritz()
        self.done = self.n_passes >= self.max_passes
        if not self.done:
            fresh = self._next_directions(self._wanted)
            self.done = len(fresh) == 0
        if not self.done:
            is_full = len(self._v) + len(fresh) > _MAX_BASIS + self.k
            if is_full and self._before_pass is None:
                self._before_pass = functools.partial(self._restart, self._wanted)
            self._new_v = fresh
            self._start_pass()
        return self.done

    @on_one_thread
    def result(self) -> SingularTriplets:
        """The triplets as known after the last closed pass."""
        if self._wanted is None:
            raise RuntimeError("No pass was closed: call `end_pass()` first.")
        plain, centered = self._wanted.plain, self._wanted.centered
        k = _n_determined(plain, self._rounding())
        unscale = 1.0 / (self._scale or 1.0)
        left = self._combined_y(plain.coefficients[:, :k])
        left /= np.linalg.norm(left, axis=1, keepdims=True)
        centered_left = None
        if centered is not None:
            coefficients = centered.coefficients[:, :1]
            (centered_left,) = self._combined_y(coefficients)
            centered_left -= self._mean @ (coefficients[:, 0] @ self._v)
            centered_left /= np.linalg.norm(centered_left)
        return SingularTriplets(
            left=np.ascontiguousarray(left.T),
            right=(plain.coefficients[:, :k].T @ self._v).T,
            singular_values=np.sqrt(plain.values[: k + 1]) * unscale,
            error_deg=plain.error_deg[:k],
            frobenius_norm=math.sqrt(self._energy) * unscale,
            row_norms=np.sqrt(self._squares_of_rows) * unscale,
            centered_left=centered_left,
            centered_error_deg=90.0 if centered is None else centered.error_deg[0],
            centered_singular_value=(
                None if centered is None else math.sqrt(centered.values[0]) * unscale
            ),
            centered_frobenius_norm=(
                None
                if self.centered_passes is None
                else math.sqrt(max(self._centered_energy(), 0.0)) * unscale
            ),
            n_passes=self.n_passes,
        )

    def directions(self) -> np.ndarray:
        """Approximate right singular vectors, of more than are wanted, to start a
        solver of a similar matrix from; shape `(n_features, columns)`."""
        if self._wanted is None:
            raise RuntimeError("No pass was closed: call `end_pass()` first.")
        n = max(self.k, self.block_size)
        coefficients = [self._wanted.plain.coefficients[:, :n]]
        if self._wanted.centered is not None:
            coefficients.append(self._wanted.centered.coefficients[:, :n])
        return (np.linalg.qr(np.concatenate(coefficients, axis=1))[0].T @ self._v).T

    def _begin(self, block: Any) -> None:
        """Chooses precision and first directions by the first block."""
        self._scale = safe_scale(block)
        n_features = block.shape[1]
        if n_features > _DENSE_FEATURES:
            self._dtype = working_dtype(block)
        self._new_v = _start_directions(
            block, max(self.k, self.block_size), self._start
        )

    def _start_pass(self) -> None:
        self._n_rows = 0
        if self._with_moments:
            self._row_squares: list[np.ndarray] = []
            self._column_sums: Any = 0.0
        self._new_y: list[np.ndarray] = []
        self._new_z: Any = 0.0

    def _close_first_pass(self) -> bool:
        """Takes note of what the first pass gives once; `False` if float32 was too
        narrow for it, so that it has to be made again."""
        n = self._n_rows
        if n < 2:
            raise ValueError(
                "A P-vector needs at least two samples (rows). Received: "
                f"{'an empty matrix' if n == 0 else 'one row'}."
            )
        energy = float(sum(squares.sum() for squares in self._row_squares))
        low, high = _FLOAT32_SAFE
        if self._dtype is np.float32 and not low < energy < high:
            self._dtype = np.float64
            self._start_pass()
            return False
        if energy == 0.0:
            raise ZeroMatrixError(
                "All features are zero: a zero matrix has no singular vector. The "
                "layer is dead, its weights are still zero, or the training diverged."
            )
        if not math.isfinite(energy):
            raise ValueError(
                "The features span more than float64 can square. Divide them by their "
                "largest absolute value."
            )
        self._forget_products()
        return True

    def _take_moments(self) -> None:
        """What a pass gives once, and once more in float64."""
        self._squares_of_rows = np.concatenate(self._row_squares)
        self._energy = float(self._squares_of_rows.sum())
        n_features = self._new_v.shape[1]
        self._mean = self._column_sums / self._n_rows + np.zeros(n_features)
        self._with_moments = False

    def _forget_products(self) -> None:
        n_features = self._new_v.shape[1]
        self._v = np.zeros((0, n_features))
        self._z = np.zeros((0, n_features))
        self._y: list[np.ndarray] = []

    def _combined_y(self, coefficients: np.ndarray) -> np.ndarray:
        """`(X V C)^T` for the coefficients `C`, shape `(columns of C, n_samples)`."""
        combined, start = 0.0, 0
        for y in self._y:
            of_these = coefficients[start : start + len(y)]
            combined = combined + of_these.T @ y
            start += len(y)
        return combined

    def _n_compared(self, block: Any) -> int:
        return min(_COMPARED_ROWS + _COMPARED_ENTRIES // block.shape[1], block.shape[0])

    def _check_same_rows(self, some: np.ndarray) -> None:
        """Compares some rows with those of the first pass, by their norms."""
        known = self._squares_of_rows[self._n_rows :][: len(some)]
        squares = np.einsum("ij,ij->i", some[: len(known)], some[: len(known)])
        # A row of next to nothing may differ by as much as it is.
        atol = _SAME_ROW * self._energy / len(self._squares_of_rows)
        if not (np.abs(squares - known) <= atol + _SAME_ROW * known).all():
            self._raise_other_rows()

    def _measure_rounding(self, some: np.ndarray, y: np.ndarray) -> None:
        """Compares products of some rows with the same in float64: errors of sums of
        numbers that are alike are not of either sign."""
        if self._dtype is not np.float32 or len(self._new_v) == self._new_v.shape[1]:
            return
        lengths = np.sqrt(np.einsum("ij,ij->i", some, some))
        errors = np.abs(self._new_v @ some.T - y[:, : len(some)])
        relative = errors / np.maximum(lengths, np.finfo(float).tiny)
        largest = float(relative.max(initial=0.0))
        if math.isfinite(largest):  # else told by an error when the pass closes
            self._measured_rounding = max(self._measured_rounding, largest)

    def _raise_other_rows(self) -> None:
        raise ValueError(
            f"The rows changed between passes: {len(self._squares_of_rows)} in the "
            f"first; pass "
            f"{self.n_passes + 1} has another number, or another order. Give the same "
            "rows in the same order each time; a shuffled dataset does not."
        )

    def _rounding(self) -> float:
        """What rounding may leave in a product, relative to the norms of its factors.

        Sums within a part of the rows are in the working precision, in several partial
        sums at a time; their errors are of either sign, unless some rows show larger
        ones.
        """
        eps = float(np.finfo(self._dtype).eps)
        model = eps * (4 + math.sqrt(self._v.shape[1]) / 16)
        return max(model, 2 * self._measured_rounding)

    def _rayleigh_ritz(self) -> _Wanted:
        n = len(self._squares_of_rows)
        is_full = self._v.shape[0] == self._v.shape[1] and self.n_passes == 1
        # In a full basis, X^T X is known already.
        gram = self._z if is_full else self._v @ self._z.T
        gram = (gram + gram.T) / 2
        mean_in_basis = self._v @ self._mean
        rounding = self._rounding()
        passes = _PASSES_TO_MEET if self._start is None else _PASSES_TO_MEET_WARM
        has_met = is_full or self.n_passes >= passes
        plain = _ritz_pairs(
            gram, self._energy, self.k, self._residual, rounding, has_met
        )
        centered = None
        centered_energy = self._centered_energy()
        wanted = self.centered_passes is not None
        if wanted and centered_energy > 100 * rounding * self._energy:
            shift = n * np.outer(mean_in_basis, mean_in_basis)
            centered = _ritz_pairs(
                gram - shift,
                centered_energy,
                1,
                lambda c, values: (
                    self._residual(c, values)
                    - n * np.outer(mean_in_basis @ c, self._mean)
                ),
                rounding,
                has_met,
                floor=rounding * self._energy,
            )
        return _Wanted(plain, centered)

    def _centered_energy(self) -> float:
        """Squared Frobenius norm of the centred matrix, but for rounding."""
        n = len(self._squares_of_rows)
        return self._energy - n * float(self._mean @ self._mean)

    def _residual(self, coefficients: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Residuals of Ritz pairs, one a row."""
        combine = coefficients.T
        return combine @ self._z - values[:, None] * (combine @ self._v)

    def _next_directions(self, wanted: _Wanted) -> np.ndarray:
        """Directions to add: residuals of all that is not yet known well enough.

        The centred matrix differs from the plain one by the mean direction alone, so
        one basis that holds the mean serves both.
        """
        candidates = []
        plain, centered = wanted.plain, wanted.centered
        if plain.error_deg.max() > self.tolerance_deg:
            if self._dtype is np.float32 and self._is_rounding(plain):
                return self._turn_to_float64(wanted)
            candidates.append(plain.residuals[self._to_improve(plain)])
            self._plain_passes = self.n_passes + 1
        if self._centered_needs_more(centered):
            candidates.append(centered.residuals[: self.block_size])
        if not candidates or self._v.shape[0] >= self._v.shape[1]:
            return self._v[:0]
        if self.n_passes == 1 and self.centered_passes is not None:
            candidates.append(self._mean[None])
        smallest = self._rounding() * plain.values[0]
        return _orthonormal_complement(np.concatenate(candidates), self._v, smallest)

    def _to_improve(self, plain: _RitzPairs) -> np.ndarray:
        """Which pairs to add the residuals of: of those that are not yet known well
        enough; of the one below, if it is what leaves the gap open; and, as long as
        the gap hangs on a direction that may not have been met, of the one that knows
        the least, which holds the random direction."""
        open_pairs = np.flatnonzero(plain.error_deg > self.tolerance_deg)
        below = len(plain.error_deg)
        n_pairs = len(plain.residuals)
        if below < n_pairs and plain.apparent_error_deg <= self.tolerance_deg:
            open_pairs = np.append(open_pairs, below)
        if not plain.gaps_are_bounded:
            least_known = np.linalg.norm(plain.residuals, axis=1).argmax()
            open_pairs = np.append(open_pairs, least_known)
        open_pairs = np.unique(open_pairs)
        if len(open_pairs) > SINGLE_DIRECTIONS or len(open_pairs) < self.block_size:
            others = np.setdiff1d(np.arange(n_pairs), open_pairs)
            open_pairs = np.append(open_pairs, others)[: max(len(open_pairs), _BLOCK)]
        return open_pairs

    def _is_rounding(self, plain: _RitzPairs) -> bool:
        """Whether what is left of the residuals is what float32 cannot tell: less than
        it is trusted with, or little, and no less than after the pass before."""
        still_open = np.flatnonzero(plain.error_deg > self.tolerance_deg)
        norms = np.linalg.norm(plain.residuals[still_open], axis=1)
        trusted = self._rounding() * plain.values[0]
        before, self._residual_norm = self._residual_norm, float(norms.max())
        stands_still = self._residual_norm > before / 2
        return self._residual_norm < (8 * trusted if stands_still else trusted)

    def _turn_to_float64(self, wanted: _Wanted) -> np.ndarray:
        """Has the next pass forget the products; keeps the directions that matter."""

        def turn() -> None:
            self._dtype = np.float64
            self._measured_rounding = 0.0
            self._with_moments = True
            self._start_pass()
            self._forget_products()

        self._before_pass = turn
        self._plain_passes = self.n_passes + 1
        return self._kept(wanted).T @ self._v

    def _centered_needs_more(self, centered: _RitzPairs | None) -> bool:
        if centered is None:
            return False
        if self.n_passes >= self._plain_passes + self.centered_passes:
            return False
        # The more so where a pass is expensive.
        enough = _CENTERED_TOLERANCE_DEG * self.block_size
        return centered.error_deg[0] > max(self.tolerance_deg, enough)

    def _restart(self, wanted: _Wanted) -> None:
        """Shrinks the basis to its best part, so that memory stays bounded."""
        combine = self._kept(wanted)
        self._v, self._z = combine.T @ self._v, combine.T @ self._z
        self._y = [self._combined_y(combine).astype(self._dtype)]

    def _kept(self, wanted: _Wanted) -> np.ndarray:
        """Combinations of the basis that span its best part, orthonormal."""
        keep = [wanted.plain.coefficients[:, : self.k + 8]]
        if wanted.centered is not None:
            keep.append(wanted.centered.coefficients[:, :8])
        return np.linalg.qr(np.concatenate(keep, axis=1))[0]


@dataclasses.dataclass(frozen=True, eq=False)
class _RitzPairs:
    """Approximate eigenpairs of `X^T X` within the basis, largest first."""

    values: np.ndarray  # (m,)
    coefficients: np.ndarray  # (m, m)
    residuals: np.ndarray  # (wanted and some more, n_features)
    error_deg: np.ndarray  # (wanted,)
    apparent_error_deg: float  # of the last one, if the next were as it appears
    gaps_are_bounded: bool  # whether energy, or enough passes, bound what is missed


@dataclasses.dataclass(frozen=True, eq=False)
class _Wanted:
    plain: _RitzPairs
    centered: _RitzPairs | None


def _ritz_pairs(
    gram: np.ndarray,
    energy: float,
    k: int,
    residual: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rounding: float,
    has_met: bool,
    floor: float = 0.0,
) -> _RitzPairs:
    values, coefficients = np.linalg.eigh(gram)
    values, coefficients = np.maximum(values[::-1], 0.0), coefficients[:, ::-1]
    # Of a new basis all pairs, the random direction among them.
    m = min(max(k + 1, _NEW_BASIS), values.size)
    residuals = residual(coefficients[:, :m], values[:m])
    # What rounding alone leaves in a residual is part of the bound.
    norms = np.linalg.norm(residuals, axis=1) + rounding * values[0] + floor
    k = min(k, values.size)
    gaps = [_gap(values, norms, energy, i, has_met) for i in range(k)]
    errors = [
        _error_bound_deg(values, norms, i, gap, rounding) for i, gap in enumerate(gaps)
    ]
    below = values[k] if k < values.size else 0.0
    apparent = _error_bound_deg(
        values, norms, k - 1, float(values[k - 1] - below), rounding
    )
    bounded = has_met or all(gap > 0 for gap in gaps)
    return _RitzPairs(
        values, coefficients, residuals, np.array(errors), apparent, bounded
    )


def _n_determined(pairs: _RitzPairs, rounding: float) -> int:
    """How many of the wanted pairs are more than rounding; at least one."""
    known = pairs.error_deg < 90.0
    known |= pairs.values[: len(known)] > 4 * rounding * pairs.values[0]
    return max(int(np.argmin(np.append(known, False))), 1)


def _gap(
    values: np.ndarray, norms: np.ndarray, energy: float, i: int, has_met: bool
) -> float:
    """Bound on the distance of eigenvalue `i` to the others; it may be negative."""
    gap = float(values[i]) - _below(values, norms, energy, i, has_met)
    if i > 0:
        gap = min(gap, float(values[i - 1] - norms[i - 1] - values[i]))
    return gap


def _below(
    values: np.ndarray, norms: np.ndarray, energy: float, i: int, has_met: bool
) -> float:
    """Bound on the eigenvalue that comes after number `i`.

    It is at most the energy that the ones above leave over, whatever the basis. It is
    also at most its approximation plus residual, once that is near an eigenpair and not
    a mixture of many, if the basis has met every large direction: one of its first
    directions is random, and is followed for some passes (`has_met`) before this is
    relied on. That is not a proof, but what it misses is unlikely and small.
    """
    below = max(energy - float(values[: i + 1].sum()), 0.0)
    if has_met and i + 1 < norms.size and norms[i + 1] <= _NEAR * values[i + 1]:
        below = min(below, float(values[i + 1] + norms[i + 1]))
    return below


def _error_bound_deg(
    values: np.ndarray, norms: np.ndarray, i: int, gap: float, rounding: float
) -> float:
    """Bound on the angle of left singular vector `i`, in degrees."""
    if gap <= 0 or norms[i] >= gap:
        return 90.0
    # X maps the error of the right vector to the left side; it shrinks by
    # sigma_j / sigma_i in every other direction j, so it can grow only for i > 0. So
    # does the rounding of the product itself.
    growth = math.sqrt(float(values[0] / values[i]))
    angle = math.atan(growth * math.tan(math.asin(norms[i] / gap)))
    return min(math.degrees(angle + growth * rounding), 90.0)


def _start_directions(
    block: Any, n_columns: int, start: np.ndarray | None
) -> np.ndarray:
    """The first directions, orthonormal, one a row.

    A full basis where there are few features. Else the top right singular vectors of
    some rows of the first block, or those that are given, and a random one.
    """
    n_features = block.shape[1]
    if n_features <= _DENSE_FEATURES:
        return np.eye(n_features)
    fewest, most = _SAMPLE_ROWS
    n_rows = min(max(math.isqrt(block.shape[0]), fewest), most, block.shape[0])
    stride = block.shape[0] // n_rows
    sample = np.asarray(block[: n_rows * stride : stride])
    largest = float(np.abs(sample).max(initial=0.0))
    if not (0 < largest < np.inf):  # zero or not finite: told when the pass closes
        sample, largest = np.ones((1, n_features)), 1.0
    sample = (sample / largest).astype(np.float32)
    gram = sample @ sample.T
    rng = np.random.default_rng(zlib.crc32(gram.tobytes()))
    if start is not None:
        start = np.asarray(start, np.float64)
        if start.ndim != 2 or len(start) != n_features or not np.isfinite(start).all():
            raise ValueError(
                f"`start` must be finite, of shape ({n_features}, columns). Received "
                f"shape: {start.shape}"
            )
    else:
        m = len(sample)
        top = [max(m - n_columns, 0), m - 1]
        left = eigh(gram.astype(np.float64), subset_by_index=top)[1]
        start = (left.astype(np.float32).T @ sample).T
    directions = np.vstack([start.T, rng.standard_normal(n_features)])
    return _orthonormal_complement(directions, np.zeros((0, n_features)), 0.0)


def _orthonormal_complement(
    candidates: np.ndarray, basis: np.ndarray, smallest: float
) -> np.ndarray:
    """Orthonormal rows that span what the rows of `candidates` add to `basis`."""
    lengths = np.linalg.norm(candidates, axis=1)
    rows = (candidates / np.maximum(lengths, 1e-300)[:, None])[lengths > smallest]
    rows = rows[: basis.shape[1] - len(basis)]
    for _ in range(2):  # "twice is enough" (Parlett)
        rows = rows - (rows @ basis.T) @ basis
        if len(rows) == 1:
            lengths = np.linalg.norm(rows, axis=1)
            orthonormal = rows / np.maximum(lengths, 1e-300)
        else:
            columns, triangle = np.linalg.qr(rows.T)
            orthonormal, lengths = columns.T, np.abs(np.diag(triangle))
        # What lies in the basis, or in the rows before, adds nothing but rounding.
        rows = orthonormal[lengths > 1e-8]
    return rows


@on_one_thread
def top_singular_triplets(
    blocks: Iterable[Any],
    k: int = 1,
    *,
    tolerance_deg: float = DEFAULT_TOLERANCE_DEG,
    centered_passes: int | None = _CENTERED_PASSES,
) -> SingularTriplets:
    """Triplets of a matrix given as row blocks that can be iterated over repeatedly.

    Args:
        blocks: Iterable of arrays or tensors, each of shape `(rows, ...)`; every
            iteration has to give the same rows in the same order.
        k: Number of left singular vectors.
        tolerance_deg: Wanted bound on their angular error, in degrees.
        centered_passes: As in `LeftSingularSolver`.

    Raises:
        ValueError: Blocks that do not make a matrix of at least two finite, not all
            zero rows.
    """
    solver = LeftSingularSolver(
        k, tolerance_deg=tolerance_deg, centered_passes=centered_passes
    )
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
    while not check.done:
        check.update(rows)
        check.end_pass()
    scale = check._scale or 1.0

    x = tf.cast(rows, tf.float64) * scale
    energy = float(tf.reduce_sum(x * x))
    sigma, u, v = tf.linalg.svd(x, full_matrices=False)
    mean = tf.reduce_mean(x, axis=0)
    centered = centered_value = None
    centered_error = 90.0
    centered_energy = energy - x.shape[0] * float(tf.reduce_sum(mean * mean))
    eps = np.finfo(np.float64).eps
    if centered_energy > 100 * eps * energy:
        centered_sigma, centered_u, _ = tf.linalg.svd(x - mean, full_matrices=False)
        centered = centered_u[:, 0].numpy()
        centered_value = float(centered_sigma[0]) / scale
        centered_error = _backward_error_deg(centered_sigma.numpy(), 0)
    values = sigma.numpy()
    # What is zero but for rounding has no direction.
    k = min(k, max(int((values > values.size * eps * values[0]).sum()), 1))
    return SingularTriplets(
        left=u[:, :k].numpy(),
        right=v[:, :k].numpy(),
        singular_values=values[: k + 1] / scale,
        error_deg=np.array([_backward_error_deg(values, i) for i in range(k)]),
        frobenius_norm=math.sqrt(energy) / scale,
        row_norms=tf.norm(x, axis=1).numpy() / scale,
        centered_left=centered,
        centered_error_deg=centered_error,
        centered_singular_value=centered_value,
        centered_frobenius_norm=math.sqrt(max(centered_energy, 0.0)) / scale,
        n_passes=1,
    )


def _backward_error_deg(singular_values: np.ndarray, i: int) -> float:
    """Wedin's bound for the rounding of a backward stable SVD, in degrees."""
    neighbours = np.delete(singular_values, i)
    gap = np.abs(neighbours - singular_values[i]).min(initial=singular_values[i])
    eps = np.finfo(np.float64).eps
    rounding = singular_values.size * eps * singular_values[0]
    if rounding >= gap:
        return 90.0
    return math.degrees(math.asin(rounding / gap))
