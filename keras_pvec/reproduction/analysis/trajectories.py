"""Angles over the epochs of a training, and within the first epoch.

All functions use the first layer of each run, whose output is the features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import concatenated, run_label
from keras_pvec.reproduction.analysis.moments import epoch_ends, logged
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.reproduction.record import LoggedRun


def angles_to_final(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Angle of each run to its own last epoch, epoch by epoch.

    Returns:
        One row per run and epoch (-1 is before training), with the columns of
        `log.csv`, `run`, `model`, `seed`, and the 95% band of the null angle.
    """
    return _banded((run, epoch_ends(_to_final(run))) for run in runs)


def angles_to_data(runs: Sequence[LoggedRun], matrix: str = col.DATA) -> pd.DataFrame:
    """Angle of each run to the raw data, epoch by epoch.

    Args:
        runs: Finished runs.
        matrix: `"data"` for pixels in [0, 1], `"input"` for standardized ones.

    Returns:
        As `angles_to_final`.
    """
    return _banded((run, epoch_ends(logged(run, matrix))) for run in runs)


def angles_to_untrained(runs: Sequence[LoggedRun]) -> pd.DataFrame:
    """Angle of each run, epoch by epoch, to the same network with other initial weights
    and without training.

    Returns:
        As `angles_to_final`; empty for runs without that reference.
    """
    return _banded((run, epoch_ends(logged(run, col.UNTRAINED))) for run in runs)


def angles_to_references(
    runs: Sequence[LoggedRun], references: Sequence[LoggedRun]
) -> pd.DataFrame:
    """Angle of every epoch of every run to the last epoch of each reference.

    Returns:
        As `angles_to_final`; `reference` is the label of the reference. A run is not
        compared with itself.
    """
    return _banded(
        (run, _to_reference(run, reference))
        for reference in references
        for run in runs
        if run.path != reference.path
    )


def first_epoch_angles(
    runs: Sequence[LoggedRun],
    matrix: str = col.DATA,
    splits: Sequence[str] = (col.TRAIN, col.TEST),
) -> pd.DataFrame:
    """Angles at every logged moment up to the end of the first epoch.

    Args:
        runs: Finished runs that logged within the first epoch.
        matrix: As in `angles_to_data`.
        splits: Splits of the samples.

    Returns:
        One row per run, split, reference (`"final"`, the run's own last epoch, or
        `matrix`) and step; otherwise as `angles_to_final`.
    """
    return _banded(
        (run, _first_epoch(run.on(split), reference).assign(**{col.SPLIT: split}))
        for run in runs
        for split in splits
        for reference in (col.FINAL, matrix)
    )


def first_epoch_peaks(angles: pd.DataFrame) -> pd.DataFrame:
    """Size and place of the largest angle within the first epoch, of which the first
    391 updates count: 50,000 images in batches of 128.

    Args:
        angles: As `first_epoch_angles` returns them.

    Returns:
        One row per run, split and reference: the angle at the start, at its peak and
        at the end of the epoch, `peak_step`, the `rise` from the start to the peak and
        the `fall` from there to the end, in degrees; and the same for the null angle.
    """
    rows = []
    keys = [*(col.RUN, col.MODEL, col.SEED, col.WELL_TRAINED)]
    keys += [col.SPLIT, col.REFERENCE]
    angles = angles[angles[col.STEP] <= _N_UPDATES]
    for key, curve in angles.groupby(keys, sort=False, dropna=False):
        curve = curve.sort_values(col.STEP)
        steps = curve[col.STEP].to_numpy()
        rows.append(
            dict(zip(keys, key, strict=True))
            | {col.N_STEPS: int(steps.max()), col.N_MOMENTS: len(curve)}
            | _peak(steps, curve[col.ANGLE_DEG], _PEAK)
            | _peak(steps, curve[col.NULL_ANGLE_DEG], _NULL_PEAK)
            | {
                col.NOISE_DEG: _noise(curve[col.ANGLE_DEG]),
                col.NULL_NOISE_DEG: _noise(curve[col.NULL_ANGLE_DEG]),
            }
        )
    return pd.DataFrame(rows)


# The first epoch of 50,000 images in batches of 128.
_N_UPDATES = 391
# Median of the absolute value of a standard normal variable.
_MEDIAN_OF_NORMAL = 0.6745
_PEAK = (
    *(col.START_DEG, col.PEAK_DEG, col.PEAK_STEP),
    *(col.END_DEG, col.RISE_DEG, col.FALL_DEG),
)
_NULL_PEAK = (
    *(col.NULL_START_DEG, col.NULL_PEAK_DEG, col.NULL_PEAK_STEP),
    *(col.NULL_END_DEG, col.NULL_RISE_DEG, col.NULL_FALL_DEG),
)


def _peak(
    steps: np.ndarray, angles: pd.Series, columns: tuple[str, ...]
) -> dict[str, Any]:
    values = angles.to_numpy(float)
    peak = int(np.argmax(values))
    start, top, end = values[0], values[peak], values[-1]
    numbers = (start, top, int(steps[peak]), end, top - start, top - end)
    return dict(zip(columns, numbers, strict=True))


def _noise(angles: pd.Series) -> float:
    """Standard deviation of normal noise that moments would have independently of each
    other, were the curve beneath it flat: a slope makes it too large."""
    steps = np.abs(np.diff(angles.to_numpy(float)))
    if not len(steps):
        return 0.0
    return float(np.median(steps) / _MEDIAN_OF_NORMAL / np.sqrt(2))


def _to_final(run: LoggedRun) -> pd.DataFrame:
    return run.angles(to=col.FINAL, layer=run.layers[0])


def _to_reference(run: LoggedRun, reference: LoggedRun) -> pd.DataFrame:
    final = reference.p_vector("final", reference.layers[0])
    table = epoch_ends(run.angles(to=final, layer=run.layers[0]))
    return table.assign(**{col.REFERENCE: run_label(reference)})


def _first_epoch(run: LoggedRun, reference: str) -> pd.DataFrame:
    table = _to_final(run) if reference == col.FINAL else logged(run, reference)
    table = table[table[col.EPOCH] <= 0]
    return table.drop_duplicates(col.STEP, keep="last")


def _banded(tables: Iterable[tuple[LoggedRun, pd.DataFrame]]) -> pd.DataFrame:
    return with_null_band(concatenated(tables))
