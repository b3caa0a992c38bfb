"""Sentences made of results, which all renderers share."""

from __future__ import annotations

from collections.abc import Sequence

from keras_pvec.reproduction.claims import (
    Cause,
    Caveat,
    ClaimResult,
    Counted,
    Effect,
    Interval,
    Null,
    Obstacle,
    Quantity,
    RawData,
    Reading,
    Rung,
    Samples,
    Share,
    Source,
    Verdict,
)
from keras_pvec.reproduction.report.criteria import criterion_text, wording

HOW_TO_READ = (
    "Angles between P-vectors are in degrees: 0 is the same, 90 is unrelated. Features "
    "are not centred, so two networks can be close just because both P-vectors have a "
    "large component along the constant vector. The permutation null is what the same "
    "numbers would be with the samples of one side in random order. Intervals take "
    "runs, pairs and curves as independent; pairs that share a network are not, so "
    "their intervals are too narrow. Statements and criteria are this package's own "
    "wording of the paper's claims; the criteria are fixed in its code."
)

VERDICTS: dict[Verdict, str] = {
    Verdict.REPRODUCED: "the criterion is met, and no null meets it",
    Verdict.PARTLY_REPRODUCED: "part of what the criterion asks for is met",
    Verdict.NO_MORE_THAN_CHANCE: "the criterion is met, but a null meets it as well",
    Verdict.NOT_REPRODUCED: "the criterion is not met",
    Verdict.INCONCLUSIVE: "the interval holds both outcomes",
    Verdict.PRECONDITION_NOT_MET: "the networks are not well trained",
    Verdict.NOT_TESTED: "these runs say nothing about the claim",
    Verdict.DESCRIBED: "the paper shows it and so do we; there is nothing to rate",
}

_QUANTITIES: dict[Quantity, str] = {
    Quantity.ANGLE: "angle",
    Quantity.CENTERED_ANGLE: "column-centred angle",
    Quantity.START_ANGLE: "angle before training",
    Quantity.LATE_ANGLE: "angle in the last tenth of the epochs",
    Quantity.END_ANGLE: "angle after the last epoch",
    Quantity.DECREASE: "decrease since before training",
    Quantity.RISE: "rise",
    Quantity.FALL: "fall",
    Quantity.PEAK_POSITION: "position of the peak (share of the epoch)",
    Quantity.ANGLE_TREND: "rank correlation of angle and epoch",
    Quantity.EARLY_DEPTH_TREND: "rank correlation of angle and block, first epoch",
    Quantity.LATE_DEPTH_TREND: "upper half of the blocks, last epoch",
    Quantity.LATE_TREND_PROBABILITY: "probability of the fall over the upper half",
    Quantity.DISTANCE_TREND: "rank correlation of distance and epoch",
    Quantity.START_DISTANCE: "distance before training (values have mean square 1)",
    Quantity.FIRST_VECTOR_ANGLE: "angle of the first vector",
    Quantity.OTHER_VECTORS_ANGLE: "median angle of each other vector",
    Quantity.EXPLAINED: "share of the energy after every epoch",
    Quantity.END_EXPLAINED: "share of the energy after the last epoch",
    Quantity.KENDALL_TAU: "Kendall's tau",
    Quantity.PEARSON_R: "Pearson's r",
    Quantity.EXPONENT: "exponent",
}

_CAVEATS: dict[Caveat, str] = {
    Caveat.OWN_END: "any path of shrinking steps approaches its own end",
    Caveat.ORDER_FREE: "there is no permutation null: a distribution does not depend "
    "on the order of the samples",
}

_SAMPLES: dict[Samples, str] = {
    Samples.TRAIN: "training samples",
    Samples.TEST: "test samples",
    Samples.BOTH: "training and test samples",
}

_RAW_DATA: dict[RawData, str] = {
    RawData.PIXELS: "raw data are pixels in [0, 1]",
    RawData.STANDARDISED: "raw data are standardised pixels",
}

_CAUSES: dict[Cause, str] = {
    Cause.TOO_FEW_NETWORKS: "needs {needed} networks or more",
    Cause.TOO_FEW_MOMENTS: "needs {needed} moments or more within the first epoch, has "
    "{found} (log them with --log_freq=first_epoch:1)",
    Cause.TOO_FEW_BLOCKS: "needs {needed} blocks or more, has {found}",
    Cause.TOO_FEW_VECTORS: "needs {needed} singular vectors or more, has {found}",
    Cause.TOO_FEW_MODELS: "needs {needed} models or more, has {found}",
    Cause.MODELS_ALIKE: "needs models that differ in angle and accuracy",
    Cause.NO_FACTOR: "needs models that differ in one factor only",
    Cause.MISSING_REFERENCES: "needs finished runs of {names}",
    Cause.RANDOM_WEIGHTS: "the networks have random weights",
    Cause.NOT_SELECTED: "left out by --only",
    Cause.NO_RUNS: "none of its runs is finished",
    Cause.NO_IMAGES: "needs --images and --weights",
    Cause.NO_WEIGHTS: "no weights are stored of {names}",
    Cause.NOT_APPLICABLE: "no such features in {names}",
    Cause.TOO_FEW_SAMPLES: "needs {needed} samples or more, has {found}",
    Cause.STUDY_FAILED: "its study failed",
}


def headline(result: ClaimResult) -> str:
    """Id, verdict, and what it rests on, e.g. "C1 not reproduced: 78 of 153 pairs
    within 20 degrees (68 by the permutation null)"."""
    return f"{result.claim} {result.verdict.value}: {evidence(result)}"


