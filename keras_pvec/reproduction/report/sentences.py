"""Sentences made of results, which all renderers share."""

from __future__ import annotations

from collections.abc import Sequence

from keras_pvec.reproduction.claims import (
    Cause,
    Caveat,
    ClaimResult,
    Effect,
    Estimator,
    Interval,
    Null,
    Obstacle,
    Part,
    PowerLaw,
    Quantity,
    RankCorrelation,
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
    "numbers would be with the samples of one side in random order; the other nulls "
    "permute within classes, keep brightness and contrast of the images only, or "
    "compare untrained networks. Intervals come from resampling networks within "
    "their architecture, since pairs that share a network are not independent. A "
    "result is inconclusive where the units disagree and the interval of their share "
    "reaches from below the level of partly reproduced to that of reproduced. "
    "Verdicts are one for each claim, reading and dataset, without a correction for "
    "their number. Statements and criteria are this package's own wording of the "
    "paper's claims; the criteria are fixed in its code."
)

VERDICTS: dict[Verdict, str] = {
    Verdict.REPRODUCED: "the criterion is met, and no null meets it as well",
    Verdict.PARTLY_REPRODUCED: "half of the units or more meet the criterion, or "
    "a part of it is met",
    Verdict.NO_MORE_THAN_CHANCE: "the criterion is met, but a null meets it as well",
    Verdict.NOT_REPRODUCED: "the criterion is not met",
    Verdict.INCONCLUSIVE: "the interval holds both outcomes",
    Verdict.PRECONDITION_NOT_MET: "the networks are not well trained",
    Verdict.NOT_TESTED: "these runs say nothing about the claim",
    Verdict.DESCRIBED: "the paper shows it and so do we; there is nothing to rate",
}

_QUANTITIES: dict[Quantity, str] = {
    Quantity.ANGLE: "angle",
    Quantity.UNTRAINED_ANGLE: "angle of untrained pairs of the same kinds",
    Quantity.CAP: "cap on the angle at the start (sum of the angles to the constant "
    "vector)",
    Quantity.CENTERED_ANGLE: "column-centred angle",
    Quantity.START_ANGLE: "angle at the start",
    Quantity.LATE_ANGLE: "largest angle in the last tenth of the epochs",
    Quantity.END_ANGLE: "angle after the last epoch",
    Quantity.DECREASE: "decrease from the largest angle",
    Quantity.RISE: "rise",
    Quantity.FALL: "fall",
    Quantity.NOISE: "noise from moment to moment",
    Quantity.PEAK_POSITION: "position of the peak (share of the epoch)",
    Quantity.ANGLE_TREND: "rank correlation of angle and epoch",
    Quantity.SLOPE_CHANGE: "change of the slope against the block",
    Quantity.EARLY_SLOPE: "slope in the first epoch (per block)",
    Quantity.LATE_SLOPE: "slope in the last epoch (per block)",
    Quantity.BLOCK_ORDER_P: "p-value under permuted blocks",
    Quantity.DISTANCE_TREND: "rank correlation of distance and epoch",
    Quantity.START_DISTANCE: "distance before training (values have mean square 1)",
    Quantity.FIRST_VECTOR_ANGLE: "angle of the first vector",
    Quantity.OTHER_VECTORS_ANGLE: "smallest angle of the other vectors",
    Quantity.BEST_MATCH_ANGLE: "angle to the best match of any index",
    Quantity.SPAN_ANGLE: "largest principal angle of the spans",
    Quantity.EXPLAINED: "smallest share of the energy after any epoch",
    Quantity.END_EXPLAINED: "share of the energy after the last epoch",
    Quantity.PCA_SHARE: "share of the column variance in the first principal "
    "component, last epoch",
    Quantity.SCORE_VARIANCE_SHARE: "variance of the uncentred scores over the column "
    "variance, last epoch",
    Quantity.KENDALL_TAU: "Kendall's tau",
    Quantity.PARTIAL_TAU: "partial tau given the null angle",
    Quantity.PEARSON_R: "Pearson's r",
    Quantity.PARTIAL_R: "partial r given the null angle",
    Quantity.PARTIAL_CORRELATION: "correlation given brightness and contrast",
    Quantity.NULL_PARTIAL_CORRELATION: "95% quantile of its permutation null",
    Quantity.DIFFERENCE: "stronger than this predictor by",
    Quantity.P_VALUE: "two-sided permutation p-value",
    Quantity.EXPONENT: "exponent",
}

