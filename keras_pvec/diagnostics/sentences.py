"""English text for findings, verdicts and remedies."""

from __future__ import annotations

from collections.abc import Sequence

from keras_pvec.diagnostics.angles import Verdict
from keras_pvec.diagnostics.findings import Finding, Kind, Remedy
from keras_pvec.diagnostics.log_checks import RANGES
from keras_pvec.diagnostics.text import count_of

# Of further names, only the number is given.
_MAX_NAMES = 6
# Labels for table cells, a few words each.
VERDICT_LABELS = {
    Verdict.FARTHER: "farther than null",
    Verdict.WITHIN_NULL: "within null",
    Verdict.NO_NULL: "no null",
    Verdict.NO_ANGLE: "no angle",
    Verdict.CLOSER: "closer than null",
    Verdict.SAME: "same vector",
    Verdict.NO_REFERENCE: "no reference",
}
KIND_LABELS = {
    Kind.LAYER_NOT_STORED: "not stored",
    Kind.VECTOR_NOT_UNIT: "vector damaged",
    Kind.OTHER_SAMPLES: "other samples",
    Kind.OTHER_VECTOR: "not as logged",
    Kind.AMBIGUOUS: "ambiguous",
    Kind.INACCURATE: "inaccurate",
    Kind.CONSTANT: "constant vector",
    Kind.FEW_SAMPLES: "few samples",
}
REMEDIES = {
    Remedy.RESTORE_FILES: "Restore the damaged or missing files and rows from a copy "
    "of the run. Without a copy, train again in a new folder.",
    Remedy.USE_SEPARATE_FOLDERS: "Give each training, and each logger of a training, "
    "a folder of its own.",
    Remedy.LOG_A_TRAINING: "Put the PVectorLogger into the `callbacks` of `fit`, and "
    "wait for its first moment.",
    Remedy.RESUME_TRAINING: "If the training was stopped, resume it: "
    "PVectorLogger(..., resume=True).",
    Remedy.DELETE_PARTIAL_FILES: "Delete the temporary files, unless a training is "
    "running. A training that resumes deletes them.",
    Remedy.TRAIN_AGAIN: "Do not compare moments before the break with moments after "
    "it. Train again in a new folder.",
    Remedy.RESTORE_SETTINGS: "Copy run.json from the original run folder.",
    Remedy.CHECK_FEATURES: "Check the features of the layers that were not measured: "
    "are they all zero (a dead layer), NaN or infinite?",
    Remedy.USE_SAMPLE_SET: "Measure on a kp.SampleSet, which has a fingerprint.",
    Remedy.COMPARE_PLANES: "Where a P-vector is ambiguous, compare the planes of the "
    "first two vectors instead: store k=2, then kp.principal_angles.",
    Remedy.INSPECT_SAMPLES: "Look at the samples with the largest entries in the "
    "P-vector, and at the angle without them: kp.compare_in_detail.",
    Remedy.READ_CENTERED_ANGLE: "Where an angle is within its null or farther, or a "
    "P-vector is constant, read the centred angle: the constant vector plays no part "
    "in it.",
    Remedy.READ_AFTER_FIT: "For the model that `fit` left, use "
    "run.p_vector('after_fit') instead of 'final'.",
}


# These appear in the table of angles already.
IN_TABLE = {Kind.NO_NULL, Kind.FARTHER, Kind.WITHIN_NULL}


