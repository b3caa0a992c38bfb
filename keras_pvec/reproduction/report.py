"""The claim ledger: what was claimed, what was measured, and how that fell out, as one
HTML file that needs nothing else and as Markdown.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

import base64
import dataclasses
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from keras_pvec.reproduction.analysis import model_of
from keras_pvec.reproduction.claims import (
    NOT_REPRODUCED,
    NOT_TESTED,
    NULL_EXPLAINS,
    REPRODUCED,
)
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import Run, write_atomically

_COLOURS = {
    REPRODUCED: "#0b6e4f",
    NULL_EXPLAINS: "#8a5a00",
    NOT_REPRODUCED: "#a11d33",
    NOT_TESTED: "#5f6368",
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
.verdict { color: #fff; border-radius: 4px; padding: .1rem .5rem; font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .75rem;
     margin: .5rem 0 0; font-size: .92rem; }
dt { color: #5f6368; } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #5f6368; font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid #dadce0; padding: .25rem .5rem; text-align: left; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; }
                            dt { font-weight: 600; } }
"""

_HOW_TO_READ = (
    "Angles are in degrees: 0 = the same, 90 = unrelated. The null is what the same "
    "quantity would be if the samples of one side were in random order: features are "
    "not centred, so that two networks may agree because both lean to the constant "
    "vector. Intervals take what is counted (runs, pairs, curves) for independent; "
    "pairs that share a network are not, so theirs are too narrow. Criteria are fixed "
    "in code; they are this package's, and so are the statements in its own words."
)


@dataclasses.dataclass(frozen=True)
class Section:
    """What was found on one data set.

    Attributes:
        title: Data set and preset.
        claims: As `claims.as_table` gives them.
        figures: Paths of png files, by what to call them.
        runs: The runs behind it; none for networks that came trained.
        n_missing: How many others were planned, and are not finished.
    """

    title: str
    claims: pd.DataFrame
    figures: Mapping[str, Path]
    runs: Sequence[Run]
    n_missing: int = 0


def write_report(folder: Path, sections: Sequence[Section]) -> list[Path]:
    """Writes `report.html`, with its figures in it, and `report.md`.

    Returns:
        The paths of both.
    """
    paths = [folder / "report.html", folder / "report.md"]
    for path, text in zip(paths, (_html(sections), _markdown(sections)), strict=True):
        with write_atomically(path) as file:
            file.write(text.encode())
    return paths


def _made_by(section: Section) -> dict[str, str]:
    """Which models, how many seeds, how long, which versions, which commit."""
    runs = section.runs
    missing = f", {section.n_missing} more are missing" if section.n_missing else ""
    records = [TrainingRecord.of(run) for run in runs]
    settings = [record.settings for record in records]
    versions = {
        f"{name} {version}"
        for run in runs
        for name, version in run.info.versions.items()
    }
    revisions = {r.git_revision for r in records if r.git_revision}
    hours = sum(record.wall_time_s for record in records) / 3600
    return {
        "runs": f"{len(runs)}{missing}",
        "models": ", ".join(dict.fromkeys(map(model_of, runs))),
        "seeds": ", ".join(sorted({str(s["seed"]) for s in settings if "seed" in s})),
        "epochs": ", ".join(sorted({str(s["epochs"]) for s in settings if s})),
        "training images": ", ".join(
            str(n)
            for n in sorted({r.n_train for r in records if r.n_train is not None})
        ),
        "time of training": f"{hours:.2f} hours",
        "versions": ", ".join(sorted(versions)),
        "git revision": ", ".join(sorted(revisions)) or "unknown",
    }


def _claims(section: Section) -> Iterator[tuple]:
    """The rows of the table, numbered from 0 as `Index`."""
    return section.claims.reset_index(drop=True).itertuples()


def _fields(row: object) -> dict[str, str]:
    """What is told of a claim besides its statement and verdict."""
    told = {
        "measured": row.measured,
        "met by": row.met,
        "null": row.null,
        "criterion": row.criterion,
        "study": getattr(row, "study", ""),
    }
    return {name: str(text) for name, text in told.items() if text}


