"""Labels of runs in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import Run


def run_label(run: Run) -> str:
    """Label of a run, e.g. `"resnet18, seed 0"`, or its folder's name without a
    record."""
    record = TrainingRecord.of(run)
    if record.model is None:
        return run.path.name
    return f"{record.model}, seed {record.seed}"


def model_of(run: Run) -> str:
    """Name of the model, e.g. `"wide_resnet28_2"`; without a record, as `run_label`."""
    return TrainingRecord.of(run).model or run.path.name


def labelled(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """A copy of a run's table that begins with `run`, `model` and `seed`."""
    table = table.copy()
    table.insert(0, col.RUN, run_label(run))
    table.insert(1, col.MODEL, model_of(run))
    table.insert(2, col.SEED, TrainingRecord.of(run).seed)
    return table


def concatenated(tables: Iterable[tuple[Run, pd.DataFrame]]) -> pd.DataFrame:
    """The tables of several runs as one, each labelled."""
    return pd.concat([labelled(table, run) for run, table in tables], ignore_index=True)
