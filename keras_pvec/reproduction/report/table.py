"""Results of claims as a table: sentences for people, numbers for programs."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from keras_pvec.reproduction.claims import ClaimResult, Effect, Null, Rung, Share
from keras_pvec.reproduction.report import sentences
from keras_pvec.reproduction.report.criteria import criterion_text
from keras_pvec.reproduction.report.specification import column_centred

_TEXT, _WHOLE, _NUMBER, _FLAG = "string", "Int64", "Float64", "boolean"
# Columns and their types; a cell that does not apply is empty.
_COLUMNS = {
    **dict.fromkeys(("claim", "verdict", "evidence", "statement"), _TEXT),
    **dict.fromkeys(("measured", "criterion", "obstacle", "source", "study"), _TEXT),
    **dict.fromkeys(("reading", "samples", "raw_data"), _TEXT),
    **dict.fromkeys(("is_primary", "is_centred"), _FLAG),
    "counted": _TEXT,
    **dict.fromkeys(("n_met", "n", "n_networks", "n_left_out"), _WHOLE),
    **dict.fromkeys(("share", "share_low", "share_high"), _NUMBER),
    **dict.fromkeys(("effect", "effect_unit", "effect_estimator"), _TEXT),
    "effect_n": _WHOLE,
    **dict.fromkeys(("effect_estimate", "effect_low", "effect_high"), _NUMBER),
    **dict.fromkeys(("effect_min", "effect_median", "effect_max"), _NUMBER),
}
_RUNG_COLUMNS = {
    **dict.fromkeys(("n_met", "n", "n_beyond"), _WHOLE),
    "estimate": _NUMBER,
    "meets": _FLAG,
}
for _null in Null:
    _COLUMNS |= {
        f"{_null.name.lower()}_{name}": kind for name, kind in _RUNG_COLUMNS.items()
    }


def claims_table(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row per result.

    Returns:
        Text: `claim`, `verdict`, `evidence` (what the verdict rests on), `statement`,
        `measured`, `criterion`, `obstacle` (why a claim was not tested), `source` (in
        the paper), `study` (its folder of tables and figures), and the `reading`:
        `samples`, `raw_data`. `is_primary` and `is_centred` mark the primary reading
        and the one that differs from it in column-centred features only.

        Numbers: `n_met` of `n` `counted` units meet the criterion, which is a `share`
        with the 95% interval `share_low`, `share_high`; of a criterion in parts, those
        of the first. The units are made of `n_networks`; `n_left_out` networks are not
        well trained and were left out. `effect` is the main quantity in `effect_unit`:
        `effect_estimate` is its mean or median over `effect_n` values, or the
        coefficient of that many models, as `effect_estimator` says, with the 95%
        interval `effect_low`, `effect_high`; `effect_min`, `effect_median` and
        `effect_max` are the spread. For each null, e.g. `permutation`:
        `permutation_n_met` of `permutation_n` units meet the criterion,
        `permutation_n_beyond` units of the claim do where their null does not,
        `permutation_estimate` is its main quantity, and `permutation_meets` says
        whether the null reaches the level that the claim reaches.
    """
    rows = [_row(result) for result in results]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _row(result: ClaimResult) -> dict[str, object]:
    spec, reading, obstacle = result.spec, result.reading, result.obstacle
    row: dict[str, object] = {
        "claim": result.claim,
        "verdict": result.verdict.value,
        "evidence": sentences.evidence(result),
        "statement": spec.statement,
        "measured": sentences.measured(result) or None,
        "criterion": criterion_text(spec.criterion),
        "obstacle": None if obstacle is None else sentences.obstacle_text(obstacle),
        "source": sentences.source_text(spec.source),
        "study": spec.study,
        "n_left_out": result.n_left_out,
        "reading": sentences.reading_text(reading),
        "samples": None if reading.samples is None else reading.samples.value,
        "raw_data": None if reading.raw_data is None else reading.raw_data.value,
        "is_primary": reading == spec.primary,
        "is_centred": reading == column_centred(spec.primary),
    }
    if result.met is not None:
        row |= _share(result.met)
    if result.effects:
        row |= _effect(result.effects[0])
    for rung in result.ladder:
        row |= _rung(rung)
    return row


def _share(share: Share) -> dict[str, object]:
    return {
        "counted": share.counted.value,
        "n_met": share.n_met,
        "n": share.n,
        "n_networks": share.n_networks,
        "share": share.fraction,
        "share_low": share.interval.low,
        "share_high": share.interval.high,
    }


def _effect(effect: Effect) -> dict[str, object]:
    row: dict[str, object] = {
        "effect": effect.quantity.label,
        "effect_unit": effect.quantity.unit.value or None,
        "effect_n": effect.n,
        "effect_estimator": effect.estimator.value,
        "effect_estimate": effect.estimate,
    }
    if effect.interval is not None:
        low, high = effect.interval
        row |= {"effect_low": low, "effect_high": high}
    if effect.spread is not None:
        low, median, high = effect.spread
        row |= {"effect_min": low, "effect_median": median, "effect_max": high}
    return row


def _rung(rung: Rung) -> dict[str, object]:
    values: dict[str, object] = {"meets": rung.meets}
    if rung.met is not None:
        values |= {"n_met": rung.met.n_met, "n": rung.met.n}
        values["n_beyond"] = rung.n_beyond
    if rung.effects:
        values["estimate"] = rung.effects[0].estimate
    return {f"{rung.null.name.lower()}_{name}": v for name, v in values.items()}
