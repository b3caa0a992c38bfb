"""What to think of the angles of a run or a log: checks, and their findings in words.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from keras_pvec.comparison import compare
from keras_pvec.store import (
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
    if path.is_dir():
        run = open_run(path)
        return [*_of_log(_checked(run.log, run.path)), *_of_run(run)]
    if not path.is_file():
        raise RunNotFoundError(f"There is no run folder and no log at {path}.")
    try:
        log = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV file ({error}).") from None
    return _of_log(_checked(log, path))


def _checked(log: pd.DataFrame, path: Path) -> pd.DataFrame:
    if missing := [column for column in LOG_COLUMNS if column not in log]:
        raise ValueError(
            f"{path} is not a log of keras_pvec: it lacks the columns "
            f"{', '.join(missing)}."
        )
    return log


def _of_log(log: pd.DataFrame) -> list[Finding]:
    if log.empty:
        return [Finding(ERROR, "The log has no rows: nothing was measured.")]
    return [
        *_rows(log),
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
            "run.json), or rows were lost.",
        )


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
    rows = rows.drop_duplicates(["epoch", "step"])
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
    """What the last moment's angles are worth, by layer and reference."""
    last = log[log["step"] == log["step"].max()].dropna(subset=["angle_deg", "z"])
    for row in last.itertuples():
        against = f"{row.layer} to {row.reference}"
        # An angle to itself, or nearly, has no null to speak of.
        if row.angle_deg < _SELF_ANGLE_DEG:
            continue
        told = (
            f"{against}, last moment: {row.angle_deg:.2f} degrees (0 = same, 90 = "
            f"unrelated), {row.null_angle_deg:.2f} by chance, z = {row.z:.1f}"
        )
        if not np.isnan(row.centered_angle_deg):
            told += f", centred {row.centered_angle_deg:.1f}"
        if row.z < -_SHOWS_NOTHING_Z:
            yield Finding(WARNING, f"{told}. Further apart than random orders are.")
        elif row.z < _SHOWS_NOTHING_Z:
            yield Finding(
                WARNING,
                f"{told}. It shows nothing: samples in random order are as close.",
            )
        else:
            yield Finding(NOTE, f"{told}. Closer than chance.")


def _of_run(run: Run) -> Iterator[Finding]:
    info = run.info
    if not info.get("p_vectors", {}).get("complete", False):
        yield Finding(
            WARNING, "The training did not come to its end; it can be resumed."
        )
    for failure in info.get("failures", []):
        yield Finding(
            WARNING,
            f"{failure['layer']} had no P-vector at epoch {failure['epoch']}, step "
            f"{failure['step']}. {failure['reason']}",
        )
    logged = dict.fromkeys(run.moments)
    prints = set(run.log["samples_sha256"].dropna())
    for moment in logged:
        try:
            p_vectors = run.p_vectors(moment)
        except RunNotFoundError as error:
            yield Finding(ERROR, str(error))
            continue
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            yield Finding(
                ERROR,
                f"The P-vectors of epoch {moment[0]}, step {moment[1]} cannot be read "
                f"({error}).",
            )
            continue
        for layer, p in p_vectors.items():
            where = f"{layer} at epoch {moment[0]}, step {moment[1]}"
            if p.samples_sha256 is not None and p.samples_sha256 not in prints:
                yield Finding(ERROR, f"{where} is of other samples than the log says.")
            if not abs(np.linalg.norm(p.vector) - 1) < _UNIT:
                yield Finding(
                    ERROR,
                    f"{where}: the P-vector is damaged, it has length "
                    f"{np.linalg.norm(p.vector):.6g} and not 1.",
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
        try:
            sides.append(load_p_vectors(path))
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} holds no P-vectors ({error}).") from None
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
            **dataclasses.asdict(compare(a[x], b[y], detail=True)),
        }
        for x, y in pairs
    ]
    return pd.DataFrame(rows)


def angle_table(run: Run) -> pd.DataFrame:
    """All angles of a run as one tidy table: the rows of its log, and the angle of each
    layer at each moment to its own last one, with `reference` `"final"`."""
    finals = [run.angles(to="final", layer=layer) for layer in run.layers]
    return pd.concat([run.log, *finals], ignore_index=True)
