"""The result of the reproduction in one table, for the front page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction.claims import CLAIMS, Verdict
from keras_pvec.reproduction.publication.page import READINGS, met_by_null, rating
from keras_pvec.reproduction.publication.read import PublicationError, PublishedResults

_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"


def headline(results: Sequence[PublishedResults]) -> str:
    """A table of the claims: which verdict each has on which data sets.

    Args:
        results: The published results, one per data set.
    """
    lines = [
        f"| claim | {' | '.join(f'{reading} reading' for reading in READINGS)} |",
        f"|---|{'---|' * len(READINGS)}",
    ]
    for claim, spec in CLAIMS.items():
        cells = [_verdicts_of(results, claim, reading) for reading in READINGS]
        if any(cells):
            lines.append(f"| {claim}: {spec.statement} | {' | '.join(cells)} |")
    return "\n".join(lines)


def replace_headline(page: str, text: str) -> str:
    """A page with a new text between its two markers.

    Args:
        page: In Markdown, with the lines `<!-- results: begin -->` and
            `<!-- results: end -->`.
        text: What to put between them.

    Raises:
        PublicationError: The page lacks the markers.
    """
    before, begin, rest = page.partition(f"{_BEGIN}\n")
    _, end, after = rest.partition(f"{_END}\n")
    if not begin or not end:
        raise PublicationError(f"The page lacks the lines {_BEGIN} and {_END}.")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


def _verdicts_of(results: Sequence[PublishedResults], claim: str, reading: str) -> str:
    """The verdicts on a claim under a reading, each with its data sets."""
    names: dict[str, list[str]] = {}
    for result in results:
        row = rating(result, claim, reading)
        if row is not None:
            verdict = Verdict(row["verdict"])
            names.setdefault(verdict.value, []).append(
                f"{result.name}{_beside(row, verdict)}"
            )
    return "<br>".join(
        f"**{verdict}**: {', '.join(found)}" for verdict, found in names.items()
    )


def _beside(row: pd.Series, verdict: Verdict) -> str:
    """How many units a null meets, where the claim counts as met beyond chance."""
    if verdict not in (Verdict.REPRODUCED, Verdict.PARTLY_REPRODUCED):
        return ""
    by_null, of_all = met_by_null(row), row["n"]
    return f" ({by_null} of {of_all} under a null)" if by_null else ""
