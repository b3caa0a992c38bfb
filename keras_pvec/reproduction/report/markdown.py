"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from keras_pvec.reproduction.claims import CLAIMS, ClaimResult
from keras_pvec.reproduction.report.section import (
    Section,
    overview,
    provenance_details,
    provenance_of,
    used_verdicts,
)
from keras_pvec.reproduction.report.sentences import (
    details,
    evidence,
)
from keras_pvec.reproduction.report.words import HOW_TO_READ, VERDICTS

# What Markdown would take for markup; a pipe ends a cell, an underscore within a word
# is plain.
_MARKUP = re.compile(r"[\\`*\[\]<>|]|(?<!\w)_|_(?!\w)")


def render_markdown(sections: Sequence[Section]) -> str:
    """The whole document."""
    return "\n".join(_document(sections))


def _document(sections: Sequence[Section]) -> Iterator[str]:
    yield "# The paper's claims, tested"
    yield ""
    yield _escape(HOW_TO_READ)
    yield ""
    yield from _overview(sections)
    yield from _list({v.value: VERDICTS[v] for v in used_verdicts(sections)})
    for section in sections:
        yield f"## {_escape(section.title)}"
        yield ""
        for result in section.claims:
            yield from _claim(result)
        if section.runs:
            yield "Made from:"
            yield ""
            yield from _list(provenance_details(provenance_of(section)))


def _overview(sections: Sequence[Section]) -> Iterator[str]:
    yield _line(["claim", *(_escape(section.title) for section in sections)])
    yield _line(["---"] * (len(sections) + 1))
    for claim, cells in overview(sections).items():
        statement = _escape(f"{claim}: {CLAIMS[claim].statement}")
        yield _line([statement, *("<br>".join(map(_cell, cell)) for cell in cells)])
    yield ""


def _cell(entry: tuple[int, ClaimResult]) -> str:
    _, result = entry
    return f"**{result.verdict.value}**: {_escape(evidence(result))}"


def _claim(result: ClaimResult) -> Iterator[str]:
    yield f"### {_escape(f'{result.claim}: {result.spec.statement}')}"
    yield ""
    yield _cell((0, result))
    yield ""
    yield from _list(details(result))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _list(entries: Mapping[str, str]) -> Iterator[str]:
    for name, text in entries.items():
        yield f"- {_escape(name)}: {_escape(text)}"
    yield ""


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", text)
