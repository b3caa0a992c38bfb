"""Pairs of networks before any training."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import pandas as pd

from keras_pvec.comparison import compare
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import model_of, run_label
from keras_pvec.reproduction.analysis.layouts import TABLES
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.runs import Moment, Run

_START = Moment(-1, 0)


def untrained_pairs(runs: Sequence[Run]) -> pd.DataFrame:
    """Comparisons of all pairs of runs at the moment before training.

    Returns:
        One row per unordered pair of runs that logged that moment: `run`, `other`,
        `group` and `other_group` as `angles_between` has them, the fields of a
        comparison, and the 95% band of the null angle.
    """
    starts = [(run, p) for run in runs if (p := _before_training(run)) is not None]
    rows = [
        {
            **{col.RUN: run_label(run), col.OTHER: run_label(other)},
            **{col.GROUP: model_of(run), col.OTHER_GROUP: model_of(other)},
            **dataclasses.asdict(compare(p, q)),
        }
        for (run, p), (other, q) in itertools.combinations(starts, 2)
    ]
    if not rows:
        return pd.DataFrame(columns=[*TABLES["untrained_pairs"].columns])
    return with_null_band(pd.DataFrame(rows))


def _before_training(run: Run) -> PVector | None:
    if _START not in run.moments:
        return None
    return run.p_vectors(_START).get(run.layers[0])
