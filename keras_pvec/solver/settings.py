"""The settings of the solver, and the constants of the method."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any

DEFAULT_TOLERANCE_DEG = 1e-3
# Where the centred spectrum is flat (pure noise), its vector is meaningless; it may
# cost at most this many extra passes.
DEFAULT_CENTERED_PASSES = 12


@dataclasses.dataclass(frozen=True)
class Limits:
    """Constants of the method. The defaults are tuned for speed; results within the
    tolerance do not depend on them.

    Attributes:
        dense_features: Up to this many features the first pass multiplies a full basis,
            that is, computes the whole Gram matrix, and no other pass is needed.
        sample_rows: Least and most rows of the sample of the first block.
        sampled_share: One row out of so many is sampled.
        start_rows: Most rows whose Gram matrix is decomposed, for the first directions
            or for what they are found from.
        start_share: These are one out of so many, if that is more.
        centered_start: Number of first directions for the centred vector.
        centered_new: Number of directions that a pass adds for it. Its spectrum decays
            slowly as a rule.
        wide_block: Least number of pairs to improve where more than a few are open, or
            where rows are expensive.
        max_basis: The basis is restarted before it exceeds `max_basis + k` directions.
        max_new_pairs: How many pairs have their residuals computed: as many as a new
            basis has, so that the random direction is among them.
        exploration_passes: Passes, which also follow a random direction, before the
            basis is assumed to span the leading directions.
        exploration_passes_warm: The same for a warm start from directions of a similar
            matrix.
        centered_tolerance_deg: Accuracy of the centred vector, in degrees; it is a
            secondary statistic and needs less than the vectors themselves.
    """

    dense_features: int = 64
    sample_rows: tuple[int, int] = (32, 2048)
    sampled_share: int = 48
    start_rows: int = 128
    start_share: int = 16
    centered_start: int = 4
    centered_new: int = 2
    wide_block: int = 8
    max_basis: int = 48
    max_new_pairs: int = 24
    exploration_passes: int = 3
    exploration_passes_warm: int = 2
    centered_tolerance_deg: float = 1e-2


DEFAULT_LIMITS = Limits()


@dataclasses.dataclass(frozen=True)
class Settings:
    """The checked arguments of a `LeftSingularSolver`, where they are described.

    Attributes:
        warm_start: Whether the caller provides the first directions.
    """

    k: int = 1
    tolerance_deg: float = DEFAULT_TOLERANCE_DEG
    max_passes: int = 200
    centered_passes: int | None = DEFAULT_CENTERED_PASSES
    block_size: int = 1
    warm_start: bool = False
    limits: Limits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        check_count("k", self.k)
        check_count("max_passes", self.max_passes)
        check_count("block_size", self.block_size)
        if self.centered_passes is not None:
            check_count("centered_passes", self.centered_passes, smallest=0)
        check_tolerance(self.tolerance_deg)

    @property
    def n_leading(self) -> int:
        """How many leading directions a pass follows at least."""
        return max(self.k, self.block_size)

    @property
    def n_centered_start(self) -> int:
        """How many first directions are for the centred vector."""
        if self.centered_passes is None or self.block_size > 1:
            return 0
        return self.limits.centered_start

    @property
    def n_centered_new(self) -> int:
        """How many directions a pass adds for the centred vector."""
        return max(self.block_size, self.limits.centered_new)

    @property
    def exploration_passes(self) -> int:
        """Passes before the basis is assumed to span the leading directions."""
        if self.warm_start:
            return self.limits.exploration_passes_warm
        return self.limits.exploration_passes


def check_count(name: str, value: Any, *, smallest: int = 1) -> None:
    """Raises `ValueError` unless an argument is an integer of at least `smallest`."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or value < smallest:
        raise ValueError(
            f"`{name}` must be an integer, at least {smallest}. "
            f"Received: {name}={value!r}"
        )


def check_tolerance(value: Any) -> None:
    """Raises `ValueError` unless a tolerance is a positive, finite number."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:
        raise ValueError(
            "`tolerance_deg` must be a positive number of degrees. "
            f"Received: tolerance_deg={value!r}"
        )
