"""A report as Markdown."""

from __future__ import annotations

import html
import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keras_pvec.reproduction.claims import CLAIMS, ClaimResult
from keras_pvec.reproduction.report.section import (
    Section,
    column_titles,
    columns,
    overview,
    provenance_details,
    provenance_of,
    used_verdicts,
)
from keras_pvec.reproduction.report.sentences import (
    details,
    evidence,
)
from keras_pvec.reproduction.report.specification import specification_summary
from keras_pvec.reproduction.report.specification_files import Specification
from keras_pvec.reproduction.report.specification_text import (
    HOW_TO_READ_READINGS,
    summary_text,
)
from keras_pvec.reproduction.report.unavailable import (
    incomplete_readings,
    unavailable_readings,
    unavailable_text,
)
from keras_pvec.reproduction.report.words import HOW_TO_READ, VERDICTS

# What Markdown would take for markup: a pipe ends a cell, and a dollar sign begins a
# formula on some sites. An underscore between letters or digits is plain.
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")


def render_markdown(sections: Sequence[Section], folder: Path | None = None) -> str:
    """The whole document.

    Args:
        sections: What it shows.
        folder: Where it will lie, to which links to figures are relative; default the
            working directory.
    """
    return "\n".join(_document(sections, folder or Path()))


def _document(sections: Sequence[Section], folder: Path) -> Iterator[str]:
    yield "# The paper's claims, tested"
    yield ""
    yield _escape(HOW_TO_READ)
    yield ""
    if any(section.specification for section in sections):
        yield _escape(HOW_TO_READ_READINGS)
        yield ""
    yield from _overview(sections)
    yield from _list({v.value: VERDICTS[v] for v in used_verdicts(sections)})
    for section in sections:
        yield f"## {_escape(section.title)}"
        yield ""
        if section.specification is not None:
            yield from _readings(section.specification, folder)
        curves = _curves(section, folder)
        for result in section.claims:
            yield from _claim(result)
            yield from curves.pop(result.claim, ())
        if section.runs or section.left_out:
            yield "Made from:"
            yield ""
            yield from _list(provenance_details(provenance_of(section)))


def _overview(sections: Sequence[Section]) -> Iterator[str]:
    titles = [title for section in sections for title in column_titles(section)]
    yield _line(["claim", *map(_escape, titles)])
    yield _line(["---"] * (len(titles) + 1))
    for claim, cells in overview(sections).items():
        statement = _escape(f"{claim}: {CLAIMS[claim].statement}")
        found = [
            "<br>".join(map(_cell, column))
            for section, cell in zip(sections, cells, strict=True)
            for column in columns(section, claim, [result for _, result in cell])
        ]
        yield _line([statement, *found])
    yield ""


def _readings(specification: Specification, folder: Path) -> Iterator[str]:
    """The overview of all readings, and which are missing."""
    yield _figure("Verdicts under each reading", specification.overview, folder)
    yield ""
    for heading, groups in (
        ("Not tested", unavailable_readings(specification.results)),
        ("Without some networks", incomplete_readings(specification.results)),
    ):
        if groups:
            yield f"{heading}:"
            yield ""
            for group in groups:
                names = "; ".join(group.readings)
                yield f"- {_escape(names)}: {_escape(unavailable_text(group))}"
            yield ""


def _curves(section: Section, folder: Path) -> dict[str, list[str]]:
    """Lines on each claim under all of its readings, by claim."""
    if section.specification is None:
        return {}
    curves = {}
    for _, row in specification_summary(section.specification.results).iterrows():
        claim = row["claim"]
        curves[claim] = [_escape(summary_text(row)), ""]
        if claim in section.specification.curves:
            path = section.specification.curves[claim]
            curves[claim] += [_figure(f"{claim} under each reading", path, folder), ""]
    return curves


def _figure(caption: str, path: Path, folder: Path) -> str:
    link = Path(os.path.relpath(path, folder)).as_posix()
    # A name that is not UTF-8 stays what it is.
    quoted = urllib.parse.quote(link, errors="surrogateescape")
    return f"![{_escape(caption)}]({quoted})"


def _cell(result: ClaimResult) -> str:
    return f"**{result.verdict.value}**: {_escape(evidence(result))}"


def _claim(result: ClaimResult) -> Iterator[str]:
    yield f"### {_escape(f'{result.claim}: {result.spec.statement}')}"
    yield ""
    yield _cell(result)
    yield ""
    yield from _list(details(result))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _list(entries: Mapping[str, str]) -> Iterator[str]:
    for name, text in entries.items():
        yield f"- {_escape(name)}: {_escape(text)}"
    yield ""


def _escape(text: str) -> str:
    """A text as Markdown shows it literally, in one line.

    Angle brackets become entities, since not every renderer lets a backslash escape
    them; HTML in a name must not become part of the page.
    """
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return _MARKUP.sub(r"\\\g<0>", html.escape(line, quote=False))
