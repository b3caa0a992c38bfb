"""Which runs of a list are stored: finished ones, missing ones, and damaged ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from keras_pvec.diagnostics import Diagnosis, Severity, diagnose
from keras_pvec.diagnostics.findings import Finding, Kind
from keras_pvec.diagnostics.sentences import sentence
from keras_pvec.reproduction import training
from keras_pvec.reproduction.failures import error_text
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.runner.job import DamagedRun, Job
from keras_pvec.runs import (
    DamagedRunError,
    Run,
    RunConflictError,
    RunError,
    RunFolder,
)
from keras_pvec.runs.errors import RESTORE

_STATUSES = (None, "running", "finished")
# It has several forms, of different types.
_OF_SEVERAL_TYPES = ("log_freq",)


class StoredRuns(NamedTuple):
    """The runs of a list, by what is stored of them.

    Attributes:
        runs: The finished runs by their folders. All that studies read of them is
            intact.
        missing: The jobs that have no run, or an unfinished one.
        damaged: The runs that cannot be read.
    """

    runs: dict[Path, Run]
    missing: list[Job]
    damaged: list[DamagedRun]


def stored_runs(jobs: Iterable[Job]) -> StoredRuns:
    """Opens the runs of some jobs, and reads each finished one as a whole.

    Args:
        jobs: The jobs; those with the same folder are one run.

    Raises:
        RunConflictError: A folder holds a run with other settings.
    """
    stored = StoredRuns({}, [], [])
    for job in {job.path: job for job in jobs}.values():
        try:
            run = _finished_run(job)
        except _OtherRunError as error:
            raise error.conflict from None
        # What is raised depends on where a file is damaged.
        except Exception as error:
            stored.damaged.append(DamagedRun(job.path, damage_text(error)))
            continue
        if run is None:
            stored.missing.append(job)
        else:
            stored.runs[job.path] = run
    return stored


def needs_training(job: Job) -> bool:
    """Whether the run of a job is missing or unfinished, as far as its `run.json` says;
    a damaged one is not to be trained.

    Raises:
        RunConflictError: The folder holds a run with other settings.
    """
    try:
        return not _is_finished(job)
    except _OtherRunError as error:
        raise error.conflict from None
    except Exception:
        return False


class _OtherRunError(Exception):
    """A folder holds another run than the job's."""

    def __init__(self, conflict: RunConflictError) -> None:
        super().__init__()
        self.conflict = conflict


def _finished_run(job: Job) -> Run | None:
    """The run of a job, read as a whole; `None` unless it is finished."""
    if not _is_finished(job):
        return None
    run = training.open_finished(job.settings, job.path)
    diagnosis = diagnose(job.path)
    for part in (diagnosis, *diagnosis.subfolders):
        for finding in part.findings:
            if finding.severity is Severity.ERROR and not _is_model_missing(finding):
                raise _damage_of(finding, part)
    for split, n in job.settings.num_samples.items():
        _check_samples(run.on(split), n)
    return _rated_by(job.reference, run)


def _rated_by(reference: training.ReferenceAccuracy | None, run: Run) -> Run:
    """The run with a rating by a reference that was not known when it was trained."""
    quality = TrainingRecord.of(run).training_quality
    if reference is None or quality.get("reference_accuracy") == reference.accuracy:
        return run
    if quality.get("accuracy") is None:
        return run
    rating = training.rate_training(run.metrics["loss"], quality["accuracy"], reference)
    return Run(run.path, notes={"training_quality": dataclasses.asdict(rating)})


def _is_finished(job: Job) -> bool:
    folder = RunFolder(job.path)
    try:
        record = TrainingRecord.of(folder.read_info())
    except DamagedRunError as error:
        raise DamagedRunError(folder.info_path, error.reason) from error
    if problem := _problem_of(record, job.settings.as_json()):
        raise DamagedRunError(folder.info_path, problem)
    if not record.settings and folder.log_path.exists():
        raise DamagedRunError(folder.info_path, "it holds no settings of a run")
    try:
        return training.is_finished(job.settings, job.path)
    except RunConflictError as conflict:
        raise _OtherRunError(conflict) from None


def _problem_of(record: TrainingRecord, asked: Mapping[str, Any]) -> str | None:
    """The first entry of a record that no training writes, if any."""
    if record.status not in _STATUSES:
        return f"its `status` is {record.status!r}"
    for name, value in record.settings.items():
        expected = _kind(asked.get(name))
        is_comparable = name not in _OF_SEVERAL_TYPES and type(None) not in (
            _kind(value),
            expected,
        )
        if is_comparable and _kind(value) is not expected:
            return f"its setting `{name}` is {value!r}"
    well_trained = record.training_quality.get("well_trained")
    if not isinstance(well_trained, bool | None):
        return f"its `well_trained` is {well_trained!r}"
    return None


def _kind(value: object) -> type:
    """The type of a value from a JSON file; integers count as floats."""
    return float if type(value) is int else type(value)


def _check_samples(run: Run, n_samples: int) -> None:
    """Raises an error unless a run is of as many samples as it should be."""
    if set(run.log["n_samples"]) != {n_samples}:
        raise DamagedRunError(
            run.path / "log.csv", f"it is of other than {n_samples} samples"
        )
    for name, values in run.samples.items():
        if len(values) != n_samples:
            raise DamagedRunError(
                run.path / "samples.npz",
                f"it has {len(values)} entries in {name} for {n_samples} samples",
            )


def _is_model_missing(finding: Finding) -> bool:
    # No study needs it, and users may delete it to save space.
    return finding.kind is Kind.FILE_MISSING and finding.file == "model.keras"


def _damage_of(finding: Finding, diagnosis: Diagnosis) -> DamagedRunError:
    """A finding as an error, with the file that it concerns."""
    path = diagnosis.path / (finding.file or "log.csv")
    if finding.layer is not None and finding.moments:
        path = RunFolder(diagnosis.path).moment_path(finding.moments[0])
    text = finding.reason or sentence([finding])
    # The reason of a file that cannot be read is a whole error, with its advice.
    text = text.removeprefix(f"{path}: ").removesuffix(RESTORE).rstrip(". ")
    return DamagedRunError(path, text)


def damage_text(error: Exception) -> str:
    """What is wrong with which file, in one line and without advice."""
    if isinstance(error, DamagedRunError):
        text = f"{error.file}: {error.reason}"
    elif isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, RunError):
        text = str(error)
    else:
        text = error_text(error)
    return " ".join(text.split()).rstrip(".")
