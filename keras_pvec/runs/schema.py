"""The schema of a run folder: columns and entries of its files, as types."""

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

# Larger cells of log.csv are damage. Floats represent these integers exactly.
MAX_EPOCH = 10**7
MAX_STEP = 10**15


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
class Break:
    """A moment after which a resumed training went on with another model.

    Attributes:
        epoch: Epoch of the moment.
        step: Step of the moment.
        layer: Name of a layer that shows it.
        angle_deg: Angle between the P-vectors of the two models, in degrees.
    """

    epoch: int
    step: int
    layer: str
    angle_deg: float

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
        last_moment: The last moment of a finished training, as `(epoch, step)`; `None`
            in files of earlier versions.
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
    last_moment: Moment | None = None


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
        **comparison.as_row(),
        "samples_sha256": p.samples_sha256,
    }
