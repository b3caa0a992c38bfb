"""One pass over the rows: the products of all blocks, and checks of what is read."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NoReturn

import numpy as np

from keras_pvec.solver.arrays import to_numpy
from keras_pvec.solver.products import row_products
from keras_pvec.solver.rows import check_finite, safe_scale
from keras_pvec.solver.triplets import check_energy, too_few_rows

# The squared norm of a row may differ by this share from pass to pass: features that
# are recomputed on an accelerator, in half precision, differ a little.
_ROW_SQUARES_RTOL = 0.05
# How many rows of a block are compared: at least this many rows, and about this many
# entries.
_COMPARED_ROWS = 4
_COMPARED_ENTRIES = 1 << 12
# Where sums of squares are within this range, float32 neither over- nor underflows.
_FLOAT32_SAFE = (1e-24, 1e30)


@dataclasses.dataclass(frozen=True, eq=False)
class Centering:
    """How the column-centred matrix differs from the matrix.

    Attributes:
        mean: Means of the columns, shape `(n_features,)`.
        n_rows: Number of rows that they are subtracted from.
        energy: Squared Frobenius norm of the centred matrix, up to rounding, which may
            leave it negative.
    """

    mean: np.ndarray
    n_rows: int
    energy: float


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of a matrix, in units of `1 / scale`.

    Attributes:
        row_squares: Squared norms of the rows, shape `(n_samples,)`.
        energy: Their sum, `||X||_F^2`.
        scale: Factor that the entries were multiplied by.
        centering: From the means of the columns; `None` if not requested.
    """

    row_squares: np.ndarray
    energy: float
    scale: float
    centering: Centering | None

    @property
    def n_rows(self) -> int:
        return len(self.row_squares)


@dataclasses.dataclass(frozen=True)
class Precision:
    """The precision of products.

    Attributes:
        dtype: Type of the products.
        measured: Largest relative error of a product that was measured.
    """

    dtype: type[np.floating] = np.float64
    measured: float = 0.0

    def rounding(self, n_features: int) -> float:
        """Error of a product, relative to the norms of its factors.

        Parts of the rows are summed in the working precision, in several partial sums.
        The model assumes rounding errors of random sign; the measured errors cover rows
        where the signs agree.
        """
        eps = float(np.finfo(self.dtype).eps)
        model = eps * (4 + math.sqrt(n_features) / 16)
        return max(model, 2 * self.measured)


@dataclasses.dataclass(frozen=True, eq=False)
class PassRequest:
    """What a pass is to compute.

    Attributes:
        directions: `V^T`, shape `(directions, n_features)`, orthonormal rows; the
            identity if there are as many directions as features.
        precision: The type of the products, and the errors measured so far.
        moments: Those of an earlier pass; `None` in the first one.
        with_moments: Whether to compute the moments.
        with_means: Whether they include the means of the columns.
        number: Number of the pass, from 1.
    """

    directions: np.ndarray
    precision: Precision
    moments: Moments | None = None
    with_moments: bool = False
    with_means: bool = False
    number: int = 1


@dataclasses.dataclass(frozen=True, eq=False)
class PassProducts:
    """What a pass has computed.

    Attributes:
        y: `(X V)^T`, shape `(directions, n_samples)`.
        z: `(X^T X V)^T`, shape `(directions, n_features)`.
        moments: New ones if they were requested, else those of the request.
        precision: That of the request, with the errors of this pass measured.
    """

    y: np.ndarray
    z: np.ndarray
    moments: Moments
    precision: Precision


