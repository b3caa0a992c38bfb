"""What to think of the angles of a run or a log: checks, and their findings in words.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from keras_pvec.comparison import angle, compare_in_detail, describe
from keras_pvec.pvector import PVector
from keras_pvec.runs import (
    LOG_COLUMNS,
    Run,
    RunNotFoundError,
    load_p_vectors,
    open_run,
)

# Beyond these, a P-vector is to be read with care.
_AMBIGUOUS_RATIO = 0.99
_INACCURATE_DEG = 1.0
_CONSTANT_COSINE = 0.9999
_FEW_SAMPLES = 0.02
_SHOWS_NOTHING_Z = 3.0
_SELF_ANGLE_DEG = 1e-6
_UNIT = 1e-6
# What columns may hold, at the most.
_RANGES = {
    "angle_deg": (0, 90),
    "null_angle_deg": (0, 90),
    "centered_angle_deg": (0, 90),
    "cos_ones": (-1, 1),
    "energy1": (0, 1),
    "n_samples": (1, np.inf),
    "n_features": (1, np.inf),
}
_TEXT_COLUMNS = ("layer", "reference", "samples_sha256")
_OF_ONE_VECTOR = ("sigma1", "cos_ones", "energy1", "participation")

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something to know about a log.

    Attributes:
        level: `"error"` (the log is not what it says), `"warning"` (angles mislead) or
            `"note"`.
        text: What was found, and what to make of it.
    """

    level: str
    text: str


