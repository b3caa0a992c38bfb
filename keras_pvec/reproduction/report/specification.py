"""Results of claims under many readings as tables: specification curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from keras_pvec.reproduction.claims import (
    Centring,
    ClaimResult,
    Extraction,
    Reading,
    Verdict,
)
from keras_pvec.reproduction.claims.reading import FACTORS, vary
from keras_pvec.reproduction.figures import level_label
from keras_pvec.reproduction.report.sentences import obstacle_text

_PRIMARY = "primary"
_TEXT, _WHOLE, _NUMBER, _FLAG = "string", "Int64", "Float64", "boolean"
_COLUMNS = {
    "claim": _TEXT,
    "reading": _TEXT,
    **dict.fromkeys(FACTORS.values(), _TEXT),
    **dict.fromkeys(("is_primary", "is_centred", "is_stored", "is_mistake"), _FLAG),
    "verdict": _TEXT,
    **dict.fromkeys(("share", "share_low", "share_high"), _NUMBER),
    **dict.fromkeys(("quantity", "unit"), _TEXT),
    **dict.fromkeys(("effect", "effect_low", "effect_high"), _NUMBER),
    **dict.fromkeys(("nulls_that_meet_it", "obstacle", "without"), _TEXT),
}
_INFLUENCE_COLUMNS = {
    **dict.fromkeys(("claim", "factor"), _TEXT),
    **dict.fromkeys(("n_changes", "n_flips"), _WHOLE),
    **dict.fromkeys(("flip_share", "mean_shift"), _NUMBER),
}
_SUMMARY_COLUMNS = {
    "claim": _TEXT,
    **dict.fromkeys(("n_readings", "n_rated", "n_met"), _WHOLE),
    "share_met": _NUMBER,
    **dict.fromkeys(("quantity", "unit"), _TEXT),
    "median_effect": _NUMBER,
    "deciding_factor": _TEXT,
    **dict.fromkeys(("n_flips", "n_changes"), _WHOLE),
    "moving_factor": _TEXT,
    "mean_shift": _NUMBER,
}
_MET = (Verdict.REPRODUCED.value, Verdict.PARTLY_REPRODUCED.value)
_RATED = (
    *_MET,
    Verdict.NO_MORE_THAN_CHANCE.value,
    Verdict.NOT_REPRODUCED.value,
    Verdict.INCONCLUSIVE.value,
)


def specification_table(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row per claim and reading, in the order given.

    Returns:
        `claim`; `reading`, the levels that differ from the primary reading; a column
        for each factor with its level, empty where a claim has no such choice.

        `is_primary` and `is_centred` mark the primary reading and the one that differs
        from it in column-centred features only; `is_stored` says whether stored
        P-vectors are enough for a reading; `is_mistake` marks a known mistake, which
        is shown but is no reading to defend.

        `verdict`; the `share` of units that meet the criterion, with the 95% interval
        `share_low`, `share_high`; `effect`, the main quantity, named by `quantity`, in
        `unit`, with the 95% interval `effect_low`, `effect_high`; the
        `nulls_that_meet_it` as well; `obstacle`, why a reading was not tested;
        `without`, the networks that have no such features and were left out.
    """
    rows = [_row(result) for result in results]
    return _typed(rows, _COLUMNS)


def typed_specifications(table: pd.DataFrame) -> pd.DataFrame:
    """A table of readings that was read from a file, with the types of
    `specification_table`; a file does not tell the type of an empty column.

    Args:
        table: With the columns of `specification_table`.
    """
    return table.astype(_COLUMNS)


def factor_influence(table: pd.DataFrame) -> pd.DataFrame:
    """What changing one factor does to the verdict and to the effect.

    A change is a pair of rated readings that differ in one factor only, of which one
    has the primary level. Each other level thus counts once for each setting of the
    other factors, and factors with many levels weigh no more than others. Known
    mistakes are left out.

    Args:
        table: As `specification_table` gives it.

    Returns:
        One row per claim and factor that has a change: `claim`, `factor`, the number
        of changes `n_changes`, how many of them change the verdict, `n_flips`, and
        their share `flip_share`, and the mean absolute change of the effect,
        `mean_shift`.
    """
    rows = []
    for claim, readings in table.groupby("claim", sort=False):
        primary = readings[readings["is_primary"]]
        if not primary.empty:
            rated = _defensible(readings)
            rated = rated[rated["verdict"].isin(_RATED)]
            rows += _influences(str(claim), rated, primary.iloc[0])
    return _typed(rows, _INFLUENCE_COLUMNS)


