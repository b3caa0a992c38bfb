"""The solver of one layer, fed block by block."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_pvec.solver import LeftSingularSolver, SingularTriplets, as_rows

# A streamed layer needs a forward pass for each pass of the solver.
_STREAMED_MAX_PASSES = 30
_STREAMED_CENTERED_PASSES = 2
_STREAMED_BLOCK = 8


class LayerSolver:
    """The solver of one layer, with its features if they are held.

    An error stops only this layer; the others continue.

    Args:
        k: Number of left singular vectors.
        is_streamed: Whether each pass over the features is a forward pass, because they
            are too large to hold.
        start: Directions from which a streamed layer starts, such as those of an
            earlier measurement; shape `(n_directions, n_features)`.
    """

    def __init__(
        self, k: int, *, is_streamed: bool, start: np.ndarray | None = None
    ) -> None:
        self.is_streamed = is_streamed
        self.error: ValueError | None = None
        self._solver = (
            LeftSingularSolver(
                k,
                max_passes=_STREAMED_MAX_PASSES,
                centered_passes=_STREAMED_CENTERED_PASSES,
                block_size=_STREAMED_BLOCK,
                start=start,
            )
            if is_streamed
            else LeftSingularSolver(k)
        )
        self._blocks: list[Any] = []

    @property
    def is_unfinished(self) -> bool:
        return self.error is None and not self._solver.done

    def update(self, block: Any) -> None:
        """Takes the next block of rows of the current pass."""
        self._feed(block)
        if not self.is_streamed and self.error is None:
            self._blocks.append(as_rows(block))

    def end_pass(self) -> None:
        if self.error is not None:
            return
        try:
            self._solver.end_pass()
        except ValueError as error:
            self.error = error

    def solve_held(self) -> None:
        """Iterates on the features that are held, if any, and releases them."""
        if not self.is_streamed:
            blocks, self._blocks = self._blocks, []
            while self.is_unfinished:
                for block in blocks:
                    self._feed(block)
                self.end_pass()

    def _feed(self, block: Any) -> None:
        if self.error is not None:
            return
        try:
            self._solver.update(block)
        except ValueError as error:
            self.error = error

    def directions(self) -> np.ndarray:
        return self._solver.directions()

    def result(self) -> SingularTriplets:
        return self._solver.result()
