"""The solver for matrices read in blocks of rows, and a function that runs it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_pvec.solver.bounds import certify_errors, n_determined
from keras_pvec.solver.krylov import absorb, first_step, in_float64, next_step
from keras_pvec.solver.passes import RowPass
from keras_pvec.solver.rows import as_rows
from keras_pvec.solver.settings import (
    DEFAULT_CENTERED_PASSES,
    DEFAULT_LIMITS,
    DEFAULT_TOLERANCE_DEG,
    Limits,
    Settings,
)
from keras_pvec.solver.state import State, Step
from keras_pvec.solver.threads import single_threaded_blas
from keras_pvec.solver.triplets import SingularTriplets, too_few_rows


class LeftSingularSolver:
    """Finds `SingularTriplets` of a matrix fed to it in blocks of rows, pass by pass.

    Several solvers can be fed from one source of rows, which is how all layers of a
    model share a forward pass. The result depends on the arguments and the rows only:
    the random start is seeded by the rows, and no global random state is used.

    Args:
        k: Number of left singular vectors.
        tolerance_deg: Stop when every estimated error is at most this many degrees.
        max_passes: Stop after this many passes in any case; `error_deg` of the result
            says how accurate it is.
        centered_passes: How many passes beyond those of the vectors themselves may be
            spent on the vector of the column-centred matrix, which is found from the
            same passes; `None` to omit it.
        block_size: Smallest number of directions that a pass improves. One is fastest
            where the rows are in memory; where they are expensive to compute, more
            directions save passes.
        start: Right singular vectors to start from, shape `(n_features, columns)`,
            such as `directions()` of a solver of a similar matrix.
        limits: Constants of the method.

    Attributes:
        done: Whether no further pass is needed.

    Raises:
        ValueError: An argument that is out of range.

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
        centered_passes: int | None = DEFAULT_CENTERED_PASSES,
        block_size: int = 1,
        start: np.ndarray | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._settings = Settings(
            k=k,
            tolerance_deg=tolerance_deg,
            max_passes=max_passes,
            centered_passes=centered_passes,
            block_size=block_size,
            warm_start=start is not None,
            limits=limits,
        )
        self._start = None if start is None else _checked_start(start)
        self._open_pass: tuple[Step, RowPass] | None = None
        self._state: State | None = None
        self.done = False

    @property
    def n_passes(self) -> int:
        """Number of closed passes."""
        return 0 if self._state is None else self._state.history.n_passes

    @single_threaded_blas
    def update(self, block: Any) -> None:
        """Takes the next rows of the current pass.

        Args:
            block: Array or tensor of shape `(rows, ...)`. A tensor on an accelerator is
                multiplied there; only products leave it.

        Raises:
            ValueError: A block of the wrong shape or type, with NaN or infinity, or
                with other rows than in the first pass.
        """
        block = as_rows(block)
        if block.shape[0] == 0:
            return
        if self._open_pass is None:
            step = first_step(block, self._settings, self._start)
            self._open_pass = step, RowPass(step.request)
        self._open_pass[1].add(block)

    @single_threaded_blas
    def end_pass(self) -> bool:
        """Closes a pass.

        Returns:
            `done`: whether no further pass is needed.

        Raises:
            ValueError: No rows, one row, a zero matrix, or another number of rows than
                in the first pass.
        """
        if self._open_pass is None:
            raise too_few_rows(0)
        step, row_pass = self._open_pass
        following: Step | None
        if row_pass.exceeds_float32():
            following = in_float64(step)
        else:
            self._state = absorb(step, row_pass.close(), self._settings)
            following = next_step(self._state, self._settings)
        self.done = following is None
        if following is not None:
            self._open_pass = following, RowPass(following.request)
        return self.done

    @single_threaded_blas
    def result(self) -> SingularTriplets:
        """The triplets as known after the last closed pass.

        Raises:
            RuntimeError: No pass was closed.
        """
        return _triplets(self._closed_state())

    def directions(self) -> np.ndarray:
        """Approximate right singular vectors to start a solver of a similar matrix.

        Returns:
            The leading directions of the plain and of the centred matrix, as many as a
            pass improves, shape `(n_features, columns)`, orthonormal columns.

        Raises:
            RuntimeError: No pass was closed.
        """
        state = self._closed_state()
        n = self._settings.n_leading
        coefficients = [state.plain.coefficients[:, :n]]
        if state.centered is not None:
            coefficients.append(state.centered.coefficients[:, :n])
        combine = np.linalg.qr(np.concatenate(coefficients, axis=1))[0]
        return (combine.T @ state.basis.v).T

    def _closed_state(self) -> State:
        if self._state is None:
            raise RuntimeError("No pass was closed: call `end_pass()` first.")
        return self._state


