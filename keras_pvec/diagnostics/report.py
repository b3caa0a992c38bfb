"""A diagnosis as text for a terminal, and as JSON for programs."""

from __future__ import annotations

from typing import Any

from keras_pvec.diagnostics.angles import (
    MIN_Z,
    JudgedAngle,
    Verdict,
    centered_threshold_deg,
)
from keras_pvec.diagnostics.diagnosis import Diagnosis
from keras_pvec.diagnostics.findings import Finding, Severity
from keras_pvec.diagnostics.sentences import (
    IN_TABLE,
    KIND_LABELS,
    REMEDIES,
    VERDICT_LABELS,
    sentence,
)
from keras_pvec.diagnostics.text import (
    count_of,
    format_json,
    format_number,
    format_table,
    wrap,
)

_NO_REFERENCES = (
    "The run was logged without references, so its log has no angles. Angles to its "
    "own last moment: keras-pvec export, or keras-pvec plot. To others: the argument "
    "`references` of PVectorLogger."
)
ANGLE_HEADER = ("angle", "null", "centred", "z", "energy1", "status")


def report_text(diagnosis: Diagnosis, width: int = 80) -> str:
    """A table of the angles, worst first; the problems of the run; what to do.

    Args:
        diagnosis: Of a run or of a log.
        width: Characters in a line.
    """
    sections = [
        _heading(diagnosis, width),
        _angle_table(diagnosis, width),
        _problems(diagnosis, width),
        _subfolders(diagnosis, width),
        _remedies(diagnosis, width),
        _summary(diagnosis),
    ]
    return "\n\n".join(section for section in sections if section)


def report_json(diagnosis: Diagnosis) -> str:
    """The diagnosis as JSON: `angles`, `findings`, `subfolders` and counts.

    Of the moments of a finding, the first and the last are given.
    """
    return format_json(_entries(diagnosis))


def _entries(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "path": diagnosis.path,
        "samples_name": diagnosis.samples_name,
        "n_moments": len(diagnosis.moments),
        "last_moment": diagnosis.moments[-1] if diagnosis.moments else None,
        "errors": diagnosis.count(Severity.ERROR),
        "warnings": diagnosis.count(Severity.WARNING),
        "angles": diagnosis.angles,
        "findings": [
            {
                "severity": finding.severity.name.lower(),
                **vars(finding),
                # There may be thousands.
                "moments": [*finding.moments[:1], *finding.moments[1:][-1:]],
                "remedy": finding.remedy,
            }
            for finding in diagnosis.findings
        ],
        "subfolders": [_entries(part) for part in diagnosis.subfolders],
    }


def angle_cells(
    angle_deg: float | None,
    null_angle_deg: float | None,
    centered_angle_deg: float | None,
    z: float | None,
    energy1: float | None,
) -> list[str]:
    """Rounded cells for the numbers of `ANGLE_HEADER`."""
    return [
        format_number(angle_deg),
        format_number(null_angle_deg),
        format_number(centered_angle_deg),
        format_number(z),
        format_number(energy1, decimals=2),
    ]


def angle_legend(n_samples: int, width: int) -> str:
    """How to read the numbers of `ANGLE_HEADER`."""
    return wrap(
        "Angles in degrees: 0 = same, 90 = unrelated. null: the angle after a random "
        "permutation of the samples of one side. z: distance from the null in standard "
        f"deviations, positive where closer; from -{MIN_Z:g} to {MIN_Z:g} the angle "
        "shows nothing. centred: features are mean-centred, the null is 90; below "
        f"{centered_threshold_deg(n_samples):.1f} they are closer (z above {MIN_Z:g}).",
        width,
    )


def _heading(diagnosis: Diagnosis, width: int) -> str:
    name = str(diagnosis.path)
    if not diagnosis.moments:
        return name
    samples = count_of(diagnosis.angles[0].n_samples, "sample")
    if diagnosis.samples_name:
        samples += f" ({diagnosis.samples_name})"
    layers = {angle.layer for angle in diagnosis.angles}
    facts = (
        samples,
        count_of(len(layers), "layer"),
        f"{count_of(len(diagnosis.moments), 'moment')} up to epoch "
        f"{diagnosis.moments[-1].epoch}",
    )
    return f"{name}\n{wrap(', '.join(facts), width)}"


