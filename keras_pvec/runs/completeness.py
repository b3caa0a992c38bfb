"""Whether the log of a finished run is whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_pvec.runs.errors import DamagedRunError
from keras_pvec.runs.info import RunInfo
from keras_pvec.runs.schema import Failure, LoggedWith, Moment
from keras_pvec.runs.tables import moment_of

_REMEDY = (
    "Restore log.csv from a copy of the run. Without one, train the run again in a new "
    "folder."
)


def check_finished_log(
    path: Path,
    rows: Sequence[Mapping[str, str]],
    info: RunInfo,
    stored: Collection[Moment],
    metrics_epochs: Iterable[int],
) -> None:
    """Checks that no rows of a finished run are gone.

    Otherwise the last row that is left would pass for the end of the training.

    Args:
        path: Path of the log.
        rows: Its rows, as `parse_rows` returns them.
        info: The content of `run.json`.
        stored: The moments with a file of P-vectors.
        metrics_epochs: The epochs in `metrics.csv`.

    Raises:
        DamagedRunError: Rows are missing, at the end or of a layer or reference.
    """
    check_end_of_log(path, map(moment_of, rows), info, stored, metrics_epochs)
    lost = missing_rows(rows, info.failures)
    if lost:
        first = lost[0]
        where = f" of layer {first.layer!r}"
        if first.reference is not None:
            where += f" and reference {first.reference!r}"
        of_same = [m for m in lost if m[1:] == first[1:]]
        raise _missing(path, [m.moment for m in of_same], where)


def check_end_of_log(
    path: Path,
    moments: Iterable[Moment],
    info: RunInfo,
    stored: Collection[Moment],
    metrics_epochs: Iterable[int],
) -> None:
    """Checks that the log of a finished run has all moments that other files have.

    Args:
        path: Path of the log.
        moments: Its moments.
        info: The content of `run.json`.
        stored: The moments with a file of P-vectors.
        metrics_epochs: The epochs in `metrics.csv`.

    Raises:
        DamagedRunError: It lacks moments whose P-vectors are stored, the last moment,
            or the last epoch of `metrics.csv`.
    """
    settings = info.logged_with or LoggedWith()
    known = {*moments, *(failure.moment for failure in info.failures)}
    if lost := sorted(set(stored) - known):
        raise _missing(path, lost)
    last = max(known, default=None)
    if settings.last_moment is not None and last != settings.last_moment:
        raise _missing(path, [settings.last_moment])
    last_epoch = max(metrics_epochs, default=None)
    if last_epoch is not None and (last is None or last.epoch < last_epoch):
        reason = f"it has no rows of the last epoch, {last_epoch}"
        raise DamagedRunError(path, reason, _REMEDY)


class MissingRows(NamedTuple):
    """Rows that a log lacks at one of its moments.

    Attributes:
        moment: The moment, which has other rows.
        layer: The layer.
        reference: The reference; `None` for all of them.
    """

    moment: Moment
    layer: str
    reference: str | None


def missing_rows(
    rows: Sequence[Mapping[str, str]],
    failures: Iterable[Failure],
    unlogged: Iterable[Moment] = (),
) -> list[MissingRows]:
    """What a log lacks at moments that it has, in order of time.

    Each layer has rows at the end of each epoch, unless a failure is recorded, and has
    each of its references.

    Args:
        rows: Rows of a log, as `parse_rows` returns them.
        failures: The recorded failures.
        unlogged: Further moments, which may be the ends of epochs.
    """
    of_layers: dict[str, set[Moment]] = defaultdict(set)
    of_pairs: dict[tuple[str, str], set[Moment]] = defaultdict(set)
    for row in rows:
        layer, reference = row.get("layer", ""), row.get("reference", "")
        moment = moment_of(row)
        of_layers[layer].add(moment)
        of_pairs[layer, reference].add(moment)
    explained = {(failure.layer, failure.moment) for failure in failures}
    ends: dict[int, Moment] = {}
    logged = set().union(*of_layers.values())
    for moment in {*logged, *unlogged}:
        ends[moment.epoch] = max(moment, ends.get(moment.epoch, moment))
    missing = [
        MissingRows(end, layer, None)
        for layer, moments in of_layers.items()
        for end in ends.values()
        if end in logged - moments and (layer, end) not in explained
    ]
    missing += [
        MissingRows(moment, layer, reference)
        for (layer, reference), moments in of_pairs.items()
        # A reference may have been added when the training was resumed.
        for moment in of_layers[layer] - moments
        if moment > min(moments)
    ]
    return sorted(missing, key=lambda m: m.moment)


def _missing(path: Path, moments: Sequence[Moment], where: str = "") -> DamagedRunError:
    epoch, step = moments[0]
    return DamagedRunError(
        path,
        f"it has no rows{where} at {len(moments)} moments, first at epoch {epoch}, "
        f"step {step}",
        _REMEDY,
    )
