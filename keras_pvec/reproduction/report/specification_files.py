"""Specification curves of one dataset as files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_pvec.reproduction import figures
from keras_pvec.reproduction.claims import ClaimResult
from keras_pvec.reproduction.report.file_names import READINGS_FILE
from keras_pvec.reproduction.report.specification import (
    specification_summary,
    specification_table,
)
from keras_pvec.reproduction.report.specification_text import summary_text
from keras_pvec.runs import write_atomically
from keras_pvec.runs.spreadsheet import write_spreadsheet


@dataclasses.dataclass(frozen=True)
class Specification:
    """Results under all readings, and where their figures are.

    Attributes:
        results: One for each claim and reading. Readings that are not available are
            among them, not tested, with their obstacles.
        overview: Path of the png file of all claims and readings.
        curves: Paths of the png files of specification curves, by claim; none for a
            claim without a rated or described reading.
    """

    results: Sequence[ClaimResult]
    overview: Path
    curves: Mapping[str, Path]


def write_specification(
    folder: Path, results: Sequence[ClaimResult], title: str
) -> Specification:
    """Writes `specifications.csv`, `specification_overview` and, for each claim,
    `specification_<claim>`, as `.png` and `.pdf`.

    Args:
        folder: An existing folder.
        results: One for each claim and reading.
        title: Dataset and preset.

    Raises:
        ValueError: There are no results.
    """
    if not results:
        raise ValueError("There are no results under any reading to write.")
    table = specification_table(results)
    with write_atomically(folder / READINGS_FILE) as file:
        write_spreadsheet(table, file)
    overview = figures.overview_figure(table, title)
    overview_path, _ = figures.save_figure(overview, folder / "specification_overview")
    curves = {}
    for _, summary in specification_summary(results).iterrows():
        claim = summary["claim"]
        if table.loc[table["claim"] == claim, "effect"].notna().any():
            note = summary_text(summary)
            curve = figures.specification_figure(table, claim, title, note)
            stem = folder / f"specification_{claim}"
            curves[claim], _ = figures.save_figure(curve, stem)
    return Specification(tuple(results), overview_path, curves)
