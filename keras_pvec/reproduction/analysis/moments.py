"""Selects the moments of a training that a table shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from keras_pvec.pvector import PVector
from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.record import LoggedRun
from keras_pvec.runs import Moment


def _end_moments(run: LoggedRun) -> list[Moment]:
    """The last logged moment of each epoch, in order of time."""
    last = {moment.epoch: moment for moment in run.moments}
    return [*last.values()]


def p_vectors_by_epoch(run: LoggedRun) -> Iterator[tuple[int, PVector]]:
    """Epoch and P-vector of the features at the end of each epoch that has one."""
    layer = run.layers[0]
    for moment in _end_moments(run):
        p = run.p_vectors(moment).get(layer)
        if p is not None:
            yield moment.epoch, p


def epoch_ends(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last step of each epoch, without those logged within epochs."""
    last = table.groupby(col.EPOCH)[col.STEP].transform("max")
    return table[table[col.STEP] == last]


def spaced_epochs(last: int, n_epochs: int) -> list[int]:
    """At most `n_epochs` epochs from the first (0) to the last one, spaced by a factor:
    features change most in the first epochs."""
    counts = np.geomspace(1, last + 1, n_epochs).round().astype(int)
    return sorted({int(count) - 1 for count in counts})


def logged(run: LoggedRun, reference: str) -> pd.DataFrame:
    """The rows of `log.csv` of a run's first layer and a reference."""
    log = run.log
    chosen = (log[col.REFERENCE] == reference) & (log[col.LAYER] == run.layers[0])
    return log[chosen]
