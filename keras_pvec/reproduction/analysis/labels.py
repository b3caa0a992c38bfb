"""Labels of runs in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.record import LoggedRun, TrainingRecord


def run_label(run: LoggedRun) -> str:
    """Label of a run, e.g. `"resnet18, seed 0"`; its folder's name without a record."""
    record = TrainingRecord.of(run)
    if record.model is None:
        return run.path.name
    return f"{record.model}, seed {record.seed}"


def model_of(run: LoggedRun) -> str:
    """Name of the model, e.g. `"wide_resnet28_2"`; without a record, as `run_label`."""
    return TrainingRecord.of(run).model or run.path.name


def well_trained(run: LoggedRun) -> bool | None:
    """Whether the record of a run says that it is well trained; `None` if it does not
    say."""
    return TrainingRecord.of(run).training_quality.get("well_trained")


def labelled(table: pd.DataFrame, run: LoggedRun) -> pd.DataFrame:
    """A copy of a run's table that begins with `run`, `model`, `seed` and
    `well_trained`."""
    table = table.copy()
    table.insert(0, col.RUN, run_label(run))
    table.insert(1, col.MODEL, model_of(run))
    table.insert(2, col.SEED, TrainingRecord.of(run).seed)
    quality = pd.array([well_trained(run)] * len(table), dtype="boolean")
    table.insert(3, col.WELL_TRAINED, quality)
    return table


def with_quality(pairs: pd.DataFrame, runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Adds `well_trained` and `other_well_trained` to a table of pairs of runs."""
    known = {run_label(run): well_trained(run) for run in runs}
    return pairs.assign(
        **{
            column: pd.array([known[name] for name in pairs[label]], dtype="boolean")
            for label, column in (
                (col.RUN, col.WELL_TRAINED),
                (col.OTHER, col.OTHER_WELL_TRAINED),
            )
        }
    )


def concatenated(tables: Iterable[tuple[LoggedRun, pd.DataFrame]]) -> pd.DataFrame:
    """The tables of several runs as one, each labelled."""
    return pd.concat([labelled(table, run) for run, table in tables], ignore_index=True)