def examine(path: str | os.PathLike) -> list[Finding]:
    """Checks a run folder, or a `log.csv` alone.

    Raises:
        RunNotFoundError: There is neither.
        ValueError: The file is not a log of this package.
    """
    path = Path(path)
    run = open_run(path) if path.is_dir() else None
    file = path / "log.csv" if run else path
    if not file.is_file():
        raise RunNotFoundError(f"There is no run folder and no log at {path}.")
    try:
        log = run.log if run else pd.read_csv(file, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not a CSV file ({error}).") from None
    log = _checked(log, file)
    return [*_of_log(log), *(_of_run(run, log) if run else [])]


def _checked(log: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The log with numbers where numbers belong."""
    if missing := [column for column in LOG_COLUMNS if column not in log]:
        raise ValueError(
            f"{path} is not a log of keras_pvec: it lacks the columns "
            f"{', '.join(missing)}."
        )
    numbers = {}
    for column in LOG_COLUMNS:
        if column in _TEXT_COLUMNS:
            continue
        values = pd.to_numeric(log[column], errors="coerce")
        wrong = values.isna() & log[column].notna()
        if column in ("epoch", "step"):
            wrong |= values.isna() | (values % 1 != 0)
        if wrong.any():
            # As a spreadsheet counts: from 1, and the header is a row.
            row = int(np.flatnonzero(wrong)[0]) + 2
            cell = log[column][wrong].iloc[0]
            received = "an empty cell" if pd.isna(cell) else repr(cell)
            kind = "whole number" if column in ("epoch", "step") else "number"
            raise ValueError(
                f"{path}, row {row}: {received} is not a {kind}, as `{column}` has to "
                "be."
            )
        numbers[column] = values
    return log.assign(**numbers).astype({"epoch": int, "step": int})


def _of_log(log: pd.DataFrame) -> list[Finding]:
    if log.empty:
        return [Finding(ERROR, "The log has no rows: nothing was measured.")]
    return [
        *_rows(log),
        *_values(log),
        *_fingerprints(log),
        *(f for _, layer in log.groupby("layer", sort=False) for f in _layer(layer)),
        *_against_the_null(log),
    ]


def _rows(log: pd.DataFrame) -> Iterator[Finding]:
    key = ["epoch", "step", "layer", "reference"]
    doubled = int(log.duplicated(key).sum())
    if doubled:
        yield Finding(
            ERROR,
            f"{doubled} rows are doubled: two trainings wrote to one log, or rows were "
            "appended by hand. Each training needs a folder of its own.",
        )
    epochs = sorted(log["epoch"].unique())
    gaps = sorted(set(range(int(epochs[0]), int(epochs[-1]) + 1)) - set(epochs))
    if gaps:
        yield Finding(ERROR, f"Epochs are missing: {_some(gaps)}.")
    ends = log[log["step"] == log.groupby("epoch")["step"].transform("max")]
    expected = log["layer"].nunique()
    short = ends.groupby("epoch")["layer"].nunique()
    short = sorted(short[short < expected].index)
    if short:
        yield Finding(
            WARNING,
            f"Some of the {expected} layers have no row at the end of epochs "
            f"{_some(short)}: they were dead or not finite there (see `failures` in "
            "run.json), rows were lost, or the last epoch was cut short.",
        )
    for (layer, reference), rows in log.groupby(["layer", "reference"], sort=False):
        there = set(zip(rows["epoch"], rows["step"], strict=True))
        others = log[log["layer"] == layer]
        between = others["step"].between(rows["step"].min(), rows["step"].max())
        moments = set(
            zip(others["epoch"][between], others["step"][between], strict=True)
        )
        if lost := sorted({epoch for epoch, _ in moments - there}):
            yield Finding(
                ERROR,
                f"{layer} to {reference}: rows of epochs {_some(lost)} are missing, "
                "while other references have theirs.",
            )


def _values(log: pd.DataFrame) -> Iterator[Finding]:
    """Numbers that no measurement gives."""
    for column, (low, high) in _RANGES.items():
        values = log[column].dropna()
        outside = int((~values.between(low - _UNIT, high + _UNIT)).sum())
        if outside:
            yield Finding(
                ERROR,
                f"{outside} values of `{column}` do not lie between {low:g} and "
                f"{high:g}: these rows were not written by a measurement.",
            )
    unknown = int(log["angle_deg"].isna().sum())
    if unknown:
        yield Finding(WARNING, f"{unknown} rows have no angle.")


def _fingerprints(log: pd.DataFrame) -> Iterator[Finding]:
    prints = log["samples_sha256"].dropna().unique()
    if len(prints) > 1:
        yield Finding(
            ERROR,
            f"The rows are of {len(prints)} different sample sets. Their angles do not "
            "compare with each other.",
        )
    elif len(prints) == 0:
        yield Finding(
            WARNING,
            "The samples have no fingerprint: nothing tells whether two vectors are of "
            "the same samples in the same order.",
        )


def _layer(rows: pd.DataFrame) -> Iterator[Finding]:
    """What is odd about one layer, of which each moment counts once."""
    name = rows["layer"].iloc[0]
    # The errors of two vectors add up, so each reference has its own.
    moment = rows.groupby(["epoch", "step"], sort=False)
    rows = moment.first().assign(angle_error_deg=moment["angle_error_deg"].max())
    moments = len(rows)
    n = rows["n_samples"]
    ambiguous = (rows["sigma2_over_sigma1"] > _AMBIGUOUS_RATIO) | (
        rows["angle_error_deg"] > _INACCURATE_DEG
    )
    if ambiguous.any():
        yield Finding(
            WARNING,
            f"{name}: the P-vector is ambiguous at {ambiguous.sum()} of {moments} "
            f"moments (sigma2/sigma1 up to {rows['sigma2_over_sigma1'].max():.4f}, "
            f"error up to {rows['angle_error_deg'].max():.2g} degrees). Compare the "
            "plane of the first two vectors there (k=2, kp.principal_angles).",
        )
    constant = rows["cos_ones"].abs() > _CONSTANT_COSINE
    if constant.any():
        yield Finding(
            WARNING,
            f"{name}: at {constant.sum()} of {moments} moments the P-vector is the "
            "constant vector: every sample has nearly the same features, or their mean "
            "outweighs all else. Its angles say nothing about the samples.",
        )
    few = rows["participation"] < np.maximum(_FEW_SAMPLES * n, 2)
    if few.any():
        yield Finding(
            WARNING,
            f"{name}: at {few.sum()} of {moments} moments a few samples own the "
            f"P-vector (as few as {rows['participation'].min():.1f} of {n.iloc[0]}). "
            "The angle is theirs; look at these samples.",
        )


def _against_the_null(log: pd.DataFrame) -> Iterator[Finding]:
    """What the last angle of each layer to each reference is worth."""
    known = log.dropna(subset=["angle_deg"]).sort_values(["step", "epoch"])
    end = tuple(known[["step", "epoch"]].iloc[-1]) if len(known) else ()
    for row in known.groupby(["layer", "reference"], sort=False).tail(1).itertuples():
        # An angle to itself, or nearly, has no null to speak of.
        if row.angle_deg < _SELF_ANGLE_DEG:
            continue
        when = "last moment"
        if (row.step, row.epoch) != end:
            when = f"epoch {row.epoch}, step {row.step}, the last it was measured at"
        told = (
            f"{row.layer} to {row.reference}, {when}: {row.angle_deg:.2f} degrees (0 = "
            "same, 90 = unrelated)"
        )
        if np.isnan(row.z) or np.isnan(row.null_angle_deg):
            yield Finding(
                WARNING,
                f"{told}. There is no null to compare it with: one of the two is the "
                "constant vector, which is the same in every order of the samples.",
            )
            continue
        told += f", {row.null_angle_deg:.2f} by chance, z = {row.z:.1f}"
        if not np.isnan(row.centered_angle_deg):
            told += f", centred {row.centered_angle_deg:.1f}"
        if abs(row.z) < _SHOWS_NOTHING_Z:
            yield Finding(
                WARNING,
                f"{told}. The angle of uncentred features shows nothing: samples in "
                "random order are as close.",
            )
        elif row.angle_deg > row.null_angle_deg:
            yield Finding(WARNING, f"{told}. Further apart than random orders are.")
        else:
            yield Finding(NOTE, f"{told}. Closer than chance.")


def _of_run(run: Run, log: pd.DataFrame) -> Iterator[Finding]:
    info = run.info
    if info.logged_with is None and not info.notes:
        yield Finding(
            WARNING,
            "There is no run.json: nothing tells the settings, or whether the training "
            "came to its end.",
        )
    elif not info.complete:
        yield Finding(
            WARNING,
            "The training did not come to its end, or is still going on; if it was "
            "stopped, it can be resumed.",
        )
    for failure in info.failures:
        yield Finding(
            WARNING,
            f"{failure.layer} had no P-vector at epoch {failure.epoch}, step "
            f"{failure.step}. {failure.reason}",
        )
    for moment, rows in log.groupby(["epoch", "step"], sort=False):
        try:
            p_vectors = run.p_vectors(moment)
        except (ValueError, OSError) as error:
            yield Finding(ERROR, str(error))
            continue
        for layer, of_layer in rows.groupby("layer", sort=False):
            where = f"{layer} at epoch {moment[0]}, step {moment[1]}"
            if layer not in p_vectors:
                yield Finding(ERROR, f"{where} has a row, but no P-vector.")
            else:
                for text in _vector(p_vectors[layer], of_layer):
                    yield Finding(ERROR, f"{where}{text}")


def _vector(p: PVector, rows: pd.DataFrame) -> Iterator[str]:
    """What is wrong with a stored vector, and with what the log says of it."""
    row = rows.iloc[0]
    known = p.samples_sha256 is not None and not pd.isna(row["samples_sha256"])
    if known and p.samples_sha256 != row["samples_sha256"]:
        yield " is of other samples than the log says."
    length = np.linalg.norm(p.vector)
    if not abs(length - 1) < _UNIT or not angle(p, p) < _SELF_ANGLE_DEG:
        yield f": the P-vector is damaged, it has length {length:.6g} and not 1."
        return
    stored = dataclasses.asdict(describe(p))
    differ = [
        name
        for name in _OF_ONE_VECTOR
        if not np.isclose(stored[name], row[name], rtol=_UNIT, atol=_UNIT)
    ]
    if differ:
        yield (
            f": the stored P-vector is another one than the log speaks of; they differ "
            f"in {', '.join(differ)}."
        )


def _some(numbers: list[int]) -> str:
    shown = ", ".join(str(int(number)) for number in numbers[:10])
    return shown + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")


def compare_files(
    first: str | os.PathLike, second: str | os.PathLike, layer: str | None = None
) -> pd.DataFrame:
    """Compares P-vectors of two files, layer by layer.

    Args:
        first: An `.npz` file, as in the folder `pvectors` of a run.
        second: Another one, of the same samples.
        layer: Which layer; default all that both have. Of files with one layer each,
            these are compared whatever they are called.

    Returns:
        One row per comparison, `layer` and the fields of `DetailedComparison`.

    Raises:
        RunNotFoundError: No such file.
        ValueError: Not a file of P-vectors, or no layer in common.
        SampleMismatchError: Different samples.
    """
    sides = []
    for path in (first, second):
        if not Path(path).is_file():
            raise RunNotFoundError(f"There is no file {path}.")
        sides.append(load_p_vectors(path))
    a, b = sides
    pairs = [(name, name) for name in a if name in b and layer in (None, name)]
    if not pairs and layer is None and len(a) == len(b) == 1:
        pairs = [(next(iter(a)), next(iter(b)))]
    if not pairs:
        raise ValueError(
            f"No layer to compare: {first} has {list(a)}, {second} has {list(b)}"
            + (f", and {layer!r} was asked for." if layer else ".")
        )
    rows = [
        {
            "layer": x if x == y else f"{x} / {y}",
            **dataclasses.asdict(compare_in_detail(a[x], b[y])),
        }
        for x, y in pairs
    ]
    return pd.DataFrame(rows)


def angle_table(run: Run) -> pd.DataFrame:
    """All angles of a run as one tidy table: the rows of its log, and the angle of each
    layer at each moment to its own last one, with `reference` `"final"`. Layers without
    a P-vector at the last moment have none of the latter."""
    finals = [run.angles(to="final", layer=layer) for layer in _measured_last(run)]
    return pd.concat([run.log, *finals], ignore_index=True)


def without_final(run: Run) -> list[str]:
    """The layers of a run that have no P-vector at its last moment."""
    last = _measured_last(run)
    return [layer for layer in run.layers if layer not in last]


def _measured_last(run: Run) -> list[str]:
    last = run.p_vectors(run.moments[-1])
    return [layer for layer in run.layers if layer in last]
