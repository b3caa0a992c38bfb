"""Criteria in words."""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

from keras_pvec.reproduction.claims import (
    Criterion,
    DriftThenSettle,
    EndNearReference,
    FallToOwnEnd,
    FallToSmallEnd,
    FirstConvergesAlone,
    FirstExplainsMost,
    LargeStartThenFall,
    PowerLaw,
    RankCorrelation,
    RiseThenFall,
    SmallAngle,
    TurnWithDepth,
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
        counted = criterion.counted.value
        who = f"all {counted}"
        if criterion.required_share < 1:
            who = f"at least {criterion.required_share:.0%} of the {counted}"
        condition = f"{who} {condition}"
    return f"{condition} ({definition})" if definition else condition


@singledispatch
def wording(criterion: Criterion) -> Wording:
    """A criterion in words, in short and with the definitions of what it says."""
    raise NotImplementedError(f"No words for {type(criterion).__name__}.")


@wording.register
def _(criterion: SmallAngle) -> Wording:
    return Wording(f"within {criterion.max_deg:g} degrees")


@wording.register
def _(criterion: LargeStartThenFall) -> Wording:
    return Wording(
        f"at {criterion.min_start_deg:g} degrees or more before training and falling "
        "steadily",
        _steadily(criterion.max_trend),
    )


@wording.register
def _(criterion: FallToOwnEnd) -> Wording:
    return Wording(
        f"falling steadily and within {criterion.max_deg:g} degrees in the last "
        f"{criterion.last_share:.0%} of the epochs",
        _steadily(criterion.max_trend),
    )


@wording.register
def _(criterion: RiseThenFall) -> Wording:
    rise, fall = criterion.min_rise_deg, criterion.min_fall_deg
    if rise == fall:
        return Wording(f"rising and then falling by at least {fall:g} degrees")
    return Wording(
        f"rising by at least {rise:g} degrees and then falling by at least {fall:g}"
    )


@wording.register
def _(criterion: EndNearReference) -> Wording:
    return Wording(
        f"within {criterion.max_deg:g} degrees after the last epoch and closer than "
        "before training"
    )


@wording.register
def _(criterion: FallToSmallEnd) -> Wording:
    return Wording(
        f"falling steadily to within {criterion.max_deg:g} degrees",
        _steadily(criterion.max_trend),
    )


@wording.register
def _(criterion: TurnWithDepth) -> Wording:
    return Wording(
        "rising with depth in the first epoch and falling over the upper blocks in "
        "the last",
        "rank correlation of angle and block "
        f"{criterion.min_early_trend:g} or more over all blocks, and "
        f"{criterion.max_late_trend:g} or less over the upper half",
    )


@wording.register
def _(criterion: DriftThenSettle) -> Wording:
    return Wording(
        "drifting and then settling",
        "Wasserstein distance to the last epoch's distribution "
        f"{criterion.min_start:g} or more before training, and its rank correlation "
        f"with the epoch {criterion.max_trend:g} or less",
    )


@wording.register
def _(criterion: FirstConvergesAlone) -> Wording:
    return Wording(
        f"with the first vector within {criterion.max_first_deg:g} degrees of its end "
        f"and every other one beyond {criterion.others_deg:g}",
        f"in the last {criterion.last_share:.0%} of the epochs; of the others, the "
        "median",
    )


@wording.register
def _(criterion: FirstExplainsMost) -> Wording:
    return Wording(
        f"with at least {criterion.min_share:.0%} of the energy in the first singular "
        "triplet after every epoch",
        "energy is ||X||_F^2",
    )


@wording.register
def _(criterion: RankCorrelation) -> Wording:
    return Wording(
        f"Kendall's tau {criterion.max_tau:g} or less with a 95% interval below zero, "
        "and negative among models that differ in one factor only, for every factor",
        f"{criterion.min_models} models or more",
    )


@wording.register
def _(criterion: PowerLaw) -> Wording:
    return Wording(
        f"Pearson's r of the logarithms {criterion.max_r:g} or less with a 95% "
        "interval below zero",
        f"{criterion.min_models} models or more",
    )


def _steadily(max_trend: float) -> str:
    return f"rank correlation with the epoch {max_trend:g} or less"
