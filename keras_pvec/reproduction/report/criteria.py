"""Criteria in words."""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

from keras_pvec.reproduction.claims import (
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
    UnitCriterion,
)


class Wording(NamedTuple):
    """A criterion in words.

    Attributes:
        condition: In short; for a criterion of units, a phrase that follows their
            number, e.g. "within 20 degrees".
        definition: What the words of it stand for; `""` where they are plain.
    """

    condition: str
    definition: str = ""


def criterion_text(criterion: Criterion) -> str:
    """What has to hold for a claim to be reproduced."""
    condition, definition = wording(criterion)
    if isinstance(criterion, UnitCriterion):
        condition = (
            f"at least {criterion.required_share:.0%} of the "
            f"{criterion.counted.value} {condition}"
        )
        partly = f"partly reproduced from {criterion.partial_share:.0%} on"
        definition = f"{definition}; {partly}" if definition else partly
    return f"{condition} ({definition})" if definition else condition


@singledispatch
def wording(criterion: Criterion) -> Wording:
    """A criterion in words, in short and with the definitions of what it says."""
    raise NotImplementedError(f"No words for {type(criterion).__name__}.")


@wording.register
def _(criterion: SmallAngle) -> Wording:
    return Wording(
        f"within {criterion.max_deg:g} degrees and closer than untrained pairs",
        "of networks of different kinds; the median of untrained pairs of the same "
        "kinds",
    )


@wording.register
def _(criterion: LargeStartThenFall) -> Wording:
    return Wording(
        f"median angle at the start {criterion.min_start_deg:g} degrees or more, and "
        f"median rank correlation with the epoch {criterion.max_trend:g} or less"
    )


@wording.register
def _(criterion: SmallEnd) -> Wording:
    return Wording(
        f"within {criterion.max_deg:g} degrees",
        f"in the last {criterion.last_share:.0%} of the epochs without the last one; "
        "the same is asked of the pairs of networks after the last epoch",
    )


@wording.register
def _(criterion: RiseThenFall) -> Wording:
    return Wording(
        f"rising and then falling by at least {criterion.min_change_deg:g} degrees",
        f"within the first {criterion.n_updates} updates, and by at least "
        f"{criterion.min_noise_ratio:g} times the noise from moment to moment; logged "
        f"for {criterion.min_updates} updates or more",
    )


@wording.register
def _(criterion: FallToReferences) -> Wording:
    return Wording(
        f"falling by at least {criterion.min_fall_deg:g} degrees to within "
        f"{criterion.max_deg:g} degrees of every reference",
        "from the largest angle; references of other seeds",
    )


@wording.register
def _(criterion: FallToSmallEnd) -> Wording:
    return Wording(
        f"median rank correlation with the epoch {criterion.max_trend:g} or less, and "
        f"median angle after the last epoch within {criterion.max_deg:g} degrees",
        "after the first epoch",
    )


@wording.register
def _(criterion: SlopeFalls) -> Wording:
    return Wording(
        "with a slope that falls from the first epoch to the last",
        "slope of the angle against the block; a permutation of the blocks explains it "
        f"where its p-value exceeds {criterion.null_level:g}",
    )


@wording.register
def _(criterion: FirstConvergesAlone) -> Wording:
    return Wording(
        f"with first vectors within {criterion.max_first_deg:g} degrees and all others "
        f"{criterion.min_others_deg:g} degrees or more apart",
        f"vectors 2 to {criterion.last_index}, after the last epochs; the same is "
        "asked of each network and its own last epoch, as the median from "
        f"{criterion.start_share:.0%} to {criterion.end_share:.0%} of the training",
    )


@wording.register
def _(criterion: RankCorrelation) -> Wording:
    return Wording(
        f"Kendall's tau {criterion.max_tau:g} or less with a 95% interval below zero",
        _CORRELATION.format(criterion.min_models),
    )


@wording.register
def _(criterion: PowerLaw) -> Wording:
    return Wording(
        f"Pearson's r of the logarithms {criterion.max_r:g} or less with a 95% "
        "interval below zero",
        _CORRELATION.format(criterion.min_models),
    )


@wording.register
def _(criterion: Shown) -> Wording:
    return Wording("none: the paper shows it, and so do we")


_CORRELATION = (
    "among models of the same architecture, {} models or more; two-sided; the null "
    "angle explains it where it meets the same criterion and the partial correlation "
    "given it is not surely below zero, a trivial predictor where it does and the "
    "difference is not surely above zero"
)