def specification_summary(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row per claim, over its readings. Known mistakes are left out.

    There is no p-value: readings are not independent samples of anything.

    Returns:
        `claim`; the number of readings `n_readings`, of rated ones `n_rated`, and of
        those that meet the claim at least in part, `n_met`, with their share
        `share_met` of the rated ones; the median of the effect over rated readings,
        `median_effect`, named by `quantity`, in `unit`.

        `deciding_factor` changes the verdict in the largest share of its changes, as
        `factor_influence` defines them: in `n_flips` of `n_changes`. Ties go to the
        larger shift of the effect. It is empty where no change of a factor changes the
        verdict. `moving_factor` changes the effect most, by `mean_shift` on average.
    """
    return summary_of_table(specification_table(results))


def summary_of_table(table: pd.DataFrame) -> pd.DataFrame:
    """The summary of `specification_summary`, of a table of readings.

    Args:
        table: As `specification_table` gives it.
    """
    influence = factor_influence(table)
    rows = []
    for claim, readings in table.groupby("claim", sort=False):
        defensible = _defensible(readings)
        rated = defensible[defensible["verdict"].isin(_RATED)]
        n_met = int(rated["verdict"].isin(_MET).sum())
        rows.append(
            {
                "claim": claim,
                "n_readings": len(defensible),
                "n_rated": len(rated),
                "n_met": n_met,
                "share_met": n_met / len(rated) if len(rated) else None,
                **{name: _first(rated[name]) for name in ("quantity", "unit")},
                "median_effect": rated["effect"].median(),
                **_deciding(influence[influence["claim"] == claim]),
            }
        )
    return _typed(rows, _SUMMARY_COLUMNS)


def column_centred(reading: Reading) -> Reading:
    """The same reading of column-centred features."""
    return vary(reading, Centring.COLUMNS)


def reading_name(result: ClaimResult) -> str:
    """The levels in which a reading differs from the primary one of its claim, centring
    last."""
    changes = result.reading.changes(result.spec.primary).values()
    ordered = sorted(changes, key=lambda level: isinstance(level, Centring))
    return ", ".join(level_label(level.value) for level in ordered) or _PRIMARY


def _row(result: ClaimResult) -> dict[str, object]:
    reading, primary = result.reading, result.spec.primary
    levels = {factor: getattr(reading, factor) for factor in FACTORS.values()}
    row: dict[str, object] = {
        "claim": result.claim,
        "reading": reading_name(result),
        **{factor: level and level.value for factor, level in levels.items()},
        "is_primary": reading == primary,
        "is_centred": reading == column_centred(primary),
        "is_stored": reading.is_stored,
        "is_mistake": reading.extraction is Extraction.MISALIGNED,
        "verdict": result.verdict.value,
        "nulls_that_meet_it": "; ".join(r.null.value for r in result.ladder if r.meets)
        or None,
        "obstacle": result.obstacle and obstacle_text(result.obstacle),
        "without": ", ".join(result.without) or None,
    }
    if result.met is not None:
        low, high = result.met.interval
        row |= {"share": result.met.fraction, "share_low": low, "share_high": high}
    if result.effects:
        main = result.effects[0]
        row |= {"quantity": main.quantity.label, "unit": main.quantity.unit.value}
        row["effect"] = main.estimate
        if main.interval is not None:
            row["effect_low"], row["effect_high"] = main.interval
    return row


def _influences(
    claim: str, rated: pd.DataFrame, primary: pd.Series
) -> list[dict[str, object]]:
    """One row for each factor that has a change."""
    factors = list(FACTORS.values())
    # Factors that a claim does not depend on are empty, and the same in all rows.
    levels = rated[factors].fillna("")
    rows: list[dict[str, object]] = []
    for factor in factors:
        base = levels[factor] == ("" if pd.isna(primary[factor]) else primary[factor])
        others = [name for name in factors if name != factor]
        keyed = rated[["verdict", "effect"]].set_index(
            pd.MultiIndex.from_frame(levels[others])
        )
        is_base = base.to_numpy(bool)
        before = keyed[is_base].add_suffix("_before")
        changes = keyed[~is_base].join(before, how="inner")
        if len(changes):
            flips = changes["verdict"] != changes["verdict_before"]
            shifts = (changes["effect"] - changes["effect_before"]).abs()
            rows.append(
                {
                    "claim": claim,
                    "factor": factor,
                    "n_changes": len(changes),
                    "n_flips": int(flips.sum()),
                    "flip_share": float(flips.mean()),
                    "mean_shift": shifts.mean(),
                }
            )
    return rows


def _deciding(influence: pd.DataFrame) -> dict[str, object]:
    """The columns of the summary on factors, of one claim."""
    found: dict[str, object] = {}
    by_flips = influence.sort_values(
        ["flip_share", "mean_shift"], ascending=False, kind="stable"
    )
    if len(by_flips) and by_flips["n_flips"].iloc[0] > 0:
        first = by_flips.iloc[0]
        found |= {name: first[name] for name in ("n_flips", "n_changes")}
        found["deciding_factor"] = first["factor"]
    by_shift = influence.dropna(subset="mean_shift").sort_values(
        "mean_shift", ascending=False, kind="stable"
    )
    if len(by_shift) and by_shift["mean_shift"].iloc[0] > 0:
        found["moving_factor"] = by_shift["factor"].iloc[0]
        found["mean_shift"] = by_shift["mean_shift"].iloc[0]
    return found


def _defensible(readings: pd.DataFrame) -> pd.DataFrame:
    return readings[~readings["is_mistake"]]


def _first(values: pd.Series) -> object:
    present = values.dropna()
    return present.iloc[0] if len(present) else None


def _typed(rows: Sequence[dict[str, object]], columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)
