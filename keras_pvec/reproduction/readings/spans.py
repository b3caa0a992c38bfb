"""Comparisons of the spans of the first singular vectors.

The angle between two spans is the largest principal angle: it is small only if every
direction of one is close to the other. Its null permutes the samples of one side.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from keras_pvec.comparison import Comparison, compare, principal_angles
from keras_pvec.pvector import PVector

_N_PERMUTATIONS = 32
_REPLACED = ("angle_deg", "angle_error_deg", "null_angle_deg", "z")
_REPLACED_CONSTANT = ("cos_ones", "cos_ones_reference")


def compare_spans(p: PVector, q: PVector) -> Comparison:
    """As `keras_pvec.compare`, of the spans of the vectors that both hold.

    Fields that change: `angle_deg` is the largest principal angle; `null_angle_deg` is
    the angle of the mean, and `z` the distance in standard deviations, of its cosine
    over seeded permutations of the samples; `cos_ones` is the cosine of the constant
    vector to the span.

    Raises:
        SampleMismatchError: As `keras_pvec.angle`.
    """
    k = min(p.k, q.k)
    p, q = _top(p, k), _top(q, k)
    comparison = compare(p, q)
    angle = float(principal_angles(p, q)[-1])
    null = _permuted_cosines(p.vectors, q.vectors)
    mean, std = float(null.mean()), float(null.std(ddof=1))
    error = float(min(p.error_deg.max() + q.error_deg.max(), 90.0))
    return dataclasses.replace(
        comparison,
        angle_deg=angle,
        angle_error_deg=error,
        null_angle_deg=math.degrees(math.acos(min(mean, 1.0))),
        z=(math.cos(math.radians(angle)) - mean) / std if std > 1e-12 else None,
        cos_ones=_cosine_to_ones(p.vectors),
        cos_ones_reference=_cosine_to_ones(q.vectors),
    )


def with_span_angles(
    pairs: pd.DataFrame, p_vectors: Mapping[str, PVector]
) -> pd.DataFrame:
    """A table of pairs with the angles of their spans.

    Args:
        pairs: As `analysis.pairwise_angles` gives them.
        p_vectors: By name in the columns `run` and `other`.
    """
    if pairs.empty:
        return pairs
    compared = [
        compare_spans(p_vectors[a], p_vectors[b]).as_row()
        for a, b in zip(pairs["run"], pairs["other"], strict=True)
    ]
    found = pd.DataFrame(compared, index=pairs.index)
    return pairs.assign(
        **{name: found[name] for name in (*_REPLACED, *_REPLACED_CONSTANT)}
    )


def _top(p: PVector, k: int) -> PVector:
    return dataclasses.replace(p, vectors=p.vectors[:, :k], error_deg=p.error_deg[:k])


def _permuted_cosines(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smallest principal cosines of `u` and `v` with rows permuted, one for each
    permutation."""
    orders = _orders(len(v))
    return np.linalg.svd(u.T @ v[orders], compute_uv=False)[:, -1]


@functools.lru_cache(maxsize=4)
def _orders(n: int) -> np.ndarray:
    """The same permutations of `n` samples each time."""
    rng = np.random.default_rng(0)
    return np.array([rng.permutation(n) for _ in range(_N_PERMUTATIONS)])


def _cosine_to_ones(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors.mean(axis=0)) * math.sqrt(len(vectors)))
