"""Readings: the ways in which a claim's words can be turned into numbers.

A reading has one level of each factor. A factor's levels are an enum whose first member
is the primary level, the one that takes the words literally.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, TypeAlias


class Samples(enum.Enum):
    """The samples that features are computed on. Values are names of splits."""

    TRAIN = "train"
    TEST = "test"
    BOTH = "train and test"


class RawData(enum.Enum):
    """What "the raw data" are. Values are names of references in `log.csv`."""

    PIXELS = "data"
    STANDARDISED = "input"


class Centring(enum.Enum):
    """Whether the mean of each feature is subtracted first."""

    NONE = "uncentred"
    COLUMNS = "column-centred"


class Representation(enum.Enum):
    """The feature matrix of a network."""

    POOLED = "pooled features"
    PRE_ACTIVATION = "before the last activation"
    LOGITS = "logits"
    FLATTENED = "flattened features"


class Vectors(enum.Enum):
    """The singular vectors that are compared."""

    FIRST = "first singular vector"
    SPAN = "span of the first singular vectors"


class ComparedWith(enum.Enum):
    """Whose last epoch "the well-trained model" is."""

    OWN_END = "own end"
    OTHER_ENDS = "ends of other networks"


class Extraction(enum.Enum):
    """How features are computed.

    - `EVALUATION`: in evaluation mode, on plain images.
    - `BATCH_STATISTICS`: batch normalization uses the statistics of each batch.
    - `AUGMENTED`: on augmented images, the same ones for all networks and moments.
    - `AUGMENTED_APART`: on augmented images, others for each network and moment.
    - `MISALIGNED`: rows are shuffled, in another order for each network and moment: a
      known mistake, shown as such.
    """

    EVALUATION = "evaluation mode"
    BATCH_STATISTICS = "batch statistics"
    AUGMENTED = "augmented images"
    AUGMENTED_APART = "differently augmented images"
    MISALIGNED = "shuffled rows"


class Start(enum.Enum):
    """Which angle is the one that a training starts from."""

    UNTRAINED = "before training"
    LARGEST = "largest within 391 updates"


class SampleCount(enum.Enum):
    """How many samples are used, the first ones. The paper names no number."""

    ALL = "all samples"
    N_250 = "250 samples"
    N_500 = "500 samples"
    N_1000 = "1000 samples"

    @property
    def n(self) -> int | None:
        """The number; `None` for all."""
        return None if self is SampleCount.ALL else int(self.value.split()[0])


class Moments(enum.Enum):
    """Which moments of a training are looked at.

    Weights are kept at about ten moments. Readings that take a forward pass have these
    alone, and are to be held against `KEPT` rather than against the primary reading.
    """

    LOGGED = "all logged moments"
    KEPT = "moments with stored weights"


Level: TypeAlias = (
    Samples
    | RawData
    | Centring
    | Representation
    | Vectors
    | ComparedWith
    | Extraction
    | Start
    | SampleCount
    | Moments
)


@dataclasses.dataclass(frozen=True)
class Reading:
    """One defensible reading of a claim.

    Attributes:
        samples: The samples that features are computed on; `None` where there is no
            choice.
        raw_data: The matrix that stands for the raw data; `None` where a claim does not
            depend on it.
        centring: Whether features are column-centred.
        representation: The feature matrix of a network.
        vectors: The singular vectors that are compared.
        compared_with: Whose last epoch "the well-trained model" is.
        extraction: How features are computed.
        start: Which angle a training starts from.
        n_samples: How many samples are used.
        moments: Which moments of a training are looked at.
    """

    samples: Samples | None = None
    raw_data: RawData | None = None
    centring: Centring = Centring.NONE
    representation: Representation = Representation.POOLED
    vectors: Vectors = Vectors.FIRST
    compared_with: ComparedWith = ComparedWith.OWN_END
    extraction: Extraction = Extraction.EVALUATION
    start: Start = Start.UNTRAINED
    n_samples: SampleCount = SampleCount.ALL
    moments: Moments = Moments.LOGGED

    @property
    def is_stored(self) -> bool:
        """Whether stored P-vectors are enough; else stored weights take a forward
        pass."""
        return self.measurement is None

    @property
    def measurement(self) -> str | None:
        """Name of the measurement that stored weights need, the same for all readings
        that share it, e.g. `"flattened"`; `None` if stored P-vectors are enough."""
        varied: list[enum.Enum] = []
        if self.representation is not Representation.POOLED:
            varied.append(self.representation)
        if self.extraction not in (Extraction.EVALUATION, Extraction.MISALIGNED):
            varied.append(self.extraction)
        return "-".join(level.name.lower() for level in varied) or None

    def changes(self, primary: Reading) -> dict[str, Level]:
        """The factors in which this reading differs from the primary one, with their
        levels here."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) is not getattr(primary, field.name)
        }


FACTORS: dict[type[enum.Enum], str] = {
    Samples: "samples",
    RawData: "raw_data",
    Centring: "centring",
    Representation: "representation",
    Vectors: "vectors",
    ComparedWith: "compared_with",
    Extraction: "extraction",
    Start: "start",
    SampleCount: "n_samples",
    Moments: "moments",
}


def vary(reading: Reading, level: Level) -> Reading:
    """The same reading with another level of one factor."""
    changes: dict[str, Any] = {FACTORS[type(level)]: level}
    return dataclasses.replace(reading, **changes)


def readings(primary: Reading, *levels: Level) -> tuple[Reading, ...]:
    """The primary reading, then the column-centred one, then one factor at a time.

    A full product would have thousands of readings, nearly all of them combinations
    that nobody would defend, and it would weigh factors by their number of levels. One
    factor at a time shows which factor decides. Centring is crossed with the others:
    column-centred vectors are stored with the uncentred ones, so that this costs
    nothing, and the paper leaves it most open. It is not crossed with spans and with
    numbers of samples, where the stored vectors do not determine the column-centred
    ones exactly.

    Args:
        primary: The reading that takes the words literally.
        *levels: The other levels that the claim admits, besides centring.
    """
    centred = vary(primary, Centring.COLUMNS)
    found = [primary, centred]
    for level in levels:
        varied = vary(primary, level)
        found.append(varied)
        if not isinstance(level, (Vectors, SampleCount)):
            found.append(vary(varied, Centring.COLUMNS))
    return tuple(dict.fromkeys(found))
