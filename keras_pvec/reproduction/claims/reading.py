"""Readings: the ways in which a claim's words can be turned into numbers."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Sequence


class Samples(enum.Enum):
    """The samples that features are computed on. Values are names of splits."""

    TRAIN = "train"
    TEST = "test"
    BOTH = "train and test"


class RawData(enum.Enum):
    """What "the raw data" are. Values are names of references in `log.csv`."""

    PIXELS = "data"
    STANDARDISED = "input"


@dataclasses.dataclass(frozen=True)
class Reading:
    """One defensible reading of a claim. A factor that a claim does not depend on is
    `None`.

    Attributes:
        samples: The samples that features are computed on.
        raw_data: The matrix that stands for the raw data.
    """

    samples: Samples | None = None
    raw_data: RawData | None = None


def readings(
    samples: Sequence[Samples] = (Samples.TRAIN, Samples.TEST),
    raw_data: Sequence[RawData | None] = (None,),
) -> tuple[Reading, ...]:
    """All combinations of the levels of each factor; the first is the primary one."""
    return tuple(itertools.starmap(Reading, itertools.product(samples, raw_data)))