class RowPass:
    """Adds up the products of one pass, block by block.

    Args:
        request: What to compute.
    """

    def __init__(self, request: PassRequest) -> None:
        n_features = request.directions.shape[1]
        self._request = request
        self._scale = None if request.moments is None else request.moments.scale
        self._n_rows = 0
        self._measured = request.precision.measured
        self._y: list[np.ndarray] = []
        self._z = np.zeros(request.directions.shape)
        self._row_squares: list[np.ndarray] = []
        self._column_sums = np.zeros(n_features)

    def add(self, block: Any) -> None:
        """Multiplies the next rows.

        Args:
            block: Array or tensor as `as_rows` returns it, with at least one row.

        Raises:
            ValueError: Another number of features than before, NaN or infinity, or
                other rows than in the first pass.
        """
        request = self._request
        n_rows, n_features = block.shape[0], request.directions.shape[1]
        if block.shape[1] != n_features:
            raise ValueError(
                "All row blocks need the same number of features. Received a block "
                f"of {block.shape[1]} after blocks of {n_features}."
            )
        if self._scale is None:
            self._scale = safe_scale(block)
        scale = self._scale or 1.0
        n_compared = min(_COMPARED_ROWS + _COMPARED_ENTRIES // n_features, n_rows)
        some_rows = to_numpy(block[:n_compared]).astype(np.float64) * scale
        self._check_same_rows(some_rows)
        products = row_products(
            block,
            request.directions,
            request.precision.dtype,
            scale=scale,
            with_squares=request.with_moments,
            with_sums=request.with_moments and request.with_means,
        )
        if request.with_moments:
            if not math.isfinite(products.row_squares.sum()):
                check_finite(block, self._n_rows)
            self._row_squares.append(products.row_squares)
            if request.with_means:
                self._column_sums += products.column_sums
        self._measure_rounding(some_rows, products.y)
        self._y.append(products.y)
        self._z += products.z
        self._n_rows += n_rows

    def exceeds_float32(self) -> bool:
        """Whether a first pass over- or underflowed in float32 and must be repeated."""
        request = self._request
        is_short = request.precision.dtype is np.float32
        if not is_short or request.moments is not None or self._n_rows < 2:
            return False
        low, high = _FLOAT32_SAFE
        return not low < self._energy() < high

    def close(self) -> PassProducts:
        """Ends the pass.

        Raises:
            ValueError: Fewer than two rows, a zero matrix, or another number of rows
                than in the first pass.
        """
        request = self._request
        if request.moments is not None and self._n_rows != request.moments.n_rows:
            self._raise_other_rows(request.moments)
        moments = self._new_moments() if request.with_moments else request.moments
        assert moments is not None  # the first pass computes them
        return PassProducts(
            y=np.concatenate(self._y, axis=1),
            z=self._z,
            moments=moments,
            precision=Precision(request.precision.dtype, self._measured),
        )

    def _energy(self) -> float:
        return float(sum(squares.sum() for squares in self._row_squares))

    def _new_moments(self) -> Moments:
        if self._n_rows < 2:
            raise too_few_rows(self._n_rows)
        if self._request.moments is None:
            check_energy(self._energy())
        row_squares = np.concatenate(self._row_squares)
        energy = float(row_squares.sum())
        centering = None
        if self._request.with_means:
            n, mean = self._n_rows, self._column_sums / self._n_rows
            centering = Centering(mean, n, energy - n * float(mean @ mean))
        return Moments(row_squares, energy, self._scale or 1.0, centering)

    def _check_same_rows(self, some_rows: np.ndarray) -> None:
        """Compares the norms of some rows with those of the first pass."""
        moments = self._request.moments
        if moments is None:
            return
        earlier = moments.row_squares[self._n_rows :][: len(some_rows)]
        some_rows = some_rows[: len(earlier)]
        squares = np.einsum("ij,ij->i", some_rows, some_rows)
        # Rows that are nearly zero may differ by their own size.
        atol = _ROW_SQUARES_RTOL * moments.energy / moments.n_rows
        if not (np.abs(squares - earlier) <= atol + _ROW_SQUARES_RTOL * earlier).all():
            self._raise_other_rows(moments)

    def _raise_other_rows(self, moments: Moments) -> NoReturn:
        raise ValueError(
            f"The rows changed between passes: the first pass had {moments.n_rows}; "
            f"pass {self._request.number} has a different number of rows, or a "
            "different order. Provide the same rows in the same order in every pass; "
            "do not shuffle the dataset."
        )

    def _measure_rounding(self, some_rows: np.ndarray, y: np.ndarray) -> None:
        """Compares products of some rows with the same products in float64."""
        v = self._request.directions
        if self._request.precision.dtype is not np.float32 or len(v) == v.shape[1]:
            return
        lengths = np.sqrt(np.einsum("ij,ij->i", some_rows, some_rows))
        errors = np.abs(v @ some_rows.T - y[:, : len(some_rows)])
        relative = errors / np.maximum(lengths, np.finfo(float).tiny)
        largest = float(relative.max(initial=0.0))
        if math.isfinite(largest):  # else the pass raises an error when it closes
            self._measured = max(self._measured, largest)
