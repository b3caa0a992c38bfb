"""An orthonormal basis of feature space, its products, and its first directions."""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

from keras_pvec.solver.orthogonal import orthonormal_complement
from keras_pvec.solver.sample import RowSample, leading_directions
from keras_pvec.solver.settings import Settings

# Rows that seed the random direction.
_SEED_ROWS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Basis:
    """Directions of feature space and their products with the matrix.

    Attributes:
        v: `V^T`, shape `(m, n_features)`, orthonormal rows.
        z: `(X^T X V)^T`, shape `(m, n_features)`.
        gram: `V^T X^T X V`, shape `(m, m)`, symmetric.
        y: `(X V)^T`, shape `(m, n_samples)`, in pieces as they were computed: these are
            the longest arrays, and are not copied from pass to pass.
    """

    v: np.ndarray
    z: np.ndarray
    gram: np.ndarray
    y: tuple[np.ndarray, ...] = ()

    @classmethod
    def empty(cls, n_features: int) -> Basis:
        nothing = np.zeros((0, n_features))
        return cls(nothing, nothing, np.zeros((0, 0)))

    @property
    def size(self) -> int:
        """Number of directions."""
        return len(self.v)

    @property
    def is_complete(self) -> bool:
        """Whether the directions span all of feature space."""
        return self.v.shape[0] == self.v.shape[1]

    def extended(self, v: np.ndarray, y: np.ndarray, z: np.ndarray) -> Basis:
        """The basis extended by directions that are orthogonal to its own; those that
        span all features are the identity."""
        n, all_v = self.size, np.concatenate([self.v, v])
        new = z.T if len(v) == v.shape[1] else all_v @ z.T
        gram = np.empty((len(all_v), len(all_v)))
        gram[:n, :n] = self.gram
        gram[:, n:], gram[n:, :n] = new, new[:n].T
        gram[n:, n:] = (new[n:] + new[n:].T) / 2
        return Basis(all_v, np.concatenate([self.z, z]), gram, (*self.y, y))

    def combined(self, coefficients: np.ndarray, dtype: type[np.floating]) -> Basis:
        """The basis formed by combinations of its directions.

        Args:
            coefficients: Orthonormal columns, shape `(m, directions)`.
            dtype: Type of the new `y`.
        """
        return Basis(
            coefficients.T @ self.v,
            coefficients.T @ self.z,
            coefficients.T @ self.gram @ coefficients,
            (self.combined_y(coefficients).astype(dtype),),
        )

    def combined_y(self, coefficients: np.ndarray) -> np.ndarray:
        """`(X V C)^T` for coefficients `C` of shape `(m, directions)`."""
        combined = np.zeros((coefficients.shape[1], self.y[0].shape[1]))
        start = 0
        for y in self.y:
            combined += coefficients[start : start + len(y)].T @ y
            start += len(y)
        return combined


def start_directions(
    sample: RowSample, settings: Settings, start: np.ndarray | None
) -> np.ndarray:
    """The first directions, shape `(directions, n_features)`, orthonormal rows.

    A full basis where there are few features. Otherwise the top right singular vectors
    of a sample of rows and of its centred form, or the given ones, plus a random
    direction that is seeded by the sample.

    Args:
        sample: A sample of the first block.
        settings: The arguments of the solver.
        start: Right singular vectors to start from, shape `(n_features, columns)`.
    """
    n_features = sample.rows.shape[1]
    if n_features <= settings.limits.dense_features:
        return np.eye(n_features)
    some_rows = sample.rows[:: max(len(sample.rows) // _SEED_ROWS, 1)]
    rng = np.random.default_rng(zlib.crc32(some_rows.tobytes()))
    if start is None:
        leading = leading_directions(
            sample, settings.n_leading, settings.n_centered_start, settings.limits
        )
    elif len(start) != n_features:
        raise ValueError(
            f"`start` must have shape ({n_features}, columns), one row per feature. "
            f"Received shape: {start.shape}"
        )
    else:
        leading = start.T
    directions = np.vstack([leading, rng.standard_normal(n_features)])
    empty = np.zeros((0, n_features))
    return full_as_identity(orthonormal_complement(directions, empty, 0.0))


def full_as_identity(directions: np.ndarray) -> np.ndarray:
    """The identity in place of directions that span all of feature space."""
    n_directions, n_features = directions.shape
    return np.eye(n_features) if n_directions == n_features else directions
