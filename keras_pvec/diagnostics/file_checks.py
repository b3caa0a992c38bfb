"""Checks of a run folder as a whole: which files are missing, changed or left over."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from keras_pvec.diagnostics.findings import Finding, Kind
from keras_pvec.diagnostics.stored_checks import damaged_file
from keras_pvec.runs import (
    DamagedRunError,
    Moment,
    RunFolder,
    RunInfo,
    changed_files,
    check_end_of_log,
    check_progress,
    partial_files,
)

_OWN_SPLIT = "train"


def check_files(
    path: Path, moments: Iterable[Moment], ended: Iterable[int], info: RunInfo
) -> list[Finding]:
    """Checks that the files of a run are all there and as the training left them.

    Args:
        path: Folder of the run.
        moments: The logged moments.
        ended: The epochs in `metrics.csv`.
        info: The content of `run.json`.
    """
    folder = RunFolder(path)
    moments = list(moments)
    findings = [*_check_partial_files(folder)]
    if info.complete:
        findings += _check_log(folder, moments, ended, info)
        findings += _check_sums(path)
        if len({moment.epoch for moment in moments}) > 1:
            findings += _check_presence(folder.metrics_path)
    else:
        findings += _check_progress(path)
    if info.notes.get("status") == "finished":
        findings += _check_model(folder.model_path)
    return findings


def missing_subfolders(path: Path, info: RunInfo) -> list[Finding]:
    """Findings about folders of further sample sets that are missing, or lost their
    log."""
    lost = [
        f"{child.name}/log.csv"
        for child in sorted(path.iterdir())
        if child.is_dir()
        and RunFolder(child).stored_moments()
        and not RunFolder(child).log_path.exists()
    ]
    splits = _splits(info)
    # The run folder itself is logged to last.
    has_begun = info.complete or RunFolder(path).stored_moments()
    if has_begun and path.name not in splits:
        others = [split for split in splits if split != _OWN_SPLIT]
        lost += [split for split in others if not (path / split).is_dir()]
    return [Finding(Kind.FILE_MISSING, file=name, count=1) for name in lost]


def _splits(info: RunInfo) -> list[str]:
    """The sample sets that the experiments log, one in a subfolder each."""
    settings = info.notes.get("settings")
    counts = settings.get("num_samples") if isinstance(settings, Mapping) else None
    return list(counts) if isinstance(counts, Mapping) else []


def _check_log(
    folder: RunFolder, moments: list[Moment], ended: Iterable[int], info: RunInfo
) -> list[Finding]:
    stored = folder.stored_moments()
    try:
        check_end_of_log(folder.log_path, moments, info, stored, ended)
    except DamagedRunError as error:
        kind = Kind.LOG_SHORTENED
        return [Finding(kind, file="log.csv", count=1, reason=error.reason)]
    return []


def _check_sums(path: Path) -> list[Finding]:
    try:
        changed = [name for name, _ in changed_files(path)]
    except DamagedRunError as error:
        return [damaged_file(Path(error.file).name, error)]
    return _of_files(Kind.FILES_CHANGED, changed)


def _check_progress(path: Path) -> list[Finding]:
    try:
        check_progress(path)
    except DamagedRunError as error:
        name = Path(error.file).relative_to(path).as_posix()
        return [damaged_file(name, error)]
    return []


def _check_partial_files(folder: RunFolder) -> list[Finding]:
    places = (folder.path, folder.pvectors_path, folder.path / "weights")
    left = [
        file.relative_to(folder.path).as_posix()
        for place in places
        for file in partial_files(place)
    ]
    return _of_files(Kind.PARTIAL_FILES, left)


def _of_files(kind: Kind, names: list[str]) -> list[Finding]:
    """One finding, with the number of files, the first and the last."""
    if not names:
        return []
    return [Finding(kind, file=names[0], last_file=names[-1], count=len(names))]


def _check_presence(path: Path) -> list[Finding]:
    if path.exists() or path.is_symlink():
        return []
    return [Finding(Kind.FILE_MISSING, file=path.name, count=1)]


def _check_model(path: Path) -> list[Finding]:
    """Checks that `model.keras` is there, and its checksums, without Keras."""
    if missing := _check_presence(path):
        return missing
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} does not match its checksum")
    # The type of the error depends on where the file is damaged.
    except Exception as error:
        return [damaged_file(path.name, error)]
    return []
