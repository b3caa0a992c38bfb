"""The page of results, in Markdown, from published tables alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from keras_pvec.reproduction.claims import CLAIMS, Null, Verdict
from keras_pvec.reproduction.figures import factor_label, quantity_label
from keras_pvec.reproduction.publication.read import LEFT_OUT, PublishedResults
from keras_pvec.reproduction.report import summary_of_table

READINGS = {"literal": "is_primary", "column-centred": "is_centred"}
_INTRODUCTION = """\
# What holds and what does not

This page is generated from published tables alone (`python experiments/publish.py`). \
Each claim of the paper is rated twice. The *literal* reading takes the words of the \
paper: P-vectors of the features as they are. The *column-centred* reading subtracts \
the mean of each feature first, since features after a ReLU share a large component \
along the constant vector, whatever a network has learned.

- **reproduced**, **partly reproduced**: the criterion is met, and not by a null.
- **met, but no more than chance**: a null meets the criterion as well. The nulls are \
permuted samples, samples permuted within their class, brightness and contrast of the \
images alone, and untrained networks.
- **described**: measured, but there is no threshold to meet, or networks are not \
known to be well trained.
- **not tested**, **precondition not met**, **inconclusive**: no verdict, for the \
reason that is given.

The criteria are ours; the paper states one threshold, the 10 degrees of C3."""


def render_page(
    results: Sequence[PublishedResults], figures: Sequence[str] = ()
) -> str:
    """The page of results.

    Args:
        results: The published results, one per data set.
        figures: Names of the png files beside the page.
    """
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        *_networks(results),
        *_verdicts(results),
        *_claims(results),
        *_figures(figures),
        *_making(results),
    ]
    return "\n".join(lines).rstrip() + "\n"


def rating(result: PublishedResults, claim: str, reading: str) -> pd.Series | None:
    """The row of a claim under one of `READINGS`, if the tables have it."""
    if result.claims.empty:
        return None
    of_claim = result.claims[result.claims["claim"] == claim]
    found = of_claim[of_claim[READINGS[reading]].fillna(False).astype(bool)]
    return None if found.empty else found.iloc[0]


def _networks(results: Sequence[PublishedResults]) -> Iterator[str]:
    """The accuracy of every network against its reference."""
    sources: dict[str, int] = {}
    yield "## The networks"
    yield ""
    yield (
        "A network is well trained if its training loss has changed by less than 1% of "
        "its whole decrease over the last tenth of the epochs, and its test accuracy "
        "is within five points of the reference for networks of its size. Networks "
        "trained without labels have the accuracy of a linear classifier on their "
        "features (before training in brackets)."
    )
    yield ""
    heads = ("data set", "network", "seed", "epochs", "accuracy", "reference")
    yield _row(*heads, "well trained")
    yield _rule(len(heads) + 1)
    for result in results:
        if result.runs.empty:
            continue
        plain = result.runs[result.runs["variant"].isna()]
        for _, run in plain.iterrows():
            yield _row(result.name, run["model"], run["seed"], *_training(run, sources))
        yield from _variants(result)
    yield ""
    for source, number in sources.items():
        yield f"{number}. {source}"
    yield ""


def _training(run: pd.Series, sources: dict[str, int]) -> list[object]:
    """Epochs, accuracy, reference, and whether a run is well trained."""
    if run["status"] != "finished":
        return [run["status"], "", "", ""]
    accuracy = _number(run["accuracy"], ".3f")
    if pd.notna(run["untrained_accuracy"]):
        accuracy += f" ({run['untrained_accuracy']:.3f})"
    reference = "unknown"
    if pd.notna(run["reference_accuracy"]):
        number = sources.setdefault(run["reference_source"], len(sources) + 1)
        reference = f"{run['reference_accuracy']:.3f} [{number}]"
    quality = run["well_trained"]
    known = "unknown" if pd.isna(quality) else "yes" if quality else "**no**"
    return [run["epochs"], accuracy, reference, known]


def _variants(result: PublishedResults) -> Iterator[str]:
    """The variants of an architecture in one line: there are dozens."""
    variants = result.runs[result.runs["variant"].notna()]
    for model, runs in variants.groupby("model"):
        done = runs[runs["status"] == "finished"]
        if done.empty:
            continue
        low, high = done["accuracy"].min(), done["accuracy"].max()
        yield _row(
            result.name,
            f"{model}, {len(done)} variants",
            _range(done["seed"]),
            _range(done["epochs"]),
            f"{low:.3f} to {high:.3f}",
            "",
            "",
        )


def _verdicts(results: Sequence[PublishedResults]) -> Iterator[str]:
    """All verdicts at a glance."""
    yield "## Verdicts"
    yield ""
    heads = [f"{r.name}, {reading}" for r in results for reading in READINGS]
    yield _row("claim", *heads)
    yield _rule(len(heads) + 1)
    for claim, spec in CLAIMS.items():
        cells = [
            _verdict(rating(result, claim, reading))
            for result in results
            for reading in READINGS
        ]
        if any(cells):
            yield _row(f"[{claim}](#{claim.lower()}): {spec.statement}", *cells)
    yield ""


def _verdict(row: pd.Series | None) -> str:
    if row is None:
        return ""
    verdict = row["verdict"]
    if verdict == Verdict.NOT_TESTED.value:
        return verdict
    if pd.isna(row["n"]):
        return f"**{verdict}**"
    by_null = met_by_null(row)
    beside = f", {by_null} under a null" if by_null else ""
    return f"**{verdict}** ({row['n_met']} of {row['n']}{beside})"


def met_by_null(row: pd.Series) -> int:
    """The largest number of units that meet the criterion under one null.

    Untrained pairs are other units than those of the claim, and do not count.
    """
    counts = [0]
    for null in Null:
        name = null.name.lower()
        n, n_met = row.get(f"{name}_n"), row.get(f"{name}_n_met")
        if pd.notna(n) and pd.notna(n_met) and null is not Null.UNTRAINED:
            counts.append(int(n_met))
    return max(counts)


def _claims(results: Sequence[PublishedResults]) -> Iterator[str]:
    """What was measured of each claim, and what the nulls leave of it."""
    for claim, spec in CLAIMS.items():
        lines = [line for result in results for line in _claim(result, claim)]
        if not lines:
            continue
        yield f'## <a id="{claim.lower()}"></a>{claim}: {spec.statement}'
        yield ""
        yield from lines


def _claim(result: PublishedResults, claim: str) -> Iterator[str]:
    rows = {name: rating(result, claim, name) for name in READINGS}
    rated = {name: row for name, row in rows.items() if row is not None}
    if not rated:
        return
    yield f"**{result.name}**"
    yield ""
    for name, row in rated.items():
        yield f"- {name}: *{row['verdict']}*. {_sentence(row['evidence'])}"
    yield from _readings(result, claim)
    yield ""
    ladder = [(name, row) for name, row in rated.items() if _has_ladder(row)]
    if ladder:
        yield from _ladder(ladder)
        yield ""


def _has_ladder(row: pd.Series) -> bool:
    return pd.notna(row["effect_estimate"]) and any(
        pd.notna(row.get(f"{null.name.lower()}_estimate")) for null in Null
    )


def _ladder(rows: Sequence[tuple[str, pd.Series]]) -> Iterator[str]:
    """The main quantity beside what each null gives for it."""
    nulls = [
        null
        for null in Null
        if any(pd.notna(row.get(f"{null.name.lower()}_estimate")) for _, row in rows)
    ]
    yield _row("reading", "quantity", "measured", *(null.value for null in nulls))
    yield _rule(3 + len(nulls))
    for name, row in rows:
        unit = row["effect_unit"] if pd.notna(row["effect_unit"]) else ""
        measured = _number(row["effect_estimate"], ".3g")
        if pd.notna(row["effect_low"]):
            measured += f" ({row['effect_low']:.3g} to {row['effect_high']:.3g})"
        cells = []
        for null in nulls:
            estimate = _number(row.get(f"{null.name.lower()}_estimate"), ".3g")
            meets = row.get(f"{null.name.lower()}_meets")
            is_met = pd.notna(meets) and bool(meets)
            cells.append(f"{estimate}, meets it" if is_met else estimate)
        yield _row(name, quantity_label(row["effect"], unit), measured, *cells)


def _readings(result: PublishedResults, claim: str) -> Iterator[str]:
    """How the verdict depends on the reading."""
    if result.readings.empty:
        return
    of_claim = result.readings[result.readings["claim"] == claim]
    for _, row in summary_of_table(of_claim).iterrows():
        if pd.isna(row["n_rated"]) or row["n_rated"] <= 2:
            continue
        text = f"- {row['n_met']} of {row['n_rated']} readings meet it"
        if pd.notna(row["deciding_factor"]):
            factor = factor_label(row["deciding_factor"])
            text += f"; the verdict depends most on the {factor}"
        yield f"{text}."


def _figures(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield "## Figures"
        yield ""
    for name in names:
        yield f"![{name.removesuffix('.png').replace('_', ' ')}]({name})"
        yield ""


def _making(results: Sequence[PublishedResults]) -> Iterator[str]:
    """Versions, training time, and what is not among the files."""
    yield "## How these tables were made"
    yield ""
    for result in results:
        yield f"- {result.name}: {'; '.join(_provenance(result))}."
    yield ""


def _provenance(result: PublishedResults) -> Iterator[str]:
    studies = ", ".join(result.settings)
    yield f"settings of each study in its `settings.json` ({studies})"
    if not result.runs.empty:
        finished = result.runs[result.runs["status"] == "finished"]
        yield f"{len(finished)} networks, {finished['training_hours'].sum():.1f} hours"
        if n_missing := len(result.runs) - len(finished):
            yield f"{n_missing} planned networks are not finished"
        versions = finished["versions"].dropna().drop_duplicates()
        yield from versions
    left_out = [
        f"`{study}/{name}.csv` ({n} rows)"
        for study, settings in result.settings.items()
        for name, n in (settings.get(LEFT_OUT) or {}).items()
    ]
    if left_out:
        yield f"too large to publish: {', '.join(left_out)}"


def _sentence(text: object) -> str:
    return "" if pd.isna(text) else f"{str(text)[:1].upper()}{str(text)[1:]}."


def _number(value: object, form: str) -> str:
    return "" if value is None or pd.isna(value) else format(value, form)


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _row(*cells: object) -> str:
    texts = ("" if pd.isna(cell) else str(cell).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |"


def _rule(n: int) -> str:
    return "|---" * n + "|"