def sentence(findings: Sequence[Finding]) -> str:
    """One sentence about all findings of one kind.

    Args:
        findings: At least one, all of the same kind, file and columns.
    """
    kind = findings[0].kind
    if kind in _OF_LAYERS:
        return _sentence_on_layers(findings)
    (finding,) = findings
    count = finding.count or 0
    match kind:
        case Kind.EMPTY_LOG:
            return "log.csv has no rows: nothing was measured."
        case Kind.DUPLICATE_ROWS:
            return (
                f"{count_of(count, 'row')} in log.csv {_verb(count, 'repeats')} an "
                f"earlier one, first at {_moment(finding)}: two trainings wrote to one "
                "log, or rows were appended by hand."
            )
        case Kind.SAMPLE_SETS_MIXED:
            return (
                f"log.csv has rows of {count} sample sets. Their angles cannot be "
                "compared."
            )
        case Kind.EPOCHS_MISSING:
            more = " and later ones" if count > len(finding.epochs) else ""
            return f"log.csv has no rows for {_epochs(finding.epochs)}{more}."
        case Kind.OUT_OF_RANGE:
            (column, value), *_ = finding.values.items()
            low, high = RANGES[column]
            return (
                f"{count_of(count, 'value')} of {column} in log.csv "
                f"{_verb(count, 'is', 'are')} outside {low:g} to {high:g}, such as "
                f"{value:g}, first at {_moment(finding)}."
            )
        case Kind.LOG_SHORTENED:
            return f"{finding.file} has lost rows: {finding.reason}."
        case Kind.FILE_MISSING:
            return f"{finding.file} is missing."
        case Kind.FILES_CHANGED:
            return (
                f"{count_of(count, 'file')} {_verb(count, 'does', 'do')} not match "
                f"SHA256SUMS, written when the training ended: {_files(finding)}. If "
                "you changed them yourself, delete SHA256SUMS."
            )
        case Kind.PARTIAL_FILES:
            return (
                f"{count_of(count, 'temporary file')} {_verb(count, 'is', 'are')} left "
                f"of a training that was killed: {_files(finding)}"
            )
        case Kind.FILE_DAMAGED:
            return f"{finding.file} is damaged: {finding.reason}"
        case Kind.METRICS_MISSING:
            return f"{finding.file} has no rows for {_epochs(finding.epochs)}."
        case Kind.VECTORS_MISSING:
            return (
                f"{count_of(count, 'P-vector file')} {_verb(count, 'is', 'are')} "
                f"missing: {_files(finding)}"
            )
        case Kind.VECTORS_UNREADABLE:
            return (
                f"{count_of(count, 'P-vector file')} cannot be read: {_files(finding)}"
            )
        case Kind.NO_SETTINGS:
            return (
                "There is no run.json: it is unknown which settings were used, and "
                "whether the training has finished."
            )
        case Kind.INCOMPLETE:
            return "The training was stopped, or is still running."
        case Kind.NO_FINGERPRINT:
            return (
                "The samples have no fingerprint: it cannot be checked whether other "
                "P-vectors are of the same samples."
            )
        case Kind.AFTER_FIT:
            measured = (
                f"up to {finding.values['angle_deg']:.3g} degrees from it (layer "
                f"{finding.layer})"
                if finding.values
                else "which has no P-vectors"
            )
            return (
                "Weights were averaged or restored after the last epoch: `final` is "
                f"not the model that `fit` left, {measured}."
            )
        case _:
            raise ValueError(f"No sentence for {kind}.")


_OF_LAYERS = {
    Kind.ROWS_MISSING,
    Kind.LAYER_NOT_STORED,
    Kind.VECTOR_NOT_UNIT,
    Kind.OTHER_SAMPLES,
    Kind.OTHER_VECTOR,
    Kind.NOT_MEASURED,
    Kind.OTHER_MODEL,
    Kind.LAYER_MISSING,
    Kind.ANGLE_MISSING,
    Kind.AMBIGUOUS,
    Kind.INACCURATE,
    Kind.CONSTANT,
    Kind.FEW_SAMPLES,
}


