"""A report as one HTML page that loads nothing else and fits a phone."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keras_pvec.reproduction.claims import CLAIMS, ClaimResult, Verdict
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

# Dark enough for white text on them, and for themselves as text on white.
_COLOURS: dict[Verdict, str] = {
    Verdict.REPRODUCED: "#0b6e4f",
    Verdict.PARTLY_REPRODUCED: "#2b6a1d",
    Verdict.NO_MORE_THAN_CHANCE: "#8a5a00",
    Verdict.NOT_REPRODUCED: "#a11d33",
    Verdict.INCONCLUSIVE: "#6a3d9a",
    Verdict.PRECONDITION_NOT_MET: "#6d4c41",
    Verdict.NOT_TESTED: "#5f6368",
    Verdict.DESCRIBED: "#1a5fb4",
}

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
table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid #dadce0; padding: .25rem .5rem; text-align: left;
         vertical-align: top; min-width: 8rem; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; }
                            dt { font-weight: 600; } }
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
    yield from _overview(sections)
    yield _definitions({v.value: VERDICTS[v] for v in used_verdicts(sections)})
    for i, section in enumerate(sections):
        yield f"<h2>{html.escape(section.title)}</h2>"
        for j, result in enumerate(section.claims):
            yield from _claim(result, _anchor(i, j, result))
        for caption, path in section.figures.items():
            yield _figure(caption, path)
        if section.runs:
            yield "<h3>Made from</h3>"
            yield _definitions(provenance_details(provenance_of(section)))
    yield "</body></html>"
    yield ""


def _overview(sections: Sequence[Section]) -> Iterator[str]:
    titles = "".join(f"<th>{html.escape(s.title)}</th>" for s in sections)
    yield f'<div class="wide"><table><tr><th>claim</th>{titles}</tr>'
    for claim, cells in overview(sections).items():
        yield f"<tr><td><b>{html.escape(claim)}</b> "
        yield f"{html.escape(CLAIMS[claim].statement)}</td>"
        for i, cell in enumerate(cells):
            links = (_link(result, _anchor(i, j, result)) for j, result in cell)
            yield f"<td>{'<br>'.join(links)}</td>"
        yield "</tr>"
    yield "</table></div>"


def _link(result: ClaimResult, anchor: str) -> str:
    return (
        f'<a href="#{anchor}" style="color:{_COLOURS[result.verdict]}">'
        f"{html.escape(result.verdict.value)}</a><br>{html.escape(evidence(result))}"
    )


def _claim(result: ClaimResult, anchor: str) -> Iterator[str]:
    title = html.escape(f"{result.claim}: {result.spec.statement}")
    yield f'<article id="{anchor}"><h3>{title}</h3>'
    yield f'<p><span class="verdict" style="background:{_COLOURS[result.verdict]}">'
    yield f"{html.escape(result.verdict.value)}</span> "
    yield f"{html.escape(evidence(result))}</p>"
    yield f"{_definitions(details(result))}</article>"


def _anchor(section: int, place: int, result: ClaimResult) -> str:
    return html.escape(f"s{section}-{result.claim}-{place}", quote=True)


def _definitions(entries: Mapping[str, str]) -> str:
    pairs = (
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
        for name, text in entries.items()
    )
    return f"<dl>{''.join(pairs)}</dl>"


def _figure(caption: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    text = html.escape(caption, quote=True)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
