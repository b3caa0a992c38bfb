"""Sentences made of results, which all renderers share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_pvec.reproduction.claims import (
    Cause,
    ClaimResult,
    Effect,
    Estimator,
    Interval,
    Null,
    Obstacle,
    Part,
    PowerLaw,
    RankCorrelation,
    Reading,
    Rung,
    Share,
    Source,
)
from keras_pvec.reproduction.report.criteria import criterion_text, wording
from keras_pvec.reproduction.report.words import (
    CAUSES,
    CAVEATS,
    QUANTITIES,
    RAW_DATA,
    SAMPLES,
)


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
        networks = "network" if result.n_left_out == 1 else "networks"
        parts.append(f"{result.n_left_out} {networks} not well trained, left out")
    if result.without:
        lacking = Obstacle(Cause.NOT_APPLICABLE, names=result.without)
        parts.append(f"{obstacle_text(lacking)}, left out")
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
    name = QUANTITIES[effect.quantity]
    median = "median " if effect.estimator is Estimator.MEDIAN else ""
    group = f" ({effect.group})" if effect.group else ""
    return f"{median}{name}{group} {value}"


def _nulls_of(rung: Rung) -> str:
    """The estimates that a null gives for a criterion on medians."""
    values = " and ".join(_estimate(effect) for effect in rung.effects)
    return f"{values} by the {rung.null.value}"


def _estimate(effect: Effect) -> str:
    """A number; a null that does not vary has no correlation, for example."""
    return f"{effect.estimate:.2f}" if math.isfinite(effect.estimate) else "undefined"


def details(result: ClaimResult) -> dict[str, str]:
    """Everything else that there is to say of a result, by what to call it."""
    spec = result.spec
    found = {
        "measured": measured(result),
        "share": "" if result.met is None else share_text(result.met),
        **{rung.null.value: rung_text(rung) for rung in result.ladder},
        **{part.aspect.value: part_text(part) for part in result.parts[1:]},
        "explained by": ", ".join(null.value for null in result.explained_by),
        "note": "; ".join(CAVEATS[caveat] for caveat in result.caveats),
        "criterion": criterion_text(spec.criterion),
        "reading": reading_text(result.reading),
        "paper": source_text(spec.source),
        "study": spec.study,
    }
    return {name: text for name, text in found.items() if text}


def measured(result: ClaimResult) -> str:
    """What was measured."""
    return "; ".join(effect_text(effect) for effect in result.effects)


def effect_text(effect: Effect) -> str:
    """The name of a quantity, its value or spread, and its interval."""
    name = QUANTITIES[effect.quantity]
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
    return CAUSES[obstacle.cause].format(
        needed=obstacle.needed,
        found=obstacle.found,
        names=", ".join(obstacle.names),
    )


def reading_text(reading: Reading) -> str:
    """Which reading of a claim a result belongs to."""
    parts = []
    if reading.samples is not None:
        parts.append(SAMPLES[reading.samples])
    if reading.raw_data is not None:
        parts.append(RAW_DATA[reading.raw_data])
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
    return f"{_estimate(main)} by {main.group or f'the {rung.null.value}'}"


def _n_of(share: Share) -> str:
    return f"{share.n_met} of {share.n} {share.counted.value}"


def _interval(interval: Interval) -> str:
    return f"95% interval {interval.low:.2f} to {interval.high:.2f}"


def _percent(low: float, high: float) -> str:
    return f"95% interval {low:.0%} to {high:.0%}"


def _bracketed(parts: Sequence[str]) -> str:
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""