def evidence(result: ClaimResult) -> str:
    """What the verdict rests on, in one line."""
    parts = []
    if result.obstacle is not None:
        parts.append(obstacle_text(result.obstacle))
    if result.met is not None:
        condition, _ = wording(result.spec.criterion)
        counts = [_count_of(rung) for rung in result.ladder]
        parts.append(f"{_n_of(result.met)} {condition}{_bracketed(counts)}")
    elif result.effects:
        main, *others = result.effects
        nulls = [_estimate_of(rung) for rung in result.ladder]
        parts.append(f"{effect_text(main)} over {main.n} models{_bracketed(nulls)}")
        factors = [e.estimate for e in others if e.quantity is main.quantity]
        if factors:
            n_negative = sum(estimate < 0 for estimate in factors)
            parts.append(f"negative within {n_negative} of {len(factors)} factors")
    return "; ".join(parts)


def details(result: ClaimResult) -> dict[str, str]:
    """Everything else that there is to say of a result, by what to call it."""
    spec = result.spec
    told = {
        "measured": measured(result),
        "share": "" if result.met is None else share_text(result.met),
        **{rung.null.value: rung_text(rung) for rung in result.ladder},
        "explained by": ", ".join(null.value for null in result.explained_by),
        "note": "; ".join(_CAVEATS[caveat] for caveat in result.caveats),
        "criterion": criterion_text(spec.criterion),
        "reading": reading_text(result.reading),
        "paper": source_text(spec.source),
        "study": spec.study,
    }
    return {name: text for name, text in told.items() if text}


def measured(result: ClaimResult) -> str:
    """What was measured."""
    return "; ".join(effect_text(effect) for effect in result.effects)


def effect_text(effect: Effect) -> str:
    """The name of a quantity, its value or spread, and its interval."""
    name = _QUANTITIES[effect.quantity]
    if effect.group:
        name += f" ({effect.group})"
    return f"{name} {_size(effect)}"


def rung_text(rung: Rung) -> str:
    """What a null gives."""
    parts = [effect_text(effect) for effect in rung.effects]
    if rung.met is not None:
        parts.append(f"{_n_of(rung.met)} meet the criterion")
    return "; ".join(parts)


def share_text(share: Share) -> str:
    """The share of units that meet a criterion, with its interval."""
    low, high = share.interval
    text = f"{share.fraction:.0%} of the {share.counted.value} ({_percent(low, high)}"
    if share.counted is not Counted.RUNS:
        text += f", if {share.counted.value} were independent"
    return f"{text})"


def obstacle_text(obstacle: Obstacle) -> str:
    """Why a claim was not tested."""
    return _CAUSES[obstacle.cause].format(
        needed=obstacle.needed,
        found=obstacle.found,
        names=", ".join(obstacle.names),
    )


def reading_text(reading: Reading) -> str:
    """Which reading of a claim a result belongs to."""
    parts = []
    if reading.samples is not None:
        parts.append(_SAMPLES[reading.samples])
    if reading.raw_data is not None:
        parts.append(_RAW_DATA[reading.raw_data])
    primary = Reading(reading.samples, reading.raw_data)
    parts += [level.value for level in reading.changes(primary).values()]
    return "; ".join(parts)


def source_text(source: Source) -> str:
    """Where the paper makes a claim."""
    parts = ["main text" if source.section is None else f"section {source.section}"]
    for name, numbers in (("figure", source.figures), ("table", source.tables)):
        if numbers:
            plural = "s" if len(numbers) > 1 else ""
            parts.append(f"{name}{plural} {' and '.join(map(str, numbers))}")
    return ", ".join(parts)


def _size(effect: Effect) -> str:
    if not effect.n:
        return "unknown"
    unit = f" {effect.quantity.unit.value}" if effect.quantity.unit.value else ""
    if effect.spread is None:
        return f"{effect.estimate:.2f}{unit}{_bracketed([_coefficient(effect)])}"
    low, median, high = effect.spread
    if effect.n == 1:
        return f"{low:.2f}{unit}"
    inside = [f"median {median:.2f}"]
    if effect.interval is not None:
        inside.append(f"mean {effect.estimate:.2f}, {_interval(effect.interval)}")
    return f"{low:.2f} to {high:.2f}{unit}{_bracketed(inside)}"


def _coefficient(effect: Effect) -> str:
    """The interval of a coefficient, or why there is none."""
    if effect.interval is not None:
        return _interval(effect.interval)
    if effect.quantity is Quantity.KENDALL_TAU and effect.group:
        return f"all {effect.n} groups alike" if effect.n > 1 else "one group"
    return ""


def _count_of(rung: Rung) -> str:
    """How many units a null lets meet the criterion."""
    if rung.met is None:
        return ""
    if rung.null is Null.UNTRAINED_TWIN:
        return f"{rung.met.n_met} of {rung.met.n} to their untrained twins"
    return f"{rung.met.n_met} by the {rung.null.value}"


def _estimate_of(rung: Rung) -> str:
    """The main coefficient that a null gives."""
    if not rung.effects:
        return ""
    main = rung.effects[0]
    return f"{main.estimate:.2f} by {main.group or f'the {rung.null.value}'}"


def _n_of(share: Share) -> str:
    return f"{share.n_met} of {share.n} {share.counted.value}"


def _interval(interval: Interval) -> str:
    return f"95% interval {interval.low:.2f} to {interval.high:.2f}"


def _percent(low: float, high: float) -> str:
    return f"95% interval {low:.0%} to {high:.0%}"


def _bracketed(parts: Sequence[str]) -> str:
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""
