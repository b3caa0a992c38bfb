"""A ladder of nulls for the agreement of two P-vectors.

A small angle alone shows little. Each rung of the ladder removes one explanation: that
both vectors point along the constant vector (samples permuted), that they only separate
the classes (samples permuted within classes), that they only follow brightness and
contrast of the images (these projected out), and that the architectures agree before
any training (pairs of untrained networks).

Permutation p-values are `(1 + hits) / (1 + permutations)`, which makes the first two
tests exact at any sample size and for any distribution of the entries (Phipson and
Smyth 2010, "Permutation p-values should never be zero", doi 10.2202/1544-6115.1585).
The third permutes residuals and is exact in the limit of many samples. The pairs of the
fourth share networks, so its p-value is a rank, not that of an exact test.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from keras_pvec.comparison.angles import check_comparable
from keras_pvec.pvector import PVector

DEFAULT_PERMUTATIONS = 999

# How many permuted entries are held in memory at once.
_ENTRIES = 1 << 22
# Image statistics whose share in the others is below this are left out.
_RANK_TOLERANCE = 1e-8
_IMAGE_STATISTICS = ("mean", "std", "channel_mean", "channel_std")


class Rung(enum.Enum):
    """The nulls, in the order of the ladder."""

    PERMUTATION = "permutation"
    WITHIN_CLASS = "within class"
    IMAGE_STATISTICS = "image statistics"
    UNTRAINED = "untrained pairs"


@dataclasses.dataclass(frozen=True)
class NullTest:
    """A test of an observed agreement against one null.

    The agreement is the absolute cosine of the two vectors; on the image-statistics
    rung, that of their residuals, which is their partial correlation.

    Attributes:
        rung: The null.
        cosine: The observed agreement, in [0, 1].
        null_cosines: The 5%, 50% and 95% quantiles of the agreement under the null.
        p_value: Probability under the null of an agreement at least as large.
        n_draws: Number of permutations, or of untrained pairs.
    """

    rung: Rung
    cosine: float
    null_cosines: tuple[float, float, float]
    p_value: float
    n_draws: int

    @property
    def angle_deg(self) -> float:
        """The angle of the observed agreement, degrees."""
        return _angle_deg(self.cosine)

    @property
    def null_angles_deg(self) -> tuple[float, float, float]:
        """The 5%, 50% and 95% quantiles of the null angle, degrees, smallest first."""
        low, median, high = map(_angle_deg, reversed(self.null_cosines))
        return low, median, high

    @property
    def calibrated_cosine(self) -> float:
        """The agreement on a scale from 0, the 95% quantile of the null, to 1.

        Unlike a z-score it does not grow with the number of samples (Groger et al.
        2026, arXiv 2602.14486).
        """
        high = self.null_cosines[2]
        if high >= 1:
            return 0.0
        return max(0.0, (self.cosine - high) / (1 - high))

    def exceeds_null(self, level: float = 0.05) -> bool:
        """Whether the agreement is significantly larger than under the null."""
        return self.p_value <= level


def permutation_test(
    p: PVector,
    q: PVector,
    *,
    labels: np.ndarray | None = None,
    n_permutations: int = DEFAULT_PERMUTATIONS,
    seed: int = 0,
) -> NullTest:
    """Tests the agreement of two P-vectors against permuted samples.

    Args:
        p: A P-vector.
        q: Another P-vector, of the same samples.
        labels: Classes of the samples, shape `(n_samples,)`; samples are then permuted
            within their class. `None` permutes all samples.
        n_permutations: Number of random permutations.
        seed: Seed of the permutations.

    Returns:
        The test, on the rung `WITHIN_CLASS` if there are labels, else on `PERMUTATION`.

    Raises:
        SampleMismatchError: P-vectors of different samples.
        ValueError: `labels` has the wrong length, or `n_permutations` is below 1.
    """
    check_comparable(p, q)
    _check_permutations(n_permutations)
    classes = None if labels is None else _classes_of(labels, p.n_samples)
    null = np.concatenate(
        [
            np.abs(permuted @ q.vector)
            for permuted in _permutations(p.vector, classes, n_permutations, seed)
        ]
    )
    rung = Rung.PERMUTATION if labels is None else Rung.WITHIN_CLASS
    return _test(rung, abs(float(p.vector @ q.vector)), null)


def image_statistics_test(
    p: PVector,
    q: PVector,
    statistics: Mapping[str, np.ndarray],
    *,
    n_permutations: int = DEFAULT_PERMUTATIONS,
    seed: int = 0,
) -> NullTest | None:
    """Tests what two P-vectors share beyond brightness and contrast of the images.

    The constant vector, the statistics, their squares and their products are projected
    out of both vectors. The null permutes the residual of one of them and projects
    again (Freedman and Lane 1983, doi 10.1080/07350015.1983.10509354).

    Args:
        p: A P-vector.
        q: Another P-vector, of the same samples.
        statistics: As `SampleSet.statistics` returns them: `mean`, `std`,
            `channel_mean`, `channel_std`.
        n_permutations: Number of random permutations.
        seed: Seed of the permutations.

    Returns:
        The test; `None` if there are no statistics, or a residual vanishes.

    Raises:
        SampleMismatchError: P-vectors of different samples.
        ValueError: `statistics` are of a different number of samples, or
            `n_permutations` is below 1.
    """
    check_comparable(p, q)
    _check_permutations(n_permutations)
    basis = image_statistics_basis(statistics, p.n_samples)
    if basis is None:
        return None
    u, v = (x - basis @ (basis.T @ x) for x in (p.vector, q.vector))
    lengths = np.linalg.norm(u), np.linalg.norm(v)
    if min(lengths) < _RANK_TOLERANCE:
        return None
    u, v = u / lengths[0], v / lengths[1]
    null = []
    for permuted in _permutations(u, None, n_permutations, seed):
        explained = np.sum((permuted @ basis) ** 2, axis=1)
        length = np.sqrt(np.maximum(1 - explained, np.finfo(float).tiny))
        # `v` has no component along the basis, so only the length needs projecting.
        null.append(np.minimum(np.abs(permuted @ v) / length, 1.0))
    return _test(Rung.IMAGE_STATISTICS, abs(float(u @ v)), np.concatenate(null))


def untrained_pairs_test(angle_deg: float, untrained_deg: Sequence[float]) -> NullTest:
    """Tests an angle against those of untrained networks of the same architectures.

    Args:
        angle_deg: The observed angle, degrees.
        untrained_deg: Angles of pairs of untrained networks, degrees.

    Returns:
        The test.

    Raises:
        ValueError: `untrained_deg` is empty.
    """
    if len(untrained_deg) == 0:
        raise ValueError("`untrained_deg` is empty. Expected angles of untrained pairs")
    null = np.abs(np.cos(np.radians(np.asarray(untrained_deg, float))))
    return _test(Rung.UNTRAINED, abs(math.cos(math.radians(angle_deg))), null)


def null_ladder(
    p: PVector,
    q: PVector,
    *,
    labels: np.ndarray | None = None,
    statistics: Mapping[str, np.ndarray] | None = None,
    untrained_deg: Sequence[float] = (),
    n_permutations: int = DEFAULT_PERMUTATIONS,
    seed: int = 0,
) -> tuple[NullTest, ...]:
    """Tests the agreement of two P-vectors against every null that the data allow.

    Args:
        p: A P-vector.
        q: Another P-vector, of the same samples.
        labels: Classes of the samples, for permutations within classes.
        statistics: Brightness and contrast of the samples (`SampleSet.statistics`).
        untrained_deg: Angles of untrained pairs of the same architectures, degrees.
        n_permutations: Number of random permutations on each rung.
        seed: Seed of the permutations.

    Returns:
        The tests, in the order of `Rung`; rungs without data are left out.

    Raises:
        SampleMismatchError: P-vectors of different samples.
        ValueError: `labels` or `statistics` are of a different number of samples.

    Example:

    ```python
    run = kp.open_run("runs/mine")
    kp.null_ladder(p, q, labels=run.samples["labels"], statistics=run.samples)
    ```
    """
    options = {"n_permutations": n_permutations, "seed": seed}
    first = permutation_test(p, q, n_permutations=n_permutations, seed=seed)
    tests: list[NullTest | None] = [first]
    if labels is not None:
        tests.append(permutation_test(p, q, labels=labels, **options))
    if statistics is not None:
        tests.append(image_statistics_test(p, q, statistics, **options))
    if len(untrained_deg):
        tests.append(untrained_pairs_test(first.angle_deg, untrained_deg))
    return tuple(test for test in tests if test is not None)


def image_statistics_basis(
    statistics: Mapping[str, np.ndarray], n_samples: int
) -> np.ndarray | None:
    """Orthonormal basis of the constant vector and the image statistics.

    Returns:
        Shape `(n_samples, rank)`: the constant vector, the statistics, their squares
        and their products. `None` if there are no statistics, or too many to leave a
        residual of `n_samples` entries.

    Raises:
        ValueError: The statistics are of a different number of samples.
    """
    tables = [
        np.asarray(statistics[name], float).reshape(len(statistics[name]), -1)
        for name in _IMAGE_STATISTICS
        if name in statistics
    ]
    for table in tables:
        if len(table) != n_samples:
            raise ValueError(
                f"The image statistics are of {len(table)} samples, the P-vectors of "
                f"{n_samples}."
            )
    if not tables:
        return None
    linear = np.concatenate(tables, axis=1)
    spread = linear.std(axis=0)
    linear = (linear - linear.mean(axis=0)) / np.where(spread > 0, spread, 1)
    i, j = np.triu_indices(linear.shape[1])
    columns = [np.ones((n_samples, 1)), linear, linear[:, i] * linear[:, j]]
    x = np.concatenate(columns, axis=1)
    x = x / np.maximum(np.linalg.norm(x, axis=0), np.finfo(float).tiny)
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    basis = left[:, values > _RANK_TOLERANCE * values[0]]
    return basis if basis.shape[1] < n_samples - 1 else None


def _permutations(
    vector: np.ndarray, classes: np.ndarray | None, n: int, seed: int
) -> Iterator[np.ndarray]:
    """Yields permuted copies of a vector in chunks, shape `(rows, n_samples)`; `n` rows
    in all."""
    rng = np.random.default_rng(seed)
    rows = max(_ENTRIES // len(vector), 1)
    for start in range(0, n, rows):
        shape = (min(rows, n - start), len(vector))
        if classes is None:
            yield rng.permuted(np.broadcast_to(vector, shape), axis=1)
        else:
            # Sorting by class, and randomly within each, pairs the samples of a
            # class with each other.
            order = np.argsort(classes, kind="stable")
            shuffled = np.argsort(classes + rng.random(shape), axis=1)
            permuted = np.empty(shape)
            permuted[:, order] = vector[shuffled]
            yield permuted


def _classes_of(labels: np.ndarray, n_samples: int) -> np.ndarray:
    """Labels as numbers from 0, shape `(n_samples,)`."""
    labels = np.asarray(labels)
    if labels.shape[:1] != (n_samples,) or labels.size != n_samples:
        raise ValueError(
            f"`labels` must hold one class for each of {n_samples} samples. Received "
            f"shape: {labels.shape}"
        )
    return np.unique(labels.reshape(-1), return_inverse=True)[1].reshape(-1)


def _check_permutations(n_permutations: int) -> None:
    if n_permutations < 1:
        raise ValueError(
            f"`n_permutations` must be at least 1. Received: {n_permutations}"
        )


def _angle_deg(cosine: float) -> float:
    return math.degrees(math.acos(min(max(cosine, 0.0), 1.0)))


def _test(rung: Rung, observed: float, null: np.ndarray) -> NullTest:
    low, median, high = np.quantile(null, [0.05, 0.5, 0.95]).tolist()
    # Cosines that are equal up to rounding count as at least as large, so vectors that
    # permutations do not change show no agreement.
    hits = int(np.sum(null >= observed * (1 - 1e-12) - 1e-15))
    return NullTest(
        rung=rung,
        cosine=min(observed, 1.0),
        null_cosines=(low, median, high),
        p_value=(1 + hits) / (1 + len(null)),
        n_draws=len(null),
    )