_CAVEATS: dict[Caveat, str] = {
    Caveat.OWN_END: "any path of shrinking steps approaches its own end",
    Caveat.ORDER_FREE: "there is no permutation null: a distribution does not depend "
    "on the order of the samples",
    Caveat.QUALITY_UNKNOWN: "it is not known of every network whether it is well "
    "trained",
    Caveat.FEW_NETWORKS: "all agree, but so few networks that the interval does not "
    "exclude less than half of others",
    Caveat.NO_UNTRAINED_PAIRS: "some pairs have no untrained pairs of the same kinds, "
    "and are judged by the angle alone",
    Caveat.MULTIPLE_TESTS: "intervals of the differences are corrected for the number "
    "of predictors (Bonferroni); other intervals are not corrected",
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
    Cause.TOO_FEW_NETWORKS: "needs {needed} networks or more, of different kinds",
    Cause.TOO_FEW_MOMENTS: "needs {needed} moments or more within the first epoch, has "
    "{found} (log them with --log_freq=first_epoch:1)",
    Cause.TOO_FEW_UPDATES: "needs {needed} updates or more in the first epoch, has "
    "{found}",
    Cause.TOO_FEW_SEEDS: "needs {needed} seeds, since a run is not compared with a "
    "reference of its own seed",
    Cause.CANNOT_BE_MET: "cannot be met under this reading: both vectors have a large "
    "component along the constant vector, which caps the angle at the start at "
    "{found} degrees, below {needed}",
    Cause.TOO_FEW_BLOCKS: "needs {needed} blocks or more, has {found}",
    Cause.TOO_FEW_VECTORS: "needs {needed} singular vectors or more, has {found}",
    Cause.TOO_FEW_MODELS: "needs {needed} models or more, has {found}",
    Cause.MODELS_ALIKE: "needs models that differ in angle and accuracy",
    Cause.MISSING_REFERENCES: "needs finished runs of {names}",
    Cause.RANDOM_WEIGHTS: "the networks have random weights",
    Cause.NOT_SELECTED: "left out by --only",
    Cause.NO_RUNS: "none of its runs is finished",
    Cause.NO_IMAGES: "needs --images and --weights",
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
    if result.parts:
        for part in result.parts:
            counted = _counted(result, part.met, part.ladder)
            parts.append(f"{part.aspect.value}, {counted}")
    elif result.met is not None:
        parts.append(_counted(result, result.met, result.ladder))
    elif isinstance(result.spec.criterion, RankCorrelation | PowerLaw):
        parts += _of_models(result)
    else:
        parts += [_briefly(effect) for effect in result.effects]
        nulls = [_bracketed([_nulls_of(rung)]) for rung in result.ladder]
        parts[-1:] = [parts[-1] + "".join(nulls)] if parts else []
    if result.explained_by:
        names = ", ".join(null.value for null in result.explained_by)
        parts.append(f"no more than: {names}")
    if result.n_left_out:
        parts.append(f"{result.n_left_out} networks not well trained, left out")
    return "; ".join(parts)


def _counted(result: ClaimResult, met: Share, ladder: Sequence[Rung]) -> str:
    condition, _ = wording(result.spec.criterion)
    counts = [_count_of(rung) for rung in ladder]
    return f"{_n_of(met)} {condition}{_bracketed(counts)}"


def _of_models(result: ClaimResult) -> list[str]:
    """A correlation over models, beside those of the nulls and within architectures."""
    if not result.effects:
        return []
    main, *others = result.effects
    nulls = [_estimate_of(rung) for rung in result.ladder]
    parts = [f"{effect_text(main)} over {main.n} models{_bracketed(nulls)}"]
    kinds = [e.estimate for e in others if e.quantity is main.quantity]
    if kinds:
        n_negative = sum(estimate < 0 for estimate in kinds)
        parts.append(f"negative within {n_negative} of {len(kinds)} architectures")
    return parts


def _briefly(effect: Effect) -> str:
    """The name of a quantity and its estimate."""
    unit = f" {effect.quantity.unit.value}" if effect.quantity.unit.value else ""
    value = f"{effect.estimate:.2f}{unit}" if effect.n else "unknown"
    name = _QUANTITIES[effect.quantity]
    median = "median " if effect.estimator is Estimator.MEDIAN else ""
    group = f" ({effect.group})" if effect.group else ""
    return f"{median}{name}{group} {value}"


def _nulls_of(rung: Rung) -> str:
    """The estimates that a null gives for a criterion on medians."""
    values = " and ".join(f"{effect.estimate:.2f}" for effect in rung.effects)
    return f"{values} by the {rung.null.value}"


def details(result: ClaimResult) -> dict[str, str]:
    """Everything else that there is to say of a result, by what to call it."""
    spec = result.spec
    told = {
        "measured": measured(result),
        "share": "" if result.met is None else share_text(result.met),
        **{rung.null.value: rung_text(rung) for rung in result.ladder},
        **{part.aspect.value: part_text(part) for part in result.parts[1:]},
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
    if rung.n_beyond is not None:
        parts.append(f"{rung.n_beyond} meet it where their null does not")
    return "; ".join(parts)


def part_text(part: Part) -> str:
    """What one part of a criterion gives."""
    told = [part.verdict.value, *(effect_text(effect) for effect in part.effects)]
    told.append(share_text(part.met))
    told += [f"{rung.null.value}: {rung_text(rung)}" for rung in part.ladder]
    return "; ".join(told)


def share_text(share: Share) -> str:
    """The share of units that meet a criterion, with its interval."""
    low, high = share.interval
    return (
        f"{share.fraction:.0%} of the {share.counted.value} ({_percent(low, high)} "
        f"over {share.n_networks} networks)"
    )


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
        inside.append(_with_interval(effect, effect.interval))
    return f"{low:.2f} to {high:.2f}{unit}{_bracketed(inside)}"


def _with_interval(effect: Effect, interval: Interval) -> str:
    """The interval of a median, or a mean with its interval."""
    if effect.estimator is Estimator.MEDIAN:
        return _interval(interval)
    return f"mean {effect.estimate:.2f}, {_interval(interval)}"


def _coefficient(effect: Effect) -> str:
    """The interval of a coefficient, if there is one."""
    return "" if effect.interval is None else _interval(effect.interval)


def _count_of(rung: Rung) -> str:
    """How many units a null lets meet the criterion."""
    if rung.met is None:
        return ""
    if rung.null is Null.UNTRAINED:
        return f"{rung.met.n_met} of {rung.met.n} untrained pairs within that angle"
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