@single_threaded_blas
def top_singular_triplets(
    blocks: Iterable[Any],
    k: int = 1,
    *,
    tolerance_deg: float = DEFAULT_TOLERANCE_DEG,
    centered_passes: int | None = DEFAULT_CENTERED_PASSES,
) -> SingularTriplets:
    """Triplets of a matrix given as row blocks that can be iterated over repeatedly.

    Args:
        blocks: Iterable of arrays or tensors, each of shape `(rows, ...)`; every
            iteration must yield the same rows in the same order.
        k: Number of left singular vectors.
        tolerance_deg: Iterate until their estimated errors are at most this many
            degrees.
        centered_passes: As in `LeftSingularSolver`.

    Returns:
        The triplets.

    Raises:
        ValueError: An argument that is out of range, or blocks that do not form a
            finite, nonzero matrix of at least two rows.
    """
    solver = LeftSingularSolver(
        k, tolerance_deg=tolerance_deg, centered_passes=centered_passes
    )
    while not solver.done:
        for block in blocks:
            solver.update(block)
        solver.end_pass()
    return solver.result()


def _checked_start(start: Any) -> np.ndarray:
    start = np.asarray(start, np.float64)
    if start.ndim != 2 or not np.isfinite(start).all():
        raise ValueError(
            "`start` must be finite, of shape (n_features, columns). "
            f"Received shape: {start.shape}"
        )
    return start


def _triplets(state: State) -> SingularTriplets:
    basis, moments, plain = state.basis, state.moments, state.plain
    unscale = 1.0 / moments.scale
    k = n_determined(plain.values, plain.errors.deg, state.rounding)
    certified = certify_errors(
        plain.values, plain.norms, moments.energy, k, rounding=state.rounding
    )
    left = basis.combined_y(plain.coefficients[:, :k])
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    centered_left = centered_value = None
    centered_error = 90.0
    if state.centered is not None and moments.centering is not None:
        coefficients = state.centered.coefficients[:, :1]
        (centered_left,) = basis.combined_y(coefficients)
        centered_left -= moments.centering.mean @ (coefficients[:, 0] @ basis.v)
        centered_left /= np.linalg.norm(centered_left)
        centered_error = float(state.centered.errors.deg[0])
        centered_value = math.sqrt(state.centered.values[0]) * unscale
    centered_norm = None
    if moments.centering is not None:
        centered_norm = math.sqrt(max(moments.centering.energy, 0.0)) * unscale
    return SingularTriplets(
        left=np.ascontiguousarray(left.T),
        right=(plain.coefficients[:, :k].T @ basis.v).T,
        singular_values=np.sqrt(plain.values[: k + 1]) * unscale,
        error_deg=plain.errors.deg[:k],
        certified_error_deg=certified,
        frobenius_norm=math.sqrt(moments.energy) * unscale,
        row_norms=np.sqrt(moments.row_squares) * unscale,
        centered_left=centered_left,
        centered_error_deg=centered_error,
        centered_singular_value=centered_value,
        centered_frobenius_norm=centered_norm,
        n_passes=state.history.n_passes,
    )
