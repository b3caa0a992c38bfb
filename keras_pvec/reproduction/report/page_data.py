"""Data, style and program of the HTML page, safely embedded."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources

import pandas as pd

from keras_pvec.reproduction.claims import CLAIMS
from keras_pvec.reproduction.figures import quantity_label
from keras_pvec.reproduction.report.chart_tables import reading_chart
from keras_pvec.reproduction.report.charts import (
    Chart,
    CurveChart,
    MatrixChart,
    ReadingChart,
)
from keras_pvec.reproduction.report.runs import runs_table
from keras_pvec.reproduction.report.section import Section
from keras_pvec.reproduction.report.specification import (
    reading_name,
    specification_table,
)

DATA_ID = "report-data"


def asset(name: str) -> str:
    """A file of the page that lies beside this module.

    Args:
        name: `"report.css"` or `"report.js"`.
    """
    folder = resources.files("keras_pvec.reproduction.report") / "assets"
    return (folder / name).read_text(encoding="utf-8")


def policy() -> str:
    """The page's content security policy: it loads nothing, and runs its own program
    only, whatever names of models hold."""
    digest = base64.b64encode(hashlib.sha256(asset("report.js").encode()).digest())
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest.decode()}'"
    )


def figure_id(section: int, place: int) -> str:
    """Id of a figure of a section, by the places of both."""
    return f"figure-{section}-{place}"


def reading_figure_id(section: int, claim: str) -> str:
    """Id of the figure of a claim under its readings."""
    return f"readings-{section}-{claim}"


def charts_of_page(sections: Sequence[Section]) -> dict[str, Chart]:
    """The charts of a report, by id of the figure that each belongs to."""
    charts: dict[str, Chart] = {}
    for i, section in enumerate(sections):
        for j, figure in enumerate(section.figures.values()):
            if figure.chart is not None:
                charts[figure_id(i, j)] = figure.chart
        if section.specification is not None:
            table = specification_table(section.specification.results)
            for claim in section.specification.curves:
                chart = _reading_chart(table[table["claim"] == claim])
                if chart is not None:
                    charts[reading_figure_id(i, claim)] = chart
    return charts


def data_element(charts: Mapping[str, Chart], sections: Sequence[Section]) -> str:
    """What the page's program draws and filters, as JSON in an element that is not run.

    Args:
        charts: By id of the figure that each belongs to.
        sections: The sections of the report.
    """
    data = {
        "filters": filter_choices(charts.values(), sections),
        "charts": {
            name: {"kind": chart.kind, **dataclasses.asdict(chart)}
            for name, chart in charts.items()
        },
    }
    return (
        f'<script type="application/json" id="{DATA_ID}">{script_json(data)}</script>'
    )


def script_json(data: object) -> str:
    """JSON that holds no tag, comment or line separator of HTML or JavaScript."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def filter_choices(
    charts: Iterable[Chart], sections: Sequence[Section]
) -> dict[str, list[str]]:
    """What a report can be filtered by: models, seeds, claims and readings."""
    runs = [run for chart in charts for run in _runs(chart)]
    for section in sections:
        table = runs_table(section.runs)
        runs += [
            (str(model), str(seed))
            for model, seed in zip(table["model"], table["seed"], strict=True)
            if isinstance(model, str)
        ]
    results = [
        result
        for section in sections
        for result in (
            *section.claims,
            *(section.specification.results if section.specification else ()),
        )
    ]
    tested = {result.claim for result in results}
    return {
        "model": sorted({model for model, _ in runs}),
        "seed": sorted({seed for _, seed in runs if seed.isdigit()}, key=int),
        "claim": [claim for claim in CLAIMS if claim in tested],
        "reading": [*dict.fromkeys(map(reading_name, results))],
    }


def _reading_chart(table: pd.DataFrame) -> ReadingChart | None:
    named = table[["quantity", "unit"]].dropna()
    label = quantity_label(*named.iloc[0]) if len(named) else ""
    return reading_chart(table, label)


def _runs(chart: Chart) -> Iterable[tuple[str, str]]:
    if isinstance(chart, CurveChart):
        return [run for curve in chart.curves for run in curve.runs]
    if isinstance(chart, MatrixChart):
        return [run for pair in chart.pairs for run in pair.runs]
    return []
