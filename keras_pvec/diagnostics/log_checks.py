"""Checks of `log.csv`: are its rows complete, and are their values possible?"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from keras_pvec.diagnostics.findings import Finding, Kind
from keras_pvec.runs import Failure, Moment

# Smallest and largest value that a column can hold.
RANGES = {
    "angle_deg": (0.0, 90.0),
    "null_angle_deg": (0.0, 90.0),
    "centered_angle_deg": (0.0, 90.0),
    "cos_ones": (-1.0, 1.0),
    "energy1": (0.0, 1.0),
    "n_samples": (1.0, np.inf),
    "n_features": (1.0, np.inf),
}
_ROUNDING = 1e-6
# A finding lists at most this many missing epochs: one wrong cell may imply millions.
_MAX_EPOCHS = 1000


def check_log(
    log: pd.DataFrame, last_epoch: int | None, failures: Iterable[Failure] = ()
) -> list[Finding]:
    """Checks that the rows of a log are complete and possible.

    Args:
        log: A log as `typed_log` returns it.
        last_epoch: The last finished epoch; `None` without rows.
        failures: Known reasons why a layer has no rows at a moment.
    """
    if last_epoch is None:
        return [Finding(Kind.EMPTY_LOG)]
    return [
        *_check_rows(log),
        *_check_layers_at_epoch_ends(log, failures, last_epoch),
        *_check_references(log),
        *_check_values(log),
        *_check_fingerprints(log),
    ]


def _check_rows(log: pd.DataFrame) -> Iterator[Finding]:
    repeated = log.duplicated(["epoch", "step", "layer", "reference"])
    if repeated.any():
        yield Finding(
            Kind.DUPLICATE_ROWS,
            count=int(repeated.sum()),
            total=len(log),
            moments=moments_of(log[repeated]),
        )
    epochs = {int(epoch) for epoch in log["epoch"].unique()}
    between = range(min(epochs), max(epochs) + 1)
    if count := len(between) - len(epochs):
        gaps = itertools.islice((e for e in between if e not in epochs), _MAX_EPOCHS)
        yield Finding(Kind.EPOCHS_MISSING, epochs=tuple(gaps), count=count)


def _check_layers_at_epoch_ends(
    log: pd.DataFrame, failures: Iterable[Failure], last_epoch: int
) -> Iterator[Finding]:
    """Each layer is measured at the end of each epoch, unless a failure is recorded."""
    explained = {(failure.layer, failure.moment) for failure in failures}
    ends = [
        Moment(int(epoch), int(step))
        for epoch, step in log.groupby("epoch")["step"].max().items()
        if epoch <= last_epoch
    ]
    for layer, rows in log.groupby("layer", sort=False):
        measured = set(moments_of(rows))
        missing = [
            end for end in ends if end not in measured and (layer, end) not in explained
        ]
        if missing:
            yield Finding(
                Kind.LAYER_MISSING,
                layer=layer,
                moments=tuple(missing),
                epochs=tuple(end.epoch for end in missing),
                count=len(missing),
                total=len(ends),
            )


def _check_references(log: pd.DataFrame) -> Iterator[Finding]:
    """Each layer is compared with each of its references at each moment."""
    for (layer, reference), rows in log.groupby(["layer", "reference"], sort=False):
        others = log[log["layer"] == layer]
        # A reference may have been added when the training was resumed.
        within = others["step"].between(rows["step"].min(), rows["step"].max())
        expected = moments_of(others[within])
        present = set(moments_of(rows))
        if missing := tuple(moment for moment in expected if moment not in present):
            yield Finding(
                Kind.ROWS_MISSING,
                layer=layer,
                reference=reference,
                moments=missing,
                epochs=tuple(dict.fromkeys(moment.epoch for moment in missing)),
                count=len(missing),
                total=len(expected),
            )


def _check_values(log: pd.DataFrame) -> Iterator[Finding]:
    """Impossible values, and missing angles."""
    for column, (low, high) in RANGES.items():
        values = log[column]
        outside = values.notna() & ~values.between(low - _ROUNDING, high + _ROUNDING)
        if outside.any():
            found = values[outside].to_numpy()
            worst = found[np.argmax(np.maximum(low - found, found - high))]
            yield Finding(
                Kind.OUT_OF_RANGE,
                moments=moments_of(log[outside]),
                count=int(outside.sum()),
                total=len(log),
                values={column: float(worst)},
            )
    # The first row of a reference may lack an angle: "previous" has none before it.
    first = ~log.duplicated(["layer", "reference"])
    not_compared = log["cos_ones_reference"].isna()
    missing = log["angle_deg"].isna() & (log["reference"] != "")
    missing &= ~(first & not_compared)
    for (layer, reference), rows in log[missing].groupby(
        ["layer", "reference"], sort=False
    ):
        all_rows = log[(log["layer"] == layer) & (log["reference"] == reference)]
        yield Finding(
            Kind.ANGLE_MISSING,
            layer=layer,
            reference=reference,
            moments=moments_of(rows),
            count=len(rows),
            total=len(all_rows),
        )


def _check_fingerprints(log: pd.DataFrame) -> Iterator[Finding]:
    fingerprints = log["samples_sha256"].dropna().unique()
    if len(fingerprints) > 1:
        yield Finding(Kind.SAMPLE_SETS_MIXED, count=len(fingerprints))
    elif len(fingerprints) == 0:
        yield Finding(Kind.NO_FINGERPRINT)


def moments_of(rows: pd.DataFrame) -> tuple[Moment, ...]:
    """The moments of some rows, each once, in order of time."""
    pairs = zip(rows["epoch"].tolist(), rows["step"].tolist(), strict=True)
    return tuple(sorted({Moment(epoch, step) for epoch, step in pairs}))
