"""Angles of the blocks of a network."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import concatenated
from keras_pvec.reproduction.analysis.moments import spaced_epochs
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.reproduction.record import LoggedRun, TrainingRecord


def angles_by_block(
    runs: Sequence[LoggedRun], matrix: str = col.DATA, n_epochs: int = 5
) -> pd.DataFrame:
    """Angle of each block of a network to the raw data, at some epochs of a training.

    Args:
        runs: Finished runs that logged their blocks.
        matrix: As in `angles_to_data`.
        n_epochs: Largest number of epochs, spaced by a factor up to the last one.

    Returns:
        As `angles_to_final`, with `block`, counted from 1 at the input.
    """
    return with_null_band(
        concatenated((run, _angles_by_block(run, matrix, n_epochs)) for run in runs)
    )


def _angles_by_block(run: LoggedRun, matrix: str, n_epochs: int) -> pd.DataFrame:
    blocks = {layer: i for i, layer in enumerate(block_layers(run), start=1)}
    log = run.log
    table = log[(log[col.REFERENCE] == matrix) & log[col.LAYER].isin(blocks)]
    ends = table.groupby([col.EPOCH, col.LAYER]).tail(1)
    if ends.empty:
        return ends.assign(**{col.BLOCK: []})
    shown = spaced_epochs(int(ends[col.EPOCH].max()), n_epochs)
    ends = ends[ends[col.EPOCH].isin(shown)]
    ends = ends.assign(**{col.BLOCK: ends[col.LAYER].map(blocks)})
    return ends.sort_values([col.EPOCH, col.BLOCK])


def block_layers(run: LoggedRun) -> list[str]:
    """The blocks that a run logged, from the input to the output."""
    first, *others = run.layers
    # The features are logged first; in some networks they are also the last block.
    patterns = TrainingRecord.of(run).settings.get("layers", [])[1:]
    is_block = any(_matches(pattern, first) for pattern in patterns)
    return [*others, first] if is_block else others


def _matches(pattern: str, layer: str) -> bool:
    """Whether a pattern, a name or `re:` and a regular expression, names the layer."""
    if pattern.startswith("re:"):
        return re.search(pattern.removeprefix("re:"), layer) is not None
    return pattern == layer
