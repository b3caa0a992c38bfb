"""A report as one HTML page that loads nothing else and fits a phone.

Everything is there without scripts, and printed. Scripts draw the charts in place of
their png files, sort the tables and filter the page.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Sequence

from keras_pvec.reproduction.claims import CLAIMS, ClaimResult
from keras_pvec.reproduction.figures import VERDICT_STYLES
from keras_pvec.reproduction.report.charts import MatrixChart, ReportFigure
from keras_pvec.reproduction.report.html_tables import (
    filter_attributes,
    pairs_html,
    readings_html,
    runs_html,
    verdict_order,
)
from keras_pvec.reproduction.report.page_data import (
    asset,
    charts_of_page,
    data_element,
    figure_id,
    policy,
    reading_figure_id,
)
from keras_pvec.reproduction.report.runs import runs_table
from keras_pvec.reproduction.report.section import (
    Section,
    column_titles,
    columns,
    overview,
    provenance_details,
    provenance_of,
    used_verdicts,
)
from keras_pvec.reproduction.report.sentences import details, evidence
from keras_pvec.reproduction.report.specification import (
    reading_name,
    specification_summary,
    specification_table,
)
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


def render_html(sections: Sequence[Section]) -> str:
    """The whole page, with its figures, data, style and program in it."""
    return "\n".join(_page(sections))


def _page(sections: Sequence[Section]) -> Iterator[str]:
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield "<title>The paper's claims, tested</title>"
    yield f"<style>{asset('report.css')}</style></head>"
    yield "<body><h1>The paper's claims, tested</h1>"
    yield f"<p>{html.escape(HOW_TO_READ)}</p>"
    if any(section.specification for section in sections):
        yield f"<p>{html.escape(HOW_TO_READ_READINGS)}</p>"
    yield '<div id="filters"></div>'
    yield from _overview(sections)
    yield _definitions((v.value, VERDICTS[v]) for v in used_verdicts(sections))
    for i, section in enumerate(sections):
        yield from _section(section, i)
    yield data_element(charts_of_page(sections), sections)
    yield f"<script>{asset('report.js')}</script>"
    yield "</body></html>"
    yield ""


def _section(section: Section, i: int) -> Iterator[str]:
    """What there is on one dataset, the `i`-th of the page."""
    yield f"<h2>{html.escape(section.title)}</h2>"
    if section.specification is not None:
        yield from _readings(section.specification)
    curves = _curves(section, i)
    for j, result in enumerate(section.claims):
        curve = curves.pop(result.claim, "")
        yield from _claim(result, _anchor(i, j, result), curve)
    for j, (caption, figure) in enumerate(section.figures.items()):
        yield _figure(caption, figure, figure_id(i, j) if figure.chart else "")
        if isinstance(figure.chart, MatrixChart):
            table = pairs_html(figure.chart)
            yield f"<div{_claims_of(figure)}>{table}</div>"
    if section.runs or section.left_out:
        yield "<h3>Made from</h3>"
        yield _definitions(provenance_details(provenance_of(section)).items())
    if section.runs:
        yield runs_html(runs_table(section.runs))


def _overview(sections: Sequence[Section]) -> Iterator[str]:
    titles = "".join(
        f'<th scope="col"{_readings_of_column(section, place)}>'
        f"{html.escape(title)}</th>"
        for section in sections
        for place, title in enumerate(column_titles(section))
    )
    yield '<div class="wide"><table class="sortable"><caption>Overview</caption>'
    yield f'<thead><tr><th scope="col">claim</th>{titles}</tr></thead><tbody>'
    for claim, cells in overview(sections).items():
        yield f"<tr{filter_attributes(claims=[claim])}>"
        yield f'<td data-order="{[*CLAIMS].index(claim)}"><b>{html.escape(claim)}</b> '
        yield f"{html.escape(CLAIMS[claim].statement)}</td>"
        for i, (section, cell) in enumerate(zip(sections, cells, strict=True)):
            anchors = [_anchor(i, j, result) for j, result in cell]
            results = [result for _, result in cell]
            for place, column in enumerate(columns(section, claim, results)):
                same = column == results
                links = anchors if same else [next(iter(anchors), "")] * len(column)
                found = map(_link, column, links)
                orders = [verdict_order(result.verdict.value) for result in column]
                order = f' data-order="{min(orders)}"' if orders else ""
                yield f"<td{order}{_readings_of_column(section, place)}>"
                yield f"{'<br>'.join(found)}</td>"
        yield "</tr>"
    yield "</tbody></table></div>"


def _readings_of_column(section: Section, place: int) -> str:
    """What a column of the overview is filtered by."""
    if section.specification is None:
        return ""
    names = {
        reading_name(result)
        for claim in CLAIMS
        for result in section.under(claim, centred=bool(place))
    }
    return filter_attributes(readings=sorted(names))


def _readings(specification: Specification) -> Iterator[str]:
    """The overview of all readings, their table, and which are missing."""
    figure = ReportFigure(specification.overview)
    yield _figure("Verdicts under each reading", figure, wide=True)
    yield readings_html(specification_table(specification.results))
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


def _curves(section: Section, i: int) -> dict[str, str]:
    """What there is to show of each claim under all of its readings, by claim."""
    if section.specification is None:
        return {}
    curves = {}
    for _, row in specification_summary(section.specification.results).iterrows():
        claim, text = row["claim"], summary_text(row)
        curves[claim] = f"<p>{html.escape(text)}</p>"
        if claim in section.specification.curves:
            figure = ReportFigure(section.specification.curves[claim], (claim,))
            caption = f"{claim} under each reading"
            name = reading_figure_id(i, claim)
            curves[claim] += _figure(caption, figure, name, wide=True)
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
    filters = filter_attributes(claims=[result.claim])
    yield f'<article id="{anchor}"{filters}><h3>{title}</h3>'
    yield f"<div{filter_attributes(readings=[reading_name(result)])}>"
    yield f'<p><span class="verdict" style="background:{_COLOURS[result.verdict]}">'
    yield f"{html.escape(result.verdict.value)}</span> "
    yield f"{html.escape(evidence(result))}</p>"
    yield f"{_definitions(details(result).items())}</div>{curve}</article>"


def _anchor(section: int, place: int, result: ClaimResult) -> str:
    return html.escape(f"s{section}-{result.claim}-{place}", quote=True)


def _definitions(entries: Iterable[tuple[str, str]]) -> str:
    pairs = (
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
        for name, text in entries
    )
    return f"<dl>{''.join(pairs)}</dl>"


def _figure(
    caption: str, figure: ReportFigure, name: str = "", wide: bool = False
) -> str:
    """A figure, with an id if scripts may draw a chart in its place."""
    data = base64.b64encode(figure.path.read_bytes()).decode()
    text = html.escape(caption, quote=True)
    image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
    kind = "picture wide" if wide else "picture"
    named = f' id="{name}"' if name else ""
    return (
        f'<figure{named}{_claims_of(figure)}><div class="{kind}">{image}</div>'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _claims_of(figure: ReportFigure) -> str:
    return filter_attributes(claims=figure.claims) if figure.claims else ""
