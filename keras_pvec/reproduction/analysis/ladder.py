"""The ladder of nulls of each pair of networks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from keras_pvec.comparison.ladder import (
    image_statistics_basis,
    image_statistics_test,
    permutation_test,
)
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.layouts import TABLES

# Of each rung and pair; there may be a hundred pairs.
_N_PERMUTATIONS = 499


def with_ladder(
    pairs: pd.DataFrame,
    p_vectors: Mapping[str, PVector],
    samples: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Adds the null angles and p-values of the rungs that the samples allow.

    The null of the image statistics keeps what brightness and contrast explain of both
    P-vectors and takes the rest as unrelated.

    Args:
        pairs: With `run` and `other`.
        p_vectors: By name of the network.
        samples: As `Run.samples` gives them: classes, brightness and contrast.

    Returns:
        The table with `within_class_null_deg`, `image_statistics_null_deg`,
        `permutation_p`, `within_class_p`, `image_statistics_p`, `partial_correlation`
        and `null_partial_correlation`; empty where the samples do not say.
    """
    n_samples = next((p.n_samples for p in p_vectors.values()), 0)
    basis = image_statistics_basis(samples, n_samples)
    rungs = [
        _rungs(p_vectors[a], p_vectors[b], samples, basis)
        for a, b in zip(pairs[col.RUN], pairs[col.OTHER], strict=True)
    ]
    columns = (
        *(col.WITHIN_CLASS_NULL_DEG, col.IMAGE_STATISTICS_NULL_DEG),
        *(col.PERMUTATION_P, col.WITHIN_CLASS_P, col.IMAGE_STATISTICS_P),
        *(col.PARTIAL_CORRELATION, col.NULL_PARTIAL_CORRELATION),
    )
    return pairs.assign(
        **{
            column: pd.Series([r.get(column) for r in rungs], pairs.index, dtype=float)
            for column in columns
        }
    )


def untrained_angles(pairs: pd.DataFrame, untrained: pd.DataFrame) -> pd.Series:
    """The median angle of the untrained pairs of the same two groups, for each pair.

    Untrained pairs that hold one of the pair's own two networks are left out where
    there are others.

    Args:
        pairs: With `run`, `other`, `group` and `other_group`.
        untrained: As `untrained_pairs` gives them; may be empty.

    Returns:
        In degrees, with the index of `pairs`; NaN where there are none.
    """
    kinds = _kinds(untrained)
    found = []
    for row, kind in zip(pairs.itertuples(), _kinds(pairs), strict=True):
        same = untrained[np.array([k == kind for k in kinds], dtype=bool)]
        own = [getattr(row, col.RUN), getattr(row, col.OTHER)]
        others = same[~(same[col.RUN].isin(own) | same[col.OTHER].isin(own))]
        found.append((others if len(others) else same)[col.ANGLE_DEG].median())
    return pd.Series(found, index=pairs.index, dtype=float)


def null_ladder_table(pairs: pd.DataFrame, untrained: pd.DataFrame) -> pd.DataFrame:
    """The angle of each pair next to what each null would give.

    Args:
        pairs: As `with_ladder` returns them.
        untrained: As `untrained_pairs` gives them; may be empty.

    Returns:
        One row per pair: `run`, `other`, `group`, `other_group`, `angle_deg`,
        `null_angle_deg`, the columns of `with_ladder`, and `untrained_angle_deg`.
    """
    columns = TABLES["null_ladder_table"].columns
    angles = untrained_angles(pairs, untrained)
    return pairs.assign(**{col.UNTRAINED_ANGLE_DEG: angles})[[*columns]]


def _kinds(pairs: pd.DataFrame) -> list[frozenset[str]]:
    groups = zip(pairs[col.GROUP], pairs[col.OTHER_GROUP], strict=True)
    return [frozenset(pair) for pair in groups]


def _rungs(
    p: PVector,
    q: PVector,
    samples: Mapping[str, np.ndarray],
    basis: np.ndarray | None,
) -> dict[str, float]:
    n = _N_PERMUTATIONS
    found = {col.PERMUTATION_P: permutation_test(p, q, n_permutations=n).p_value}
    if "labels" in samples:
        within = permutation_test(p, q, labels=samples["labels"], n_permutations=n)
        found[col.WITHIN_CLASS_NULL_DEG] = within.null_angles_deg[1]
        found[col.WITHIN_CLASS_P] = within.p_value
    partial = image_statistics_test(p, q, samples, n_permutations=n)
    if partial is not None and basis is not None:
        found[col.IMAGE_STATISTICS_P] = partial.p_value
        found[col.PARTIAL_CORRELATION] = partial.cosine
        found[col.NULL_PARTIAL_CORRELATION] = partial.null_cosines[2]
        cosine = abs(float((basis.T @ p.vector) @ (basis.T @ q.vector)))
        angle = math.degrees(math.acos(min(cosine, 1.0)))
        found[col.IMAGE_STATISTICS_NULL_DEG] = angle
    return found
