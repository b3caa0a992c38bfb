"""Comparisons of pairs of networks after their last epochs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from keras_pvec.comparison import compare_in_detail
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import (
    model_of,
    run_label,
    with_quality,
)
from keras_pvec.reproduction.analysis.ladder import with_ladder
from keras_pvec.reproduction.analysis.layouts import TABLES
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.reproduction.record import LoggedRun


def angles_between(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Comparisons of the last epochs of all pairs of runs.

    Runs of one model with different seeds are a group.

    Returns:
        As `pairwise_angles`, with `well_trained`, `other_well_trained`, and the ladder
        of nulls as `with_ladder` adds it.
    """
    p_vectors = p_vectors_at_the_end(runs)
    groups = {run_label(run): model_of(run) for run in runs}
    pairs = with_quality(pairwise_angles(p_vectors, groups), runs)
    return with_ladder(pairs, p_vectors, runs[0].samples if runs else {})


def p_vectors_at_the_end(runs: Sequence[LoggedRun]) -> dict[str, PVector]:
    """P-vectors of the features after the last epoch, by label of the run."""
    return {run_label(run): run.p_vector("final", run.layers[0]) for run in runs}


def pairwise_angles(
    p_vectors: Mapping[str, PVector], groups: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Detailed comparisons of all pairs of named P-vectors.

    Args:
        p_vectors: By name, all of the same samples.
        groups: The group of each, by name; by default each is its own group.

    Returns:
        One row per unordered pair of different names, with `run`, `other`, `group` and
        `other_group`, the fields of a detailed comparison, and the 95% band of the
        null angle. Of the principal angles it has the largest.
    """
    groups = groups or {name: name for name in p_vectors}
    rows = []
    for a, b in itertools.combinations(p_vectors, 2):
        pair = {col.RUN: a, col.OTHER: b}
        pair |= {col.GROUP: groups[a], col.OTHER_GROUP: groups[b]}
        rows.append(pair | _comparison(p_vectors[a], p_vectors[b]))
    if not rows:
        return pd.DataFrame(columns=[*TABLES["pairwise_angles"].columns])
    return with_null_band(pd.DataFrame(rows))


def _comparison(p: PVector, q: PVector) -> dict[str, Any]:
    fields = compare_in_detail(p, q).as_row()
    principal_angles = fields.pop("principal_angles_deg")
    return fields | {col.LARGEST_PRINCIPAL_ANGLE_DEG: principal_angles[-1]}


def influential_samples(pairs: pd.DataFrame) -> pd.DataFrame:
    """The samples that dominate the angle of each pair.

    Args:
        pairs: As `pairwise_angles` gives them.

    Returns:
        One row per pair and sample: `run`, `other`, `group`, `other_group`, `rank` (1
        is the sample that changes the angle most when left out), `sample` (its index),
        and of the pair the angles with all samples and without these, each with its
        null.
    """
    kept = [
        *(col.RUN, col.OTHER, col.GROUP, col.OTHER_GROUP),
        *(col.ANGLE_DEG, col.NULL_ANGLE_DEG),
        *(col.TRIMMED_ANGLE_DEG, col.TRIMMED_NULL_ANGLE_DEG, col.INFLUENTIAL_SAMPLES),
    ]
    table = pairs[kept].explode(col.INFLUENTIAL_SAMPLES, ignore_index=True)
    # Identical networks have no influential samples.
    table = table.dropna(subset=col.INFLUENTIAL_SAMPLES)
    table = table.rename(columns={col.INFLUENTIAL_SAMPLES: col.SAMPLE})
    ranks = table.groupby([col.RUN, col.OTHER]).cumcount() + 1
    return table.assign(**{col.RANK: ranks})
