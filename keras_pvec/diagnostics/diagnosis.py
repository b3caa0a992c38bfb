"""The diagnosis of a run: its last angles, and its problems."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from keras_pvec import runs
from keras_pvec.diagnostics.angles import JudgedAngle, angle_findings, last_angles
from keras_pvec.diagnostics.file_checks import check_files, missing_subfolders
from keras_pvec.diagnostics.findings import Finding, Kind, Severity
from keras_pvec.diagnostics.log_checks import check_log, moments_of
from keras_pvec.diagnostics.stored_checks import (
    check_metrics,
    check_samples,
    check_stored_vectors,
    damaged_file,
    read_epoch_ends,
    read_info,
)
from keras_pvec.diagnostics.vector_checks import check_vectors
from keras_pvec.runs import (
    Failure,
    Moment,
    Run,
    RunError,
    RunNotFoundError,
    open_run,
    typed_log,
)


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What is known about the angles of a run, or of a log alone.

    Attributes:
        path: The run folder, or the log.
        samples_name: Name of the sample set, if `run.json` has it.
        moments: The logged moments, in order of time.
        last_epoch: The last finished epoch; `None` if there are no rows.
        angles: The last angle of each layer to each reference.
        findings: The problems found, errors first.
        subfolders: Diagnoses of the folders of further sample sets in the run folder,
            such as `test`.
    """

    path: Path
    samples_name: str | None
    moments: tuple[Moment, ...]
    last_epoch: int | None
    angles: tuple[JudgedAngle, ...]
    findings: tuple[Finding, ...]
    subfolders: tuple[Diagnosis, ...] = ()

    def count(self, severity: Severity) -> int:
        """Number of findings of a severity, without those of the subfolders."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def has_errors(self) -> bool:
        """Whether there is an error, here or in a subfolder."""
        return self.count(Severity.ERROR) > 0 or any(
            part.has_errors for part in self.subfolders
        )

    def findings_at(self, angle: JudgedAngle) -> list[Finding]:
        """The findings that concern an angle at the moment when it was measured, the
        worst first."""
        return [
            finding
            for finding in self.findings
            if finding.layer == angle.layer
            and finding.reference in (None, angle.reference)
            and angle.moment in finding.moments
        ]


def diagnose(path: str | os.PathLike) -> Diagnosis:
    """Examines a run folder, or a `log.csv` alone. Neither needs TensorFlow.

    Args:
        path: A run folder, with further sample sets in subfolders that hold a
            `log.csv`; or a log.

    Returns:
        The diagnosis.

    Raises:
        RunNotFoundError: `path` is neither a run folder nor a log.
        DamagedRunError: The log cannot be read, or that of a finished run is missing.

    Example:

    ```python
    diagnosis = diagnose("runs/mine")
    [f.kind for f in diagnosis.findings if f.severity is Severity.ERROR]
    ```
    """
    path = Path(path)
    if os.path.isdir(path):
        diagnosis = _diagnose_run(open_run(path))
        subfolders, damaged = _diagnose_subfolders(path)
        return dataclasses.replace(
            diagnosis,
            findings=_worst_first([*diagnosis.findings, *damaged]),
            subfolders=tuple(subfolders),
        )
    if not os.path.lexists(path):
        raise RunNotFoundError(f"There is no run folder and no log at {path}.")
    log = read_log(path)
    last_epoch = None if log.empty else int(log["epoch"].max())
    return _diagnose_log(path, log, last_epoch)


def _diagnose_run(run: Run) -> Diagnosis:
    log = read_log(run.path / "log.csv")
    info, findings = read_info(run)
    ended, in_metrics = read_epoch_ends(run)
    findings += [*in_metrics, *check_samples(run)]
    damaged = {finding.file for finding in findings if finding.file is not None}
    findings += [
        finding
        for finding in check_files(run.path, moments_of(log), ended, info)
        # That a file was changed says less than what is wrong with it.
        if finding.kind is not Kind.FILE_DAMAGED or finding.file not in damaged
    ]
    findings += missing_subfolders(run.path, info)
    last_epoch = None
    if not log.empty:
        findings += check_metrics(ended, log, info.complete)
        findings += check_stored_vectors(run, log)
        last_epoch = int(log["epoch"].max())
        if info.logged_with is not None and not info.complete:
            # The current epoch has not measured all layers yet.
            first_epoch = int(log["epoch"].min())
            last_epoch = min(max(ended, default=first_epoch), last_epoch)
    logged_with = info.logged_with
    diagnosis = _diagnose_log(run.path, log, last_epoch, info.failures)
    return dataclasses.replace(
        diagnosis,
        samples_name=None if logged_with is None else logged_with.samples_name,
        findings=_worst_first([*diagnosis.findings, *findings]),
    )


def _diagnose_log(
    path: Path,
    log: pd.DataFrame,
    last_epoch: int | None,
    failures: Sequence[Failure] = (),
) -> Diagnosis:
    angles = last_angles(log)
    findings = [
        *check_log(log, last_epoch, failures),
        *check_vectors(log),
        *angle_findings(angles),
    ]
    return Diagnosis(
        path=path,
        samples_name=None,
        moments=moments_of(log),
        last_epoch=last_epoch,
        angles=tuple(angles),
        findings=_worst_first(findings),
    )


def _diagnose_subfolders(path: Path) -> tuple[list[Diagnosis], list[Finding]]:
    """Diagnoses of the folders within a run folder that are run folders themselves,
    and findings about those that cannot be read."""
    diagnoses, damaged = [], []
    for log in sorted(path.glob("*/log.csv")):
        try:
            diagnoses.append(_diagnose_run(open_run(log.parent)))
        except (RunError, OSError) as error:
            damaged.append(damaged_file(f"{log.parent.name}/log.csv", error))
    return diagnoses, damaged


def read_log(path: Path) -> pd.DataFrame:
    """Reads a log and converts its numeric columns.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: The file is not a log, or a cell has the wrong type.
    """
    return typed_log(runs.read_log(path))


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    order = list(Kind)
    key = {kind: (-kind.severity, order.index(kind)) for kind in order}
    return tuple(sorted(findings, key=lambda finding: key[finding.kind]))
