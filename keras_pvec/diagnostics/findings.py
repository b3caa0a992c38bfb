"""Problems of a run, as data. The module `sentences` describes them in words."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from keras_pvec.runs import Moment


class Severity(enum.IntEnum):
    """How bad a finding is.

    Attributes:
        WARNING: Angles may mislead, or something about the run is unknown.
        ERROR: The files contradict themselves or each other, or some are missing.
    """

    WARNING = 1
    ERROR = 2


class Remedy(enum.Enum):
    """What to do about a finding."""

    RESTORE_FILES = "restore_files"
    USE_SEPARATE_FOLDERS = "use_separate_folders"
    LOG_A_TRAINING = "log_a_training"
    RESUME_TRAINING = "resume_training"
    DELETE_PARTIAL_FILES = "delete_partial_files"
    TRAIN_AGAIN = "train_again"
    RESTORE_SETTINGS = "restore_settings"
    CHECK_FEATURES = "check_features"
    USE_SAMPLE_SET = "use_sample_set"
    COMPARE_PLANES = "compare_planes"
    INSPECT_SAMPLES = "inspect_samples"
    READ_CENTERED_ANGLE = "read_centered_angle"
    READ_AFTER_FIT = "read_after_fit"


class Kind(enum.Enum):
    """What a finding is about; each kind has one severity and one remedy.

    If several kinds apply to one row of a table, the row shows the one defined first.
    """

    severity: Severity
    remedy: Remedy

    # The log.
    EMPTY_LOG = "empty_log", Severity.ERROR, Remedy.LOG_A_TRAINING
    DUPLICATE_ROWS = "duplicate_rows", Severity.ERROR, Remedy.USE_SEPARATE_FOLDERS
    SAMPLE_SETS_MIXED = "sample_sets_mixed", Severity.ERROR, Remedy.USE_SEPARATE_FOLDERS
    EPOCHS_MISSING = "epochs_missing", Severity.ERROR, Remedy.RESTORE_FILES
    ROWS_MISSING = "rows_missing", Severity.ERROR, Remedy.RESTORE_FILES
    OUT_OF_RANGE = "out_of_range", Severity.ERROR, Remedy.RESTORE_FILES
    # The files of the run.
    LOG_SHORTENED = "log_shortened", Severity.ERROR, Remedy.RESTORE_FILES
    FILE_DAMAGED = "file_damaged", Severity.ERROR, Remedy.RESTORE_FILES
    FILE_MISSING = "file_missing", Severity.ERROR, Remedy.RESTORE_FILES
    FILES_CHANGED = "files_changed", Severity.ERROR, Remedy.RESTORE_FILES
    METRICS_MISSING = "metrics_missing", Severity.ERROR, Remedy.RESTORE_FILES
    VECTORS_MISSING = "vectors_missing", Severity.ERROR, Remedy.RESTORE_FILES
    VECTORS_UNREADABLE = "vectors_unreadable", Severity.ERROR, Remedy.RESTORE_FILES
    LAYER_NOT_STORED = "layer_not_stored", Severity.ERROR, Remedy.RESTORE_FILES
    VECTOR_NOT_UNIT = "vector_not_unit", Severity.ERROR, Remedy.RESTORE_FILES
    OTHER_SAMPLES = "other_samples", Severity.ERROR, Remedy.RESTORE_FILES
    OTHER_VECTOR = "other_vector", Severity.ERROR, Remedy.RESTORE_FILES
    # What is unknown.
    NO_SETTINGS = "no_settings", Severity.WARNING, Remedy.RESTORE_SETTINGS
    INCOMPLETE = "incomplete", Severity.WARNING, Remedy.RESUME_TRAINING
    PARTIAL_FILES = "partial_files", Severity.WARNING, Remedy.DELETE_PARTIAL_FILES
    OTHER_MODEL = "other_model", Severity.WARNING, Remedy.TRAIN_AGAIN
    NO_FINGERPRINT = "no_fingerprint", Severity.WARNING, Remedy.USE_SAMPLE_SET
    NOT_MEASURED = "not_measured", Severity.WARNING, Remedy.CHECK_FEATURES
    LAYER_MISSING = "layer_missing", Severity.WARNING, Remedy.CHECK_FEATURES
    ANGLE_MISSING = "angle_missing", Severity.WARNING, Remedy.RESTORE_FILES
    # P-vectors and angles that mislead.
    AFTER_FIT = "after_fit", Severity.WARNING, Remedy.READ_AFTER_FIT
    AMBIGUOUS = "ambiguous", Severity.WARNING, Remedy.COMPARE_PLANES
    INACCURATE = "inaccurate", Severity.WARNING, Remedy.COMPARE_PLANES
    CONSTANT = "constant", Severity.WARNING, Remedy.READ_CENTERED_ANGLE
    FEW_SAMPLES = "few_samples", Severity.WARNING, Remedy.INSPECT_SAMPLES
    NO_NULL = "no_null", Severity.WARNING, Remedy.READ_CENTERED_ANGLE
    FARTHER = "farther", Severity.WARNING, Remedy.READ_CENTERED_ANGLE
    WITHIN_NULL = "within_null", Severity.WARNING, Remedy.READ_CENTERED_ANGLE

    def __new__(cls, value: str, severity: Severity, remedy: Remedy) -> Kind:
        member = object.__new__(cls)
        member._value_ = value
        member.severity = severity
        member.remedy = remedy
        return member


@dataclasses.dataclass(frozen=True)
class Finding:
    """A finding about a run. Fields that do not apply are `None` or empty.

    Attributes:
        kind: What it is about.
        layer: The layer concerned; `None` if it concerns the whole run.
        reference: The reference concerned; `None` if it concerns all of them.
        moments: The moments concerned, in order of time.
        epochs: The epochs concerned, in order; for `EPOCHS_MISSING` at most 1,000.
        count: How many rows, moments, files or sets are concerned.
        total: How many rows, moments, files or sets there are in total.
        values: Numbers found, by the column of `log.csv` that they belong to: the
            worst value of each. For `OTHER_VECTOR` the difference between the log and
            the stored vector, and for `VECTOR_NOT_UNIT` the `norm` of the vector, at
            the first of the moments.
        file: Path of the first file concerned, relative to the run folder.
        last_file: Path of the last one, if there are several.
        reason: The error that occurred, as a sentence.
    """

    kind: Kind
    layer: str | None = None
    reference: str | None = None
    moments: tuple[Moment, ...] = ()
    epochs: tuple[int, ...] = ()
    count: int | None = None
    total: int | None = None
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    file: str | None = None
    last_file: str | None = None
    reason: str | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.kind.severity

    @property
    def remedy(self) -> Remedy:
        """What to do about it."""
        return self.kind.remedy
