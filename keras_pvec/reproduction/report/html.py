"""A report as one HTML page that loads nothing else and fits a phone."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from keras_pvec.reproduction.claims import CLAIMS, ClaimResult
from keras_pvec.reproduction.figures import VERDICT_STYLES
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

_COLOURS = {verdict: style.colour for verdict, style in VERDICT_STYLES.items()}

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #202124; background: #fff;
       margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #dadce0; }
article { border: 1px solid #dadce0; border-radius: 8px; padding: .75rem 1rem;
          margin: .75rem 0; }
article h3 { margin: 0 0 .25rem; font-size: 1.05rem; }
article p { margin: .25rem 0; overflow-wrap: anywhere; }
.verdict { color: #fff; border-radius: 4px; padding: .1rem .5rem; font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .75rem;
     margin: .5rem 0 0; font-size: .92rem; }
dt { color: #5f6368; } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #5f6368; font-size: .85rem; }
.wide { overflow-x: auto; }
.wide img { max-width: none; width: 100%; min-width: 44rem; }
summary { cursor: pointer; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid #dadce0; padding: .25rem .5rem; text-align: left;
         vertical-align: top; min-width: 8rem; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; }
                            dt { font-weight: 600; }
                            th, td { min-width: 6rem; padding: .2rem .3rem;
                                     font-size: .8rem; } }
"""


def render_html(sections: Sequence[Section]) -> str:
    """The whole page, with its figures in it."""
    return "\n".join(_page(sections))


def _page(sections: Sequence[Section]) -> Iterator[str]:
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>The paper's claims, tested</title><style>{_STYLE}</style></head>"
    yield "<body><h1>The paper's claims, tested</h1>"
    yield f"<p>{html.escape(HOW_TO_READ)}</p>"
    if any(section.specification for section in sections):
        yield f"<p>{html.escape(HOW_TO_READ_READINGS)}</p>"
    yield from _overview(sections)
    yield _definitions((v.value, VERDICTS[v]) for v in used_verdicts(sections))
    for i, section in enumerate(sections):
        yield f"<h2>{html.escape(section.title)}</h2>"
        if section.specification is not None:
            yield from _readings(section.specification)
        curves = _curves(section)
        for j, result in enumerate(section.claims):
            curve = curves.pop(result.claim, "")
            yield from _claim(result, _anchor(i, j, result), curve)
        for caption, path in section.figures.items():
            yield _figure(caption, path)
        if section.runs or section.left_out:
            yield "<h3>Made from</h3>"
            yield _definitions(provenance_details(provenance_of(section)).items())
    yield "</body></html>"
    yield ""


def _overview(sections: Sequence[Section]) -> Iterator[str]:
    titles = "".join(
        f"<th>{html.escape(title)}</th>"
        for section in sections
        for title in column_titles(section)
    )
    yield f'<div class="wide"><table><tr><th>claim</th>{titles}</tr>'
    for claim, cells in overview(sections).items():
        yield f"<tr><td><b>{html.escape(claim)}</b> "
        yield f"{html.escape(CLAIMS[claim].statement)}</td>"
        for i, (section, cell) in enumerate(zip(sections, cells, strict=True)):
            anchors = [_anchor(i, j, result) for j, result in cell]
            results = [result for _, result in cell]
            for column in columns(section, claim, results):
                same = column == results
                links = anchors if same else [next(iter(anchors), "")] * len(column)
                found = map(_link, column, links)
                yield f"<td>{'<br>'.join(found)}</td>"
        yield "</tr>"
    yield "</table></div>"


def _readings(specification: Specification) -> Iterator[str]:
    """The overview of all readings, and which are missing."""
    yield _figure("Verdicts under each reading", specification.overview, wide=True)
    for outcome, groups in (
        ("were not tested", unavailable_readings(specification.results)),
        ("are without some networks", incomplete_readings(specification.results)),
    ):
        if groups:
            n_results = sum(len(group.readings) * len(group.claims) for group in groups)
            yield f"<details><summary>{n_results} results {outcome}</summary>"
            yield _definitions(
                ("; ".join(group.readings), unavailable_text(group)) for group in groups
            )
            yield "</details>"


def _curves(section: Section) -> dict[str, str]:
    """What there is to show of each claim under all of its readings, by claim."""
    if section.specification is None:
        return {}
    curves = {}
    for _, row in specification_summary(section.specification.results).iterrows():
        claim, text = row["claim"], summary_text(row)
        curves[claim] = f"<p>{html.escape(text)}</p>"
        if claim in section.specification.curves:
            path = section.specification.curves[claim]
            curves[claim] += _figure(f"{claim} under each reading", path, wide=True)
    return curves


def _link(result: ClaimResult, anchor: str) -> str:
    """A verdict that links to its article, if there is one, and what it rests on."""
    target = f' href="#{anchor}"' if anchor else ""
    return (
        f'<a{target} style="color:{_COLOURS[result.verdict]}">'
        f"{html.escape(result.verdict.value)}</a><br>{html.escape(evidence(result))}"
    )


def _claim(result: ClaimResult, anchor: str, curve: str) -> Iterator[str]:
    title = html.escape(f"{result.claim}: {result.spec.statement}")
    yield f'<article id="{anchor}"><h3>{title}</h3>'
    yield f'<p><span class="verdict" style="background:{_COLOURS[result.verdict]}">'
    yield f"{html.escape(result.verdict.value)}</span> "
    yield f"{html.escape(evidence(result))}</p>"
    yield f"{_definitions(details(result).items())}{curve}</article>"


def _anchor(section: int, place: int, result: ClaimResult) -> str:
    return html.escape(f"s{section}-{result.claim}-{place}", quote=True)


def _definitions(entries: Iterable[tuple[str, str]]) -> str:
    pairs = (
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
        for name, text in entries
    )
    return f"<dl>{''.join(pairs)}</dl>"


def _figure(caption: str, path: Path, wide: bool = False) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    text = html.escape(caption, quote=True)
    image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
    if wide:
        image = f'<div class="wide">{image}</div>'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"
