"""What a study is: its runs, its options, its findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_pvec.reproduction.claims import (
    CLAIMS,
    ClaimResult,
    RawData,
    Reading,
    Samples,
    claims_of,
)
from keras_pvec.reproduction.record import LoggedRun
from keras_pvec.reproduction.studies.variants import Variant

_SPLITS = (Samples.TRAIN.value, Samples.TEST.value)
DATA_MATRICES: tuple[str, ...] = tuple(level.value for level in RawData)


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a study.

    Attributes:
        title: Dataset and preset, for figures.
        split: The samples whose features are analysed, `"train"` or `"test"`.
        data_matrix: What "the raw data" are: `"data"` for pixels in [0, 1], `"input"`
            for the standardised ones that the networks are trained on.
        images: The samples of that split, shape `(n_samples, height, width, channels)`,
            in [0, 1], for figures that show images; `None` for no such figures.
        factors: Levels of the other factors of a reading. Runs are to be given as they
            look under them, see `analyse_reading`.
        with_figures: Whether to draw figures.
    """

    title: str
    split: str = "train"
    data_matrix: str = "data"
    images: np.ndarray | None = None
    factors: Reading = dataclasses.field(default_factory=Reading)
    with_figures: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("split", _SPLITS), ("data_matrix", DATA_MATRICES)):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}. Received: {value!r}"
                )

    def reading_of(self, claim: str) -> Reading:
        """The reading of a claim, in the factors that it admits.

        Args:
            claim: Id of the claim.
        """
        reading = dataclasses.replace(
            self.factors,
            samples=Samples(self.split),
            raw_data=RawData(self.data_matrix),
        )
        return CLAIMS[claim].closest(reading)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a study found. Each figure has the name of the table it was drawn from.

    Attributes:
        tables: By name of their file.
        figures: By name of their file.
        claims: One result for each claim that the study tests.
        readings: One result for each claim and reading; empty if only one reading was
            analysed.
    """

    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    claims: tuple[ClaimResult, ...]
    readings: tuple[ClaimResult, ...] = ()


@dataclasses.dataclass(frozen=True)
class Study:
    """A case study.

    Attributes:
        name: Name of its program and of its folder of results.
        models: The default models.
        analyse: Makes findings of finished runs.
        references: Models that it always needs as well.
        variants: Each model is trained in each of these ways; in one way if empty.
        quick_models: The default models on a dataset that is meant for a quick try.
        every_model: Whether a full reproduction runs it on all of its models.
    """

    name: str
    models: tuple[str, ...]
    analyse: Callable[[Sequence[LoggedRun], Options], Findings]
    references: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    quick_models: tuple[str, ...] = ()
    every_model: bool = False

    @property
    def claims(self) -> tuple[str, ...]:
        """Ids of the claims that it tests."""
        return claims_of(self.name)