def _angle_table(diagnosis: Diagnosis, width: int) -> str:
    if not diagnosis.angles:
        return ""
    references = {angle.reference for angle in diagnosis.angles}
    several = len(references) > 1
    rows = [
        [
            angle.layer,
            *([angle.reference or "-"] if several else []),
            *angle_cells(
                angle.angle_deg,
                angle.null_angle_deg,
                angle.centered_angle_deg,
                angle.z,
                angle.energy1,
            ),
            _status(angle, diagnosis),
        ]
        for angle in sorted(diagnosis.angles, key=lambda a: _badness(a, diagnosis))
    ]
    (reference,) = references if not several else ("",)
    to = f" to {reference}" if reference else ""
    title = f"Last angle of each layer{to}, worst first"
    header = ["layer", *(["reference"] if several else []), *ANGLE_HEADER]
    table = format_table(header, rows, names=1 + several, width=width)
    if references == {""}:
        legend = wrap(_NO_REFERENCES, width)
    else:
        legend = angle_legend(diagnosis.angles[0].n_samples, width)
    return f"{title}\n\n{table}\n\n{legend}"


def _is_outdated(angle: JudgedAngle, diagnosis: Diagnosis) -> bool:
    """Whether other layers were measured at the end of a later epoch."""
    last = diagnosis.last_epoch
    return last is not None and angle.moment.epoch < last


def _status(angle: JudgedAngle, diagnosis: Diagnosis) -> str:
    """The most severe finding about an angle, or its verdict, in a few words."""
    labelled = [
        finding
        for finding in diagnosis.findings_at(angle)
        if finding.kind in KIND_LABELS
    ]
    errors = [f for f in labelled if f.severity is Severity.ERROR]
    if not errors and _is_outdated(angle, diagnosis):
        return f"last at epoch {angle.moment.epoch}"
    if labelled:
        return KIND_LABELS[labelled[0].kind]
    return VERDICT_LABELS[angle.verdict]


def _badness(angle: JudgedAngle, diagnosis: Diagnosis) -> tuple[int, float]:
    """Sorts angles: errors, warnings, the rest; in each the smallest `z` first."""
    severity = max((f.severity for f in diagnosis.findings_at(angle)), default=0)
    if _is_outdated(angle, diagnosis):
        severity = max(severity, Severity.WARNING)
    good = angle.verdict in (Verdict.SAME, Verdict.NO_REFERENCE)
    if good or angle.z is None:
        return -severity, float("inf") if good else -float("inf")
    return -severity, angle.z


def _problems(diagnosis: Diagnosis, width: int) -> str:
    groups: dict[tuple, list[Finding]] = {}
    for finding in diagnosis.findings:
        if finding.kind not in IN_TABLE:
            columns = tuple(finding.values) if finding.layer is None else ()
            key = (finding.kind, finding.file, columns)
            groups.setdefault(key, []).append(finding)
    lines = [
        wrap(sentence(group), width, first=f"{group[0].severity.name.lower():<9}")
        for group in groups.values()
    ]
    return "\n".join(["Problems", "", *lines]) if lines else ""


def _subfolders(diagnosis: Diagnosis, width: int) -> str:
    lines = []
    for part in diagnosis.subfolders:
        closer = sum(angle.verdict is Verdict.CLOSER for angle in part.angles)
        samples = f" ({part.samples_name})" if part.samples_name else ""
        lines.append(
            wrap(
                f"{part.path.name}/{samples}: {_counts(part)}; {closer} of "
                f"{count_of(len(part.angles), 'angle')} closer than the null. Details: "
                f"keras-pvec doctor {part.path}",
                width,
            )
        )
    return "\n".join(["Other sample sets", "", *lines]) if lines else ""


def _remedies(diagnosis: Diagnosis, width: int) -> str:
    remedies = dict.fromkeys(finding.remedy for finding in diagnosis.findings)
    lines = [wrap(REMEDIES[remedy], width, first="- ") for remedy in remedies]
    return "\n".join(["What to do", "", *lines]) if lines else ""


def _summary(diagnosis: Diagnosis) -> str:
    parts = [f"{_counts(part)} in {part.path.name}/" for part in diagnosis.subfolders]
    return f"{'; '.join([_counts(diagnosis), *parts])}."


def _counts(diagnosis: Diagnosis) -> str:
    errors, warnings = map(diagnosis.count, (Severity.ERROR, Severity.WARNING))
    return f"{count_of(errors, 'error')}, {count_of(warnings, 'warning')}"
