"""Checks of the files of a run: are they readable, and do they match its log?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from keras_pvec.comparison import describe
from keras_pvec.diagnostics.findings import Finding, Kind
from keras_pvec.diagnostics.log_checks import moments_of
from keras_pvec.pvector import PVector
from keras_pvec.runs import (
    AfterFit,
    DamagedRunError,
    Moment,
    Run,
    RunError,
    RunFolder,
    RunInfo,
    RunNotFoundError,
    load_p_vectors,
    read_metrics,
    typed_columns,
)

_TOLERANCE = 1e-6
# Columns of the log that the stored vector alone determines.
_VECTOR_COLUMNS = ("sigma1", "cos_ones", "energy1", "participation")


def damaged_file(file: str, error: Exception) -> Finding:
    """A finding about a file that cannot be read."""
    # The whole error adds the path and advice.
    reason = error.reason if isinstance(error, DamagedRunError) else str(error)
    return Finding(Kind.FILE_DAMAGED, file=file, count=1, reason=reason)


def read_info(run: Run) -> tuple[RunInfo, list[Finding]]:
    """The content of `run.json`, empty if it is damaged, and findings about it."""
    try:
        info = run.info
    except (RunError, OSError) as error:
        return RunInfo(), [damaged_file("run.json", error)]
    if info.logged_with is None and not info.notes:
        return info, [Finding(Kind.NO_SETTINGS)]
    findings = [] if info.complete else [Finding(Kind.INCOMPLETE)]
    findings += _check_after_fit(info.after_fit)
    layers = dict.fromkeys(failure.layer for failure in info.failures)
    for layer in layers:
        failures = [f for f in info.failures if f.layer == layer]
        findings.append(
            Finding(
                Kind.NOT_MEASURED,
                layer=layer,
                moments=tuple(sorted({failure.moment for failure in failures})),
                count=len(failures),
                reason=failures[0].reason,
            )
        )
    for layer in dict.fromkeys(entry.layer for entry in info.breaks):
        breaks = [entry for entry in info.breaks if entry.layer == layer]
        findings.append(
            Finding(
                Kind.OTHER_MODEL,
                layer=layer,
                moments=tuple(sorted({entry.moment for entry in breaks})),
                count=len(breaks),
                values={"angle_deg": max(entry.angle_deg for entry in breaks)},
            )
        )
    return info, findings


def _check_after_fit(after_fit: AfterFit | None) -> list[Finding]:
    """A finding if the model that `fit` left is not the one of the last moment."""
    if after_fit is None or not after_fit.differs:
        return []
    angles = after_fit.angles_deg
    if not angles:
        return [Finding(Kind.AFTER_FIT)]
    layer = max(angles, key=angles.__getitem__)
    values = {"angle_deg": angles[layer]}
    return [Finding(Kind.AFTER_FIT, layer=layer, values=values)]


def read_epoch_ends(run: Run) -> tuple[list[int], list[Finding]]:
    """The epochs in `metrics.csv`, none if it is damaged, and findings about it."""
    try:
        path = RunFolder(run.path).metrics_path
        if not path.is_symlink() and not path.exists():
            return [], []
        metrics = read_metrics(path)
        if missing := {"epoch", "step"} - set(metrics):
            raise ValueError(f"missing columns {', '.join(sorted(missing))}")
        epochs = typed_columns(metrics, metrics.columns)["epoch"].tolist()
        if len(set(epochs)) < len(epochs):
            raise ValueError("an epoch has several rows")
    except (RunError, ValueError, OSError) as error:
        return [], [damaged_file("metrics.csv", error)]
    return epochs, []


def check_metrics(
    epochs: list[int], log: pd.DataFrame, is_complete: bool
) -> list[Finding]:
    """Checks that each finished epoch has a row in `metrics.csv`.

    Args:
        epochs: The epochs in `metrics.csv`; if there are none, nothing is checked.
        log: A log as `typed_log` returns it.
        is_complete: Whether the training finished, including its last epoch.
    """
    if not epochs:
        return []
    logged = sorted(set(log["epoch"].tolist()))
    # The first moment is before the first epoch; the last epoch may be unfinished.
    ended = logged[1:] if is_complete else logged[1:-1]
    missing = [epoch for epoch in ended if epoch not in epochs]
    if not missing:
        return []
    return [
        Finding(
            Kind.METRICS_MISSING,
            epochs=tuple(missing),
            count=len(missing),
            file="metrics.csv",
        )
    ]


def check_samples(run: Run) -> list[Finding]:
    """Checks that `samples.npz`, if it exists, can be read."""
    try:
        run.samples  # noqa: B018
    except (RunError, OSError) as error:
        file = getattr(error, "file", "samples.npz")
        if not file.endswith("samples.npz"):
            return []  # other checks have findings about it
        return [damaged_file("samples.npz", error)]
    return []


def check_stored_vectors(run: Run, log: pd.DataFrame) -> list[Finding]:
    """Checks that the stored P-vectors exist, have unit length and match the log.

    Args:
        run: A run.
        log: Its log as `typed_log` returns it.
    """
    problems = []
    # The numbers of a vector are the same in the rows of all references. The whole log
    # is converted at once: pandas takes milliseconds for a table, however small.
    once = log.drop_duplicates(["epoch", "step", "layer"])
    rows_at: dict[Moment, list[dict[str, Any]]] = {}
    for row in once.to_dict("records"):
        moment = Moment(int(row["epoch"]), int(row["step"]))
        rows_at.setdefault(moment, []).append(row)
    for moment, rows in sorted(rows_at.items(), key=lambda item: item[0]):
        try:
            p_vectors = load_p_vectors(RunFolder(run.path).moment_path(moment), moment)
        except RunNotFoundError:
            problems.append(_Problem(Kind.VECTORS_MISSING, None, moment))
            continue
        except (RunError, OSError) as error:
            kind, reason = Kind.VECTORS_UNREADABLE, str(error)
            problems.append(_Problem(kind, None, moment, reason=reason))
            continue
        for row in rows:
            stored = p_vectors.get(row["layer"])
            for kind, values in _vector_problems(stored, row):
                problems.append(_Problem(kind, row["layer"], moment, values))
    return list(_grouped(problems, run, log))


def is_unit(p: PVector) -> bool:
    """Whether a P-vector has unit length; a damaged one may not."""
    return bool(abs(np.linalg.norm(p.vector) - 1) < _TOLERANCE)


@dataclasses.dataclass(frozen=True)
class _Problem:
    """A problem at one moment, of one layer or of the file of all layers."""

    kind: Kind
    layer: str | None
    moment: Moment
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    reason: str | None = None


def _vector_problems(
    stored: PVector | None, row: dict
) -> Iterator[tuple[Kind, dict[str, float]]]:
    """Problems of a stored vector and of its log row."""
    if stored is None:
        yield Kind.LAYER_NOT_STORED, {}
        return
    both_known = not (stored.samples_sha256 is None or pd.isna(row["samples_sha256"]))
    if both_known and stored.samples_sha256 != row["samples_sha256"]:
        yield Kind.OTHER_SAMPLES, {}
    if not is_unit(stored):
        yield Kind.VECTOR_NOT_UNIT, {"norm": float(np.linalg.norm(stored.vector))}
        return
    described = describe(stored).as_row()
    differences = {
        name: abs(described[name] - row[name])
        for name in _VECTOR_COLUMNS
        if not np.isclose(described[name], row[name], rtol=_TOLERANCE, atol=_TOLERANCE)
    }
    if differences:
        yield Kind.OTHER_VECTOR, differences


def _grouped(
    problems: Iterable[_Problem], run: Run, log: pd.DataFrame
) -> Iterator[Finding]:
    """One finding for each kind and layer."""
    groups: dict[tuple[Kind, str | None], list[_Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.kind, problem.layer), []).append(problem)
    for (kind, layer), group in groups.items():
        first = group[0]
        file = last_file = None
        if layer is None:
            file, last_file = (
                RunFolder(run.path).moment_path(moment).relative_to(run.path).as_posix()
                for moment in (first.moment, group[-1].moment)
            )
        rows = log if layer is None else log[log["layer"] == layer]
        yield Finding(
            kind,
            layer=layer,
            moments=tuple(problem.moment for problem in group),
            count=len(group),
            total=len(moments_of(rows)),
            values=first.values,
            file=file,
            last_file=last_file,
            reason=first.reason,
        )
