"""The claims of the paper: what is claimed where, and what we ask of it.

Statements are in our own words. The paper gives one threshold, the 10 degrees of C3;
the others are ours. They replace an earlier set, which was changed after short
trainings on small samples had been measured, and were fixed before networks were
trained on whole datasets.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Generic, TypeVar

from keras_pvec.reproduction.claims.criteria import (
    Counted,
    Criterion,
    FallToReferences,
    FallToSmallEnd,
    FirstConvergesAlone,
    LargeStartThenFall,
    PowerLaw,
    RankCorrelation,
    RiseThenFall,
    Shown,
    SlopeFalls,
    SmallAngle,
    SmallEnd,
)
from keras_pvec.reproduction.claims.reading import (
    FACTORS,
    Centring,
    ComparedWith,
    Extraction,
    Level,
    Moments,
    RawData,
    Reading,
    Representation,
    SampleCount,
    Samples,
    Start,
    Vectors,
    readings,
)

C = TypeVar("C", bound=Criterion, covariant=True)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the paper makes a claim.

    Attributes:
        section: Section of the appendix; `None` for the main text.
        figures: Numbers of its figures there.
        tables: Numbers of its tables there.
    """

    section: str | None = None
    figures: tuple[int, ...] = ()
    tables: tuple[int, ...] = ()


class ReadingChoice(enum.Enum):
    """Which readings of a claim are computed."""

    PRIMARY = "primary"
    STORED = "stored"
    ALL = "all"


@dataclasses.dataclass(frozen=True)
class ClaimSpec(Generic[C]):
    """A claim and how it is tested.

    Attributes:
        id: E.g. `"C1"`.
        statement: What is claimed, as a sentence.
        source: Where the paper claims it.
        criterion: What has to hold for it to be reproduced.
        readings: The readings that it admits: the primary one, the column-centred one,
            then one factor at a time.
        study: The study that tests it, after which its folder of results is named.
        of_well_trained: Whether it is claimed of well-trained networks only.
    """

    id: str
    statement: str
    source: Source
    criterion: C
    readings: tuple[Reading, ...]
    study: str
    of_well_trained: bool = False

    @property
    def primary(self) -> Reading:
        """The reading that takes the paper's words literally."""
        return self.readings[0]

    def admits(self, reading: Reading) -> bool:
        """Whether each level of a reading is one that the claim admits, also if several
        factors vary at once."""
        return reading == self.closest(reading)

    def closest(self, reading: Reading) -> Reading:
        """A reading with the primary level of each factor whose level the claim does
        not admit."""
        levels = {
            factor: getattr(reading, factor)
            for factor in FACTORS.values()
            if getattr(reading, factor) in {getattr(r, factor) for r in self.readings}
        }
        return dataclasses.replace(self.primary, **levels)


# Levels besides the primary ones, as groups of claims admit them.
_FEATURES: tuple[Level, ...] = (
    *(level for level in Representation if level is not Representation.POOLED),
    *(level for level in Extraction if level is not Extraction.EVALUATION),
    *(level for level in SampleCount if level is not SampleCount.ALL),
    Moments.KEPT,
)
_ON_TRAIN = Reading(Samples.TRAIN)
_TO_PIXELS = Reading(Samples.TRAIN, RawData.PIXELS)
_ON_EITHER_SPLIT = readings(_ON_TRAIN, Samples.TEST, *_FEATURES)
_OF_PAIRS = readings(_ON_TRAIN, Samples.TEST, Vectors.SPAN, *_FEATURES)
_FROM_START_TO_END = readings(
    _ON_TRAIN,
    *(Samples.TEST, ComparedWith.OTHER_ENDS, Start.LARGEST, Vectors.SPAN),
    *_FEATURES,
)
_TO_THE_END = readings(
    _ON_TRAIN, Samples.TEST, ComparedWith.OTHER_ENDS, Vectors.SPAN, *_FEATURES
)
_TO_REFERENCES = readings(
    _ON_TRAIN, Samples.TEST, Start.LARGEST, Vectors.SPAN, *_FEATURES
)
_WITHIN_FIRST_EPOCH = readings(
    Reading(Samples.BOTH), ComparedWith.OTHER_ENDS, Vectors.SPAN, *_FEATURES
)
_TO_THE_DATA = readings(
    _TO_PIXELS, Samples.TEST, RawData.STANDARDISED, Vectors.SPAN, *_FEATURES
)
_TO_THE_DATA_ON_TRAIN = readings(
    _TO_PIXELS, RawData.STANDARDISED, Vectors.SPAN, *_FEATURES
)
# Logits, and features before the last activation, are those of no block.
_OF_BLOCKS = tuple(
    reading
    for reading in _TO_THE_DATA
    if reading.representation in (Representation.POOLED, Representation.FLATTENED)
)
# The user names the images.
_OF_PRETRAINED = (Reading(), Reading(centring=Centring.COLUMNS))
_SMALL_DEG = 20.0
_CHANGE_DEG = 2.0
_FEWEST_MODELS = 8
# Of the pairs; the others ask for 80%.
_MOST_PAIRS = 0.9

