"""The state of the iteration: what is kept from pass to pass."""

from __future__ import annotations

import dataclasses
import math

from keras_pvec.solver.basis import Basis
from keras_pvec.solver.passes import Moments, PassRequest, Precision
from keras_pvec.solver.ritz import RitzPairs
from keras_pvec.solver.sample import RowSample


@dataclasses.dataclass(frozen=True)
class History:
    """What the choice of the next directions requires from earlier passes.

    Attributes:
        n_passes: Number of passes so far.
        plain_passes: Number of the last pass that the vectors themselves needed; later
            ones are for the centred vector only.
        residual_norm: Largest residual of a vector that was not accurate enough, after
            the last pass in float32.
    """

    n_passes: int = 0
    plain_passes: int = 1
    residual_norm: float = math.inf


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """A pass to run, and the basis that its products extend.

    Attributes:
        request: What the pass is to compute.
        basis: The basis that the directions of the request are added to.
        sample: The sample of the rows.
        history: What was known when the step was chosen.
    """

    request: PassRequest
    basis: Basis
    sample: RowSample
    history: History


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """What is known after a pass.

    Attributes:
        basis: The directions so far, and their products.
        moments: Moments of the matrix.
        precision: Type and rounding errors of the products.
        sample: The sample of the rows.
        plain: Ritz pairs of the matrix.
        centered: Ritz pairs of the centred matrix; `None` if it is zero, or not asked
            for.
        history: The history, including this pass.
    """

    basis: Basis
    moments: Moments
    precision: Precision
    sample: RowSample
    plain: RitzPairs
    centered: RitzPairs | None
    history: History

    @property
    def rounding(self) -> float:
        """Error of a product, relative to the norms of its factors."""
        return self.precision.rounding(self.basis.v.shape[1])