def _sentence_on_layers(findings: Sequence[Finding]) -> str:
    first = findings[0]
    most = max(findings, key=lambda finding: finding.count or 0)
    often = (
        f"at {'up to ' * (len(findings) > 1)}{most.count:,} of "
        f"{count_of(most.total or 0, 'moment')}"
    )
    since = f"{often}, first at {_moment(first)}"
    match first.kind:
        case Kind.ROWS_MISSING:
            text = f"rows are missing {since}; those of other references exist."
        case Kind.LAYER_NOT_STORED:
            text = f"logged, but no P-vector is stored {since}."
        case Kind.VECTOR_NOT_UNIT:
            norm = first.values["norm"]
            text = f"the stored P-vector has length {norm:.4g}, not 1, {since}."
        case Kind.OTHER_SAMPLES:
            text = f"the stored P-vector is not of the logged samples {since}."
        case Kind.OTHER_VECTOR:
            columns = dict.fromkeys(name for f in findings for name in f.values)
            text = (
                f"the stored P-vector does not match its log row {since}. They differ "
                f"in {', '.join(columns)}."
            )
        case Kind.NOT_MEASURED:
            text = (
                f"no P-vector at {count_of(most.count or 0, 'moment')}, first at "
                f"{_moment(first)}. {first.reason}"
            )
        case Kind.OTHER_MODEL:
            angle = _largest(findings, "angle_deg")
            text = (
                f"the training went on with another model after {_moment(first)}, up "
                f"to {angle:.3g} degrees away. Rows before and after are not of one "
                "training."
            )
        case Kind.LAYER_MISSING:
            epochs = sorted({epoch for f in findings for epoch in f.epochs})
            text = (
                f"no row at the end of {_epochs(epochs)}: the rows were lost, or the "
                "layer was not measured."
            )
        case Kind.ANGLE_MISSING:
            text = f"no angle {since}."
        case Kind.AMBIGUOUS:
            text = (
                f"the P-vector is ambiguous {often}: sigma2/sigma1 up to "
                f"{_largest(findings, 'sigma2_over_sigma1'):.4f}, error up to "
                f"{_largest(findings, 'angle_error_deg'):.2g} degrees."
            )
        case Kind.INACCURATE:
            text = (
                f"the error of the angle is up to "
                f"{_largest(findings, 'angle_error_deg'):.2g} degrees {often}."
            )
        case Kind.CONSTANT:
            text = (
                f"the P-vector is the constant vector {often}. Its angles say nothing "
                "about the samples."
            )
        case Kind.FEW_SAMPLES:
            fewest = min(findings, key=lambda finding: finding.values["participation"])
            text = (
                f"a few samples dominate the P-vector {often}: "
                f"as few as {fewest.values['participation']:.1f} of "
                f"{fewest.values['n_samples']:,.0f}."
            )
        case _:
            raise ValueError(f"No sentence for {first.kind}.")
    return f"{_layers(findings)}: {text}"


def _files(finding: Finding) -> str:
    """The first and the last file."""
    last = finding.last_file
    return f"{finding.file}" + (f" to {last}" if last and last != finding.file else "")


def _layers(findings: Sequence[Finding]) -> str:
    names = dict.fromkeys(
        f"{finding.layer} to {finding.reference}"
        if finding.reference
        else str(finding.layer)
        for finding in findings
    )
    return _some(list(names))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MAX_NAMES])
    return shown + (
        f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
    )


def _epochs(epochs: Sequence[int]) -> str:
    """Epochs as ranges, as in "epochs 0, 3 to 5"."""
    ranges: list[list[int]] = []
    for epoch in epochs:
        if ranges and ranges[-1][-1] == epoch - 1:
            ranges[-1][1:] = [epoch]
        else:
            ranges.append([epoch])
    names = [" to ".join(map(str, edges)) for edges in ranges]
    return f"{'epoch' if len(epochs) == 1 else 'epochs'} {_some(names)}"


def _moment(finding: Finding) -> str:
    epoch, step = finding.moments[0]
    return f"epoch {epoch}, step {step:,}"


def _largest(findings: Sequence[Finding], name: str) -> float:
    return max(finding.values[name] for finding in findings)


def _verb(count: int, singular: str, plural: str | None = None) -> str:
    return singular if count == 1 else plural or singular[:-1]