C1 = ClaimSpec(
    "C1",
    "Any two well-trained networks of one data set have a small angle.",
    Source(),
    SmallAngle(counted=Counted.PAIRS, required_share=_MOST_PAIRS, max_deg=_SMALL_DEG),
    _OF_PAIRS,
    "convergence",
    of_well_trained=True,
)
C2 = ClaimSpec(
    "C2",
    "Training from scratch, the angle to the well-trained model starts large and "
    "falls.",
    Source(),
    LargeStartThenFall(min_start_deg=60.0, max_trend=-0.8),
    _FROM_START_TO_END,
    "convergence",
    of_well_trained=True,
)
C3 = ClaimSpec(
    "C3",
    "Every architecture and supervision follows the same curve, which ends under 10 "
    "degrees.",
    Source("A.1", figures=(12,)),
    SmallEnd(counted=Counted.RUNS, max_deg=10.0, last_share=0.1),
    _TO_THE_END,
    "convergence",
    of_well_trained=True,
)
C4 = ClaimSpec(
    "C4",
    "Within the first epoch, update by update, the angle to the well-trained model "
    "first rises, then falls, on training and on test samples.",
    Source("A.2", figures=(13,)),
    RiseThenFall(
        counted=Counted.CURVES,
        min_change_deg=_CHANGE_DEG,
        min_noise_ratio=3.0,
        n_updates=391,  # 50,000 images in batches of 128
        min_updates=352,  # 90% of them, since a log may skip the last ones
        min_moments=5,
    ),
    _WITHIN_FIRST_EPOCH,
    "first_epoch",
    of_well_trained=True,
)
C5 = ClaimSpec(
    "C5",
    "The checkpoints of every model converge to three well-trained networks: one "
    "supervised, one unsupervised, one self-supervised.",
    Source("A.3", figures=(14,)),
    FallToReferences(
        counted=Counted.RUNS, min_fall_deg=_CHANGE_DEG, max_deg=_SMALL_DEG
    ),
    _TO_REFERENCES,
    "common_subspace",
    of_well_trained=True,
)
C6A = ClaimSpec(
    "C6a",
    "Within the first epoch, update by update, the angle to the raw data first rises, "
    "then falls, on training samples.",
    Source("A.4", figures=(15,)),
    C4.criterion,
    _TO_THE_DATA_ON_TRAIN,
    "first_epoch",
)
C6B = ClaimSpec(
    "C6b",
    "After the first epoch, the angle to the raw data falls, roughly monotonically, to "
    "a small value.",
    Source("A.4", figures=(15,)),
    FallToSmallEnd(max_trend=-0.5, max_deg=_SMALL_DEG),
    _TO_THE_DATA,
    "data_angle",
    of_well_trained=True,
)
C7 = ClaimSpec(
    "C7",
    "Early in training, the angle to the raw data rises with the depth of the block; "
    "late in training, it falls towards the top blocks.",
    Source("A.5", figures=(16,)),
    SlopeFalls(counted=Counted.RUNS, min_blocks=3, null_level=0.05),
    _OF_BLOCKS,
    "layerwise",
)
C8 = ClaimSpec(
    "C8",
    "The distribution of the P-vector's values drifts during training and settles.",
    Source("A.6", figures=(17, 18)),
    Shown(),
    _ON_EITHER_SPLIT,
    "distribution",
)
C9 = ClaimSpec(
    "C9",
    "The first singular vector converges; the second, third and later ones do not.",
    Source("A.7", figures=(19,)),
    FirstConvergesAlone(
        counted=Counted.PAIRS,
        max_first_deg=_SMALL_DEG,
        min_others_deg=45.0,
        last_index=5,
        start_share=0.1,
        end_share=0.8,
    ),
    _ON_EITHER_SPLIT,
    "singular_vectors",
    of_well_trained=True,
)
C10 = ClaimSpec(
    "C10",
    "The smaller the angle to the raw data, the better a model generalizes.",
    Source(),
    RankCorrelation(max_tau=-0.3, min_models=_FEWEST_MODELS),
    _TO_THE_DATA,
    "generalization",
)
C11 = ClaimSpec(
    "C11",
    "On log-log axes, test accuracy falls as a power of the angle to the raw data.",
    Source("A.8", figures=(20, 21)),
    PowerLaw(max_r=-0.5, min_models=_FEWEST_MODELS),
    _TO_THE_DATA,
    "generalization",
)
C12 = ClaimSpec(
    "C12",
    "The first singular triplet explains most of the features at every checkpoint.",
    Source("A.9", figures=(22,), tables=(2, 3)),
    Shown(),
    _ON_EITHER_SPLIT,
    "singular_vectors",
)
C13 = ClaimSpec(
    "C13",
    "Pretrained ImageNet networks have small angles to each other.",
    Source("A.0", figures=(11,)),
    SmallAngle(counted=Counted.PAIRS, required_share=_MOST_PAIRS, max_deg=_SMALL_DEG),
    _OF_PRETRAINED,
    "imagenet",
)

CLAIMS: dict[str, ClaimSpec[Criterion]] = {
    spec.id: spec
    for spec in (C1, C2, C3, C4, C5, C6A, C6B, C7, C8, C9, C10, C11, C12, C13)
}
# Claims of the paper that are tested in parts.
PARTS: dict[str, tuple[str, ...]] = {"C6": (C6A.id, C6B.id)}


def selected_readings(
    spec: ClaimSpec[Criterion], which: ReadingChoice
) -> tuple[Reading, ...]:
    """The readings of a claim that are asked for, the primary one first.

    Args:
        spec: The claim.
        which: The primary reading and the column-centred one; all that need stored
            P-vectors only; or all.
    """
    if which is ReadingChoice.PRIMARY:
        return spec.readings[:2]
    if which is ReadingChoice.STORED:
        return tuple(reading for reading in spec.readings if reading.is_stored)
    return spec.readings


def claims_of(study: str) -> tuple[str, ...]:
    """Ids of the claims that a study tests."""
    return tuple(spec.id for spec in CLAIMS.values() if spec.study == study)
