"""Pairs of networks before any training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd

from keras_pvec.comparison import compare
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import model_of, run_label
from keras_pvec.reproduction.analysis.layouts import TABLES
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.reproduction.record import LoggedRun
from keras_pvec.runs import Moment

_START = Moment(-1, 0)


def untrained_pairs(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Comparisons of all pairs of runs at the moment before training.

    Returns:
        One row per unordered pair of runs that logged that moment: `run`, `other`,
        `group` and `other_group` as `angles_between` has them, the fields of a
        comparison, and the 95% band of the null angle.
    """
    starts = p_vectors_before_training(runs)
    groups = {run_label(run): model_of(run) for run in runs}
    rows = [
        {
            **{col.RUN: run, col.OTHER: other},
            **{col.GROUP: groups[run], col.OTHER_GROUP: groups[other]},
            **compare(starts[run], starts[other]).as_row(),
        }
        for run, other in itertools.combinations(starts, 2)
    ]
    if not rows:
        return pd.DataFrame(columns=[*TABLES["untrained_pairs"].columns])
    return with_null_band(pd.DataFrame(rows))


def p_vectors_before_training(runs: Sequence[LoggedRun]) -> dict[str, PVector]:
    """P-vectors of the features before training, by label of the run; of the runs that
    logged that moment."""
    found = {
        run_label(run): run.p_vectors(_START).get(run.layers[0])
        for run in runs
        if _START in run.moments
    }
    return {label: p for label, p in found.items() if p is not None}
