"""From shares, medians and nulls to a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from keras_pvec.reproduction.claims.criteria import Counted, UnitCriterion
from keras_pvec.reproduction.claims.gate import Gate
from keras_pvec.reproduction.claims.resampling import Strata
from keras_pvec.reproduction.claims.result import (
    Caveat,
    ClaimResult,
    Effect,
    Null,
    Rung,
    Share,
    Verdict,
)
from keras_pvec.reproduction.claims.statistics import share_of

# From best to worst.
_LEVELS = (Verdict.REPRODUCED, Verdict.PARTLY_REPRODUCED, Verdict.NOT_REPRODUCED)


class UnitNull(NamedTuple):
    """A null, unit by unit.

    Attributes:
        null: Which null.
        met: Whether the null of each unit meets the full criterion, by unit.
        effects: The quantities of the claim, under the null.
    """

    null: Null
    met: pd.Series
    effects: Sequence[Effect] = ()


class UnitRating(NamedTuple):
    """What a criterion that is asked of units gives."""

    verdict: Verdict
    met: Share
    ladder: tuple[Rung, ...]


class Condition(NamedTuple):
    """A threshold on one estimate: at most, or at least, `limit`."""

    effect: Effect
    limit: float
    at_most: bool

    @property
    def holds(self) -> bool:
        return self._meets(self.effect.estimate)

    @property
    def is_unsure(self) -> bool:
        """Whether the interval holds both sides of the threshold."""
        interval = self.effect.interval
        if interval is None:
            return False
        return self._meets(interval.low) != self._meets(interval.high)

    def _meets(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


def level_of(share: float, criterion: UnitCriterion) -> Verdict:
    """What a share of the units is enough for."""
    if share >= criterion.required_share:
        return Verdict.REPRODUCED
    if share >= criterion.partial_share:
        return Verdict.PARTLY_REPRODUCED
    return Verdict.NOT_REPRODUCED


def is_inconclusive(share: Share, criterion: UnitCriterion) -> bool:
    """Whether the interval of a share reaches from where the claim is not reproduced to
    where it is. Units that all agree decide; a caveat says if they are few."""
    if share.is_unanimous:
        return False
    low, high = share.interval
    return low < criterion.partial_share and high >= criterion.required_share


def rate_met(
    criterion: UnitCriterion,
    met: pd.Series,
    strata: Strata,
    nulls: Sequence[UnitNull] = (),
    counted: Counted | None = None,
) -> UnitRating:
    """Rates a criterion that is asked of each unit.

    Args:
        criterion: Its shares.
        met: Whether each unit meets it, by unit.
        strata: The architecture of each network.
        nulls: Judged by the same criterion, on the same units.
        counted: The units, if they are not those of the criterion.
    """
    counted = counted or criterion.counted
    share = share_of(met, counted, strata)
    level = level_of(share.fraction, criterion)
    ladder = []
    for null, null_met, effects in nulls:
        of_null = share_of(null_met, counted, strata)
        reached = level_of(of_null.fraction, criterion)
        meets = reached is not Verdict.NOT_REPRODUCED and _LEVELS.index(
            reached
        ) <= _LEVELS.index(level)
        n_beyond = int((met & ~null_met.reindex(met.index, fill_value=False)).sum())
        ladder.append(Rung(null, tuple(effects), of_null, meets, n_beyond))
    if is_inconclusive(share, criterion):
        level = Verdict.INCONCLUSIVE
    return UnitRating(verdict_of(level, ladder), share, tuple(ladder))


def verdict_of(level: Verdict, ladder: Iterable[Rung]) -> Verdict:
    """The verdict on a level that is reached, given what the nulls reach."""
    if level in _LEVELS[:2] and any(rung.meets for rung in ladder):
        return Verdict.NO_MORE_THAN_CHANCE
    return level


def level_of_conditions(conditions: Sequence[Condition]) -> Verdict:
    """What estimates that all have to hold are enough for.

    Reproduced if all hold, partly if some do, inconclusive if it is unsure whether one
    holds and none is sure not to.
    """
    failing = [c for c in conditions if not c.holds and not c.is_unsure]
    if failing:
        sure = [c for c in conditions if c.holds and not c.is_unsure]
        return Verdict.PARTLY_REPRODUCED if sure else Verdict.NOT_REPRODUCED
    if any(c.is_unsure for c in conditions):
        return Verdict.INCONCLUSIVE
    return Verdict.REPRODUCED


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a criterion of several parts, all of which have to hold."""
    found = set(verdicts)
    if len(found) == 1:
        return verdicts[0]
    if Verdict.NOT_REPRODUCED in found:
        some = found & {Verdict.REPRODUCED, Verdict.PARTLY_REPRODUCED}
        return Verdict.PARTLY_REPRODUCED if some else Verdict.NOT_REPRODUCED
    for verdict in (
        Verdict.INCONCLUSIVE,
        Verdict.NO_MORE_THAN_CHANCE,
        Verdict.PARTLY_REPRODUCED,
    ):
        if verdict in found:
            return verdict
    return Verdict.REPRODUCED


def gated(result: ClaimResult, gate: Gate) -> ClaimResult:
    """A result with what it says of the networks' training."""
    if not result.spec.of_well_trained:
        return result
    caveats = list(result.caveats)
    if gate.unknown:
        caveats.append(Caveat.QUALITY_UNKNOWN)
    verdict = result.verdict
    if not gate.is_open and result.obstacle is None:
        verdict = Verdict.PRECONDITION_NOT_MET
    return dataclasses.replace(
        result,
        verdict=verdict,
        caveats=tuple(caveats),
        n_left_out=gate.n_left_out,
    )


def caveats_of(
    criterion: UnitCriterion, share: Share, ladder: Iterable[Rung]
) -> tuple[Caveat, ...]:
    """What limits a share: few networks, or nulls that reach half of it.

    Args:
        criterion: Its shares.
        share: Of the units that meet it.
        ladder: The same under each null.
    """
    caveats = []
    low, high = share.interval
    if share.is_unanimous and low < criterion.partial_share <= high:
        caveats.append(Caveat.FEW_NETWORKS)
    if level_of(share.fraction, criterion) is Verdict.REPRODUCED and any(
        level_of(rung.met.fraction, criterion) is Verdict.PARTLY_REPRODUCED
        for rung in ladder
        if rung.met is not None
    ):
        caveats.append(Caveat.NULL_PARTLY_MEETS)
    return tuple(caveats)
