"""From shares and nulls to a verdict."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction.claims.criteria import UnitCriterion
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import ClaimSpec
from keras_pvec.reproduction.claims.result import (
    Caveat,
    ClaimResult,
    Effect,
    Null,
    Rung,
    Verdict,
)
from keras_pvec.reproduction.claims.statistics import share_of


def verdict_of(holds: bool, ladder: Sequence[Rung]) -> Verdict:
    """The verdict where a criterion holds or not, given what the nulls give."""
    if not holds:
        return Verdict.NOT_REPRODUCED
    if any(rung.meets for rung in ladder):
        return Verdict.NO_MORE_THAN_CHANCE
    return Verdict.REPRODUCED


def rate_units(
    spec: ClaimSpec[UnitCriterion],
    reading: Reading,
    met: pd.Series,
    effects: Sequence[Effect],
    ladder: Sequence[Rung] = (),
    caveats: Sequence[Caveat] = (),
) -> ClaimResult:
    """The result of a claim whose criterion is asked of each run, pair or curve.

    Args:
        spec: The claim.
        reading: The reading that the numbers belong to.
        met: Whether each unit meets the criterion.
        effects: What was measured.
        ladder: What the nulls give.
        caveats: What limits the result.
    """
    share = share_of(met, spec.criterion.counted)
    return ClaimResult(
        spec.id,
        reading,
        verdict_of(share.fraction >= spec.criterion.required_share, ladder),
        tuple(effects),
        share,
        tuple(ladder),
        tuple(caveats),
    )


def rung_of(
    null: Null, met: pd.Series, effects: Sequence[Effect], criterion: UnitCriterion
) -> Rung:
    """What a null gives for a criterion that is asked of each unit."""
    share = share_of(met, criterion.counted)
    meets = share.fraction >= criterion.null_share
    return Rung(null, tuple(effects), share, meets)
