"""The result of the reproduction in a few lines, for the front page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction.claims import CLAIMS, Verdict
from keras_pvec.reproduction.publication.page import READINGS, met_by_null, rating
from keras_pvec.reproduction.publication.read import PublicationError, PublishedResults

_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"


def headline(results: Sequence[PublishedResults]) -> str:
    """Which claims have which verdict on which data sets, one line per verdict.

    Args:
        results: The published results, one per data set.
    """
    lines = []
    for reading in READINGS:
        verdicts = [
            f"*{verdict.value}*: {', '.join(claims)}"
            for verdict in Verdict
            if verdict is not Verdict.NOT_TESTED
            and (claims := _claims_with(results, reading, verdict))
        ]
        lines.append(f"- {reading.capitalize()} reading: {'; '.join(verdicts)}.")
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


def _claims_with(
    results: Sequence[PublishedResults], reading: str, verdict: Verdict
) -> list[str]:
    """Ids of the claims with a verdict, each with its data sets."""
    found: list[str] = []
    for claim in CLAIMS:
        rows = {result.name: rating(result, claim, reading) for result in results}
        names = [
            f"{name}{_beside(row, verdict)}"
            for name, row in rows.items()
            if row is not None and row["verdict"] == verdict.value
        ]
        if names:
            found.append(f"{claim} ({', '.join(names)})")
    return found


def _beside(row: pd.Series, verdict: Verdict) -> str:
    """How many units a null meets, where the claim counts as met beyond chance."""
    if verdict not in (Verdict.REPRODUCED, Verdict.PARTLY_REPRODUCED):
        return ""
    by_null = met_by_null(row)
    return f", {by_null} of {row['n']} under a null" if by_null else ""
