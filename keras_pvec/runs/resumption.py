"""What a training that resumes finds in its folder, before it changes anything.

P-vectors are the data; `log.csv` is computed from them. If rows of `log.csv` are gone
and the P-vectors are there, the rows are computed again: from the stored P-vectors and
the references of the logger, as they were computed the first time. This is done only if
it can be shown to give the same numbers, that is, if the rows or the angles in
`metrics.csv` that are left come out the same to the last digit. Otherwise, and if rows
of `metrics.csv` are gone, which nothing else contains, the training stops and the error
names the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from keras_pvec.pvector import PVector
from keras_pvec.runs.completeness import missing_rows
from keras_pvec.runs.errors import DamagedRunError
from keras_pvec.runs.files import load_p_vectors
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.progress import check_progress
from keras_pvec.runs.schema import LOG_COLUMNS, Moment
from keras_pvec.runs.tables import (
    csv_bytes,
    moment_of,
    parse_rows,
    read_log,
    read_rows,
)

Row = Mapping[str, Any]
# Rows and named angles of P-vectors, given those of the moments before.
CompareWith = Callable[
    [Moment, Mapping[str, PVector], Mapping[str, PVector]],
    tuple[list[dict[str, Any]], dict[str, float]],
]


class History(NamedTuple):
    """What is kept of a run that is resumed.

    Attributes:
        moments: The moments before the epoch with which it resumes, in order. The
            moment at which it resumes is among them only if all of its rows are there.
        rebuilt: The rows of all of these moments, if the log has to be written again;
            else `None`.
        torn: The moment at which it resumes, if some of its rows or its P-vectors are
            missing; they are written again.
    """

    moments: list[Moment]
    rebuilt: list[dict[str, str]] | None = None
    torn: Moment | None = None


def check_history(
    folder: RunFolder,
    epoch: int,
    moment: Moment,
    layers: Iterable[str],
    compare_with: CompareWith,
) -> History:
    """Checks the files of a run before it is resumed. Writes nothing.

    Args:
        folder: The run.
        epoch: The epoch with which the training resumes.
        moment: The moment at which it resumes.
        layers: The layers that have a P-vector at that moment.
        compare_with: Computes the rows of a moment.

    Raises:
        DamagedRunError: A file is damaged; rows of `log.csv` are missing and cannot be
            computed again; or rows of `metrics.csv` are missing.
    """
    rows = [r for r in read_rows(folder.log_path) if moment_of(r).epoch < epoch]
    if rows:
        read_log(folder.log_path)  # raises if a cell has the wrong type
    stored = [m for m in folder.stored_moments() if m.epoch < epoch]
    logged = sorted(set(map(moment_of, rows)))
    torn = moment if _is_torn(folder, rows, moment, layers) else None
    whole = [row for row in rows if moment_of(row) != torn]
    rebuilt = None
    failures = folder.read_info().failures
    cut = {m.moment for m in missing_rows(whole, failures, [*stored, moment])}
    lost = [m for m in stored if (m not in logged or m in cut) and m != moment]
    # Rows that are computed again are compared with those that are left.
    check_progress(folder.path, log=not (lost or cut))
    if lost or cut:
        rebuilt = _rebuild(folder, whole, sorted({*lost, *cut}), compare_with)
        logged = sorted({*logged, *lost})
    _check_metrics(folder, logged, epoch)
    return History([m for m in logged if m != torn], rebuilt, torn)


def complete_log(folder: RunFolder, epochs: int) -> bool:
    """Marks the log of a run as complete if it reaches the end of the last epoch.

    Args:
        folder: The run.
        epochs: Number of epochs of the training.

    Returns:
        Whether the log is complete now.
    """
    info = folder.read_info()
    if info.complete or info.logged_with is None:
        return info.complete
    ended = folder.epoch_ends()
    moments = {*folder.moments(), *(failure.moment for failure in info.failures)}
    last = max(moments, default=None)
    if last is None or last != Moment(epochs - 1, ended.get(epochs - 1, -1)):
        return False
    check_progress(folder.path)
    folder.remove_partial_files()
    logged_with = dataclasses.replace(info.logged_with, complete=True, last_moment=last)
    folder.update_info(logged_with=logged_with)
    folder.seal()
    return True


def _is_torn(
    folder: RunFolder, rows: Sequence[Row], moment: Moment, layers: Iterable[str]
) -> bool:
    """Whether some, but not all, of a moment was written."""
    there = {(r["layer"], r["reference"]) for r in rows if moment_of(r) == moment}
    if not there:
        return False
    references = {row["reference"] for row in rows}
    expected = {(layer, name) for layer in layers for name in references}
    return not expected <= there or not folder.moment_path(moment).exists()


def _rebuild(
    folder: RunFolder,
    rows: Sequence[dict[str, str]],
    lost: Sequence[Moment],
    compare_with: CompareWith,
) -> list[dict[str, str]]:
    """The rows of a log in which some are missing."""
    angles = {moment_of(row): row for row in folder.metrics_rows()}
    n_same = 0
    previous: dict[str, PVector] = {}
    rebuilt: list[dict[str, str]] = []
    left = {_key(row): row for row in rows}
    for moment in sorted({*map(moment_of, rows), *lost}):
        p_vectors = load_p_vectors(folder.moment_path(moment), moment)
        computed, named = compare_with(moment, p_vectors, previous)
        previous.update(p_vectors)
        for row in _as_text(folder, computed):
            if _key(row) in left:
                if left[_key(row)] != row:
                    raise _not_rebuilt(folder, lost)
                n_same += 1
            rebuilt.append(row)
        for name, angle in named.items():
            if cell := angles.get(moment, {}).get(name):
                if cell != repr(float(angle)):
                    raise _not_rebuilt(folder, lost)
                n_same += 1
    if {*map(_key, rebuilt)} < {*left}:
        raise _not_rebuilt(folder, lost)
    has_references = any(row["reference"] for row in rebuilt)
    if has_references and not n_same:
        raise _not_rebuilt(folder, lost)
    return rebuilt


def _key(row: Mapping[str, str]) -> tuple[Moment, str, str]:
    return moment_of(row), row["layer"], row["reference"]


def _as_text(folder: RunFolder, rows: Iterable[Row]) -> list[dict[str, str]]:
    return parse_rows(folder.log_path, csv_bytes(LOG_COLUMNS, rows).decode())


def _not_rebuilt(folder: RunFolder, lost: Sequence[Moment]) -> DamagedRunError:
    epoch, step = lost[0]
    return DamagedRunError(
        folder.log_path,
        f"it has no rows of {len(lost)} moments, first at "
        f"epoch {epoch}, step {step}, and they cannot be computed again with certainty",
    )


def _check_metrics(folder: RunFolder, logged: Sequence[Moment], epoch: int) -> None:
    """Each epoch that was logged to its end has a row in `metrics.csv`.

    The row of the last one may be missing: a kill can come between the two files.
    """
    epochs = sorted({moment.epoch for moment in logged})
    # The first moment is before the first epoch.
    ended = [e for e in epochs[1:] if e < epoch - 1]
    there = folder.epoch_ends()
    if lost := [e for e in ended if e not in there]:
        raise DamagedRunError(
            folder.metrics_path,
            f"it has no rows of {len(lost)} finished epochs, first of epoch {lost[0]}",
        )
