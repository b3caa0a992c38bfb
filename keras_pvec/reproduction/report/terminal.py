"""Results of claims as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from keras_pvec.reproduction.claims import ClaimResult
from keras_pvec.reproduction.report.sentences import details, headline

_WIDTH = 88
_MARGIN = 22


def render_claims(results: Sequence[ClaimResult]) -> str:
    """Each claim with its verdict, what it rests on, and what was measured."""
    return "\n".join(map(_render, results))


def _render(result: ClaimResult) -> str:
    lines = textwrap.wrap(
        headline(result), _WIDTH, subsequent_indent="    ", break_on_hyphens=False
    )
    for name, text in {"claim": result.spec.statement, **details(result)}.items():
        lines += textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=f"  {name}".ljust(_MARGIN),
            subsequent_indent=" " * _MARGIN,
            break_on_hyphens=False,
        )
    return "\n".join([*lines, ""])
