"""Results of claims as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from keras_pvec.reproduction.claims import ClaimResult
from keras_pvec.reproduction.report.sentences import (
    details,
    headline,
    reading_text,
)
from keras_pvec.reproduction.report.specification import specification_summary
from keras_pvec.reproduction.report.specification_text import summary_text

_WIDTH = 88
_MARGIN = 30


def render_claims(results: Sequence[ClaimResult]) -> str:
    """Each claim with its verdict, what it rests on, and what was measured."""
    return "\n".join(map(_render, results))


def render_readings(results: Sequence[ClaimResult]) -> str:
    """What other readings of each claim say: the column-centred one, and how many of
    all meet the criterion.

    Args:
        results: One for each claim and reading, the primary reading of a claim first.
    """
    lines = ["Other readings of the paper's words"]
    for claim in dict.fromkeys(result.claim for result in results):
        of_claim = [result for result in results if result.claim == claim]
        for result in of_claim[1:2]:
            lines += textwrap.wrap(
                f"{headline(result)} [{reading_text(result.reading)}]",
                _WIDTH,
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
        if len(of_claim) > 2:
            summary = specification_summary(of_claim).iloc[0]
            lines += textwrap.wrap(
                f"{claim}: {summary_text(summary)}",
                _WIDTH,
                initial_indent="    ",
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
    return "\n".join([*lines, ""])


def _render(result: ClaimResult) -> str:
    lines = textwrap.wrap(
        headline(result), _WIDTH, subsequent_indent="    ", break_on_hyphens=False
    )
    for name, text in {"claim": result.spec.statement, **details(result)}.items():
        lines += textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=f"  {name} ".ljust(_MARGIN),
            subsequent_indent=" " * _MARGIN,
            break_on_hyphens=False,
        )
    return "\n".join([*lines, ""])
