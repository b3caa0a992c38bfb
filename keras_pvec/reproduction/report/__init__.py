"""Renderers of results: terminal, table, HTML and Markdown.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_pvec.reproduction.report.chart_tables import charts_of
from keras_pvec.reproduction.report.charts import ReportFigure
from keras_pvec.reproduction.report.file_names import (
    CLAIMS_FILE,
    READINGS_FILE,
    RUNS_FILE,
)
from keras_pvec.reproduction.report.html import render_html
from keras_pvec.reproduction.report.markdown import render_markdown
from keras_pvec.reproduction.report.runs import runs_table
from keras_pvec.reproduction.report.section import Section
from keras_pvec.reproduction.report.specification import (
    factor_influence,
    specification_summary,
    specification_table,
    summary_of_table,
    typed_specifications,
)
from keras_pvec.reproduction.report.specification_files import (
    Specification,
    write_specification,
)
from keras_pvec.reproduction.report.table import claims_table
from keras_pvec.reproduction.report.terminal import render_claims, render_readings
from keras_pvec.runs import write_atomically

__all__ = [
    "CLAIMS_FILE",
    "READINGS_FILE",
    "RUNS_FILE",
    "ReportFigure",
    "Section",
    "Specification",
    "charts_of",
    "claims_table",
    "factor_influence",
    "render_claims",
    "render_readings",
    "runs_table",
    "specification_summary",
    "specification_table",
    "summary_of_table",
    "typed_specifications",
    "write_report",
    "write_specification",
]


def write_report(folder: Path, sections: Sequence[Section]) -> list[Path]:
    """Writes `report.html`, with its figures in it, and `report.md`.

    Returns:
        The paths of both.
    """
    texts = {
        folder / "report.html": render_html(sections),
        folder / "report.md": render_markdown(sections, folder),
    }
    for path, text in texts.items():
        with write_atomically(path) as file:
            # Names of folders that are not UTF-8 cannot be encoded.
            file.write(text.encode(errors="backslashreplace"))
    return list(texts)