def _overview(sections: Sequence[Section]) -> dict[tuple[str, str], list]:
    """By id and statement of each claim, its row in each section (`None` where a
    section lacks it), which is how data sets compare at a glance."""
    overview: dict[tuple[str, str], list] = {}
    for i, section in enumerate(sections):
        for row in _claims(section):
            rows = overview.setdefault(
                (row.claim, row.statement), [None] * len(sections)
            )
            rows[i] = row
    by_number = sorted(overview, key=lambda key: int(key[0].removeprefix("C")))
    return {key: overview[key] for key in by_number}


def _in_short(row: object) -> tuple[str, str]:
    """The verdict, and how many runs (pairs, curves) meet the criterion."""
    return row.verdict, row.met.partition(";")[0]


def _anchor(section: int, row: object) -> str:
    return f"s{section}-{row.claim}-{row.Index}"


def _html_overview(sections: Sequence[Section]) -> list[str]:
    titles = "".join(f"<th>{html.escape(s.title)}</th>" for s in sections)
    parts = ['<div class="wide"><table>', f"<tr><th>claim</th>{titles}</tr>"]
    for (claim, statement), rows in _overview(sections).items():
        parts.append(f"<tr><td><b>{claim}</b> {html.escape(statement)}</td>")
        for i, row in enumerate(rows):
            if row is None:
                parts.append("<td></td>")
                continue
            verdict, met = _in_short(row)
            parts.append(
                f'<td><a href="#{_anchor(i, row)}" style="color:{_COLOURS[verdict]}">'
                f"{html.escape(verdict)}</a><br>{html.escape(met)}</td>"
            )
        parts.append("</tr>")
    return [*parts, "</table></div>"]


def _markdown_overview(sections: Sequence[Section]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    def cell(row: object | None) -> str:
        if row is None:
            return ""
        verdict, met = _in_short(row)
        return f"{verdict} ({met})" if met else verdict

    lines = [line(["claim", *(s.title for s in sections)])]
    lines.append(line(["---"] * (len(sections) + 1)))
    for (claim, statement), rows in _overview(sections).items():
        lines.append(line([f"{claim}: {statement}", *map(cell, rows)]))
    return [*lines, ""]


def _html(sections: Sequence[Section]) -> str:
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Claim ledger</title><style>{_STYLE}</style></head><body>",
        f"<h1>Claim ledger</h1><p>{html.escape(_HOW_TO_READ)}</p>",
        *_html_overview(sections),
    ]
    for i, section in enumerate(sections):
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        for row in _claims(section):
            colour = _COLOURS[row.verdict]
            parts.append(
                f'<article id="{_anchor(i, row)}">'
                f"<h3>{row.claim}: {html.escape(row.statement)}</h3>"
                f'<span class="verdict" style="background:{colour}">'
                f"{html.escape(row.verdict)}</span><dl>"
            )
            for name, text in _fields(row).items():
                parts.append(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>")
            parts.append("</dl></article>")
        for name, path in section.figures.items():
            data = base64.b64encode(path.read_bytes()).decode()
            caption = html.escape(name)
            parts.append(
                f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
        if not section.runs:
            continue
        parts.append('<h3>Made by</h3><div class="wide"><table>')
        for name, text in _made_by(section).items():
            parts.append(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>")
        parts.append("</table></div>")
    return "\n".join([*parts, "</body></html>", ""])


def _markdown(sections: Sequence[Section]) -> str:
    lines = ["# Claim ledger", "", _HOW_TO_READ, "", *_markdown_overview(sections)]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for row in _claims(section):
            lines += [f"### {row.claim}: {row.statement}", "", f"**{row.verdict}**", ""]
            lines += [f"- {name}: {text}" for name, text in _fields(row).items()]
            lines.append("")
        if not section.runs:
            continue
        lines += ["Made by:", ""]
        lines += [f"- {name}: {text}" for name, text in _made_by(section).items()]
        lines.append("")
    return "\n".join(lines)
