"""The schema of a run folder: columns and entries of its files, as types.

`run.json` is read and written through `RunInfo` alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_pvec.comparison import Comparison
from keras_pvec.pvector import PVector

LOG_COLUMNS = (
    "epoch",
    "step",
    "layer",
    "reference",
    "n_samples",
    "n_features",
    "angle_deg",
    "angle_error_deg",
    "centered_angle_deg",
    "null_angle_deg",
    "z",
    "cos_ones",
    "cos_ones_reference",
    "sigma1",
    "sigma2_over_sigma1",
    "energy1",
    "participation",
    "samples_sha256",
)

# Increased when run.json changes in a way that this version could not read.
INFO_VERSION = 1


class RunConflictError(FileExistsError):
    """The folder already holds a run, or one of other settings, or one in progress."""


class RunNotFoundError(FileNotFoundError):
    """The folder does not hold what was requested."""


class Moment(NamedTuple):
    """A point of a training. Moments sort in time.

    Attributes:
        epoch: Counted as Keras does, from 0; -1 is before training.
        step: Training steps (batches) done since training began.
    """

    epoch: int
    step: int


@dataclasses.dataclass(frozen=True)
class Failure:
    """A layer without a P-vector at some moment.

    Attributes:
        epoch: Epoch of the moment.
        step: Step of the moment.
        layer: Name of the layer.
        reason: The error, as a sentence.
    """

    epoch: int
    step: int
    layer: str
    reason: str

    @property
    def moment(self) -> Moment:
        return Moment(self.epoch, self.step)


@dataclasses.dataclass(frozen=True)
class AfterFit:
    """The model that a training left, after its last moment.

    Its weights differ from those of the last moment if they were replaced by moving
    averages (`use_ema=True`) or by earlier ones (`restore_best_weights=True`). It is no
    moment of the training: it has no row in `log.csv`.

    Attributes:
        weights_sha256: Fingerprint of its weights.
        differs: Whether they differ from those at the last moment. Its P-vectors are
            then stored apart; else they are those of the last moment.
        angles_deg: Angle to the last moment by layer, in degrees; empty if the weights
            are the same.
        failures: Why other layers have no P-vector, by layer.
    """

    weights_sha256: str
    differs: bool = False
    angles_deg: Mapping[str, float] = dataclasses.field(default_factory=dict)
    failures: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, entries: Any) -> AfterFit | None:
        """Reads the entry of a `run.json`; `None` if there is none.

        Raises:
            ValueError: It has the wrong type.
        """
        if entries is None:
            return None
        try:
            return cls(
                weights_sha256=str(entries["weights_sha256"]),
                differs=bool(entries["differs"]),
                angles_deg={k: float(v) for k, v in entries["angles_deg"].items()},
                failures={k: str(v) for k, v in entries["failures"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"`after_fit` is {entries!r}") from error


@dataclasses.dataclass(frozen=True)
class LoggedWith:
    """What was logged, and how: the settings of the logger of a run.

    Attributes:
        layers: Names of the watched layers, the first one first.
        references: Names of the references.
        samples_name: Name of the sample set.
        samples_sha256: Its fingerprint.
        n_samples: Number of samples.
        k: How many left singular vectors are stored.
        method: `"fast"` or `"exact"`.
        pooling: `None` or `"avg"`.
        log_freq: Steps between moments: `every`, `every_in_first_epoch`, and which
            layers are measured within an epoch, `layers_within_epoch`.
        complete: Whether the training finished.
    """

    layers: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    samples_name: str | None = None
    samples_sha256: str | None = None
    n_samples: int | None = None
    k: int = 1
    method: str = "fast"
    pooling: str | None = None
    log_freq: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    complete: bool = False


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """The content of `run.json`.

    Attributes:
        logged_with: Settings of the logger; `None` before it starts.
        failures: Layers without a P-vector, by moment.
        after_fit: The model that the training left; `None` before it ends, and in files
            of earlier versions.
        versions: Versions of Python and of the packages that affect the numbers.
        notes: All other entries, written by the training program.
        version: Version of the format.
    """

    logged_with: LoggedWith | None = None
    failures: tuple[Failure, ...] = ()
    after_fit: AfterFit | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    version: int = INFO_VERSION

    @property
    def complete(self) -> bool:
        """Whether the training finished."""
        return self.logged_with is not None and self.logged_with.complete

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> RunInfo:
        """Reads the entries of a `run.json`, including those of earlier versions.

        Raises:
            ValueError: Entries have the wrong type, or are of a later version.
        """
        notes = dict(entries)
        version = notes.pop("version", INFO_VERSION)
        if not isinstance(version, int) or version > INFO_VERSION:
            raise ValueError(
                f"it is of version {version!r}; this package reads versions up to "
                f"{INFO_VERSION}"
            )
        logged = notes.pop("p_vectors", None)
        failures = notes.pop("failures", [])
        after_fit = notes.pop("after_fit", None)
        versions = notes.pop("versions", {})
        try:
            return cls(
                logged_with=None if logged is None else _logged_with(logged),
                failures=tuple(Failure(**failure) for failure in failures),
                after_fit=AfterFit.from_json(after_fit),
                versions=dict(versions),
                notes=notes,
                version=version,
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"an entry has the wrong type: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The entries of `run.json`."""
        entries: dict[str, Any] = {**self.notes, "version": self.version}
        if self.logged_with is not None:
            entries["p_vectors"] = dataclasses.asdict(self.logged_with)
        if self.failures:
            entries["failures"] = [dataclasses.asdict(f) for f in self.failures]
        if self.after_fit is not None:
            entries["after_fit"] = dataclasses.asdict(self.after_fit)
        if self.versions:
            entries["versions"] = dict(self.versions)
        return entries


def _logged_with(entries: Mapping[str, Any]) -> LoggedWith:
    known = {field.name for field in dataclasses.fields(LoggedWith)}
    values = {name: value for name, value in entries.items() if name in known}
    for name in ("layers", "references"):
        if name in values:
            values[name] = tuple(values[name])
    return LoggedWith(**values)


def log_row(
    moment: Moment, p: PVector, reference: str, comparison: Comparison
) -> dict[str, Any]:
    """A row of `log.csv`."""
    epoch, step = moment
    return {
        "epoch": epoch,
        "step": step,
        "layer": p.layer,
        "reference": reference,
        **dataclasses.asdict(comparison),
        "samples_sha256": p.samples_sha256,
    }
