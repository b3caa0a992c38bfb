"""`keras-pvec archive`: runs as one file."""

from __future__ import annotations

import argparse

from keras_pvec.archive import Description, load_archive, pack_runs
from keras_pvec.cli.commands import Commands
from keras_pvec.diagnostics.text import count_of, format_json

# What the data card of an archive says that the runs do not.
_CARD_FIELDS = {
    "title": "title",
    "summary": "what the runs are",
    "licence": "licence of the data",
    "citation": "how to cite the data",
}


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    archive = commands.add(
        "archive",
        "pack runs into one file that NumPy can read",
        _archive,
        details=": P-vectors of all moments, logs, labels, settings and versions, with "
        "a data card and checksums",
    )
    archive.add_argument("runs", nargs="+", metavar="run", help="run folder")
    archive.add_argument("--out", required=True, help="file to write, such as runs.npz")
    archive.add_argument(
        "--overwrite", action="store_true", help="replace an existing file"
    )
    for field, what in _CARD_FIELDS.items():
        archive.add_argument(
            f"--{field}", default="", help=f"{what}, for the data card"
        )


def _archive(options: argparse.Namespace) -> int:
    if not options.out.strip():
        raise ValueError("--out must name a new file. Received: ''")
    stated = {field: getattr(options, field) for field in _CARD_FIELDS}
    out = pack_runs(
        options.runs,
        options.out,
        description=Description(**{k: v for k, v in stated.items() if v}),
        overwrite=options.overwrite,
    )
    index = load_archive(out).index
    unfinished = [run.name for run in index.runs if not run.complete]
    if options.json:
        facts = {
            "file": out.resolve(),
            "runs": [run.name for run in index.runs],
            "unfinished": unfinished,
            "version": index.version,
        }
        print(format_json(facts))
        return 0
    print(f"{count_of(len(index.runs), 'run')} in {out.resolve()}")
    if unfinished:
        print(f"Packed up to the last moment so far: {', '.join(unfinished)}")
    return 0
