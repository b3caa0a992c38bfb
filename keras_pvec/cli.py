"""The command line: `keras-pvec doctor`, `compare`, `export` and `archive`."""

from __future__ import annotations

import argparse
import csv
import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from keras_pvec.archive import Description, load_archive, pack_runs
from keras_pvec.diagnostics.diagnosis import diagnose
from keras_pvec.diagnostics.file_comparison import (
    compare_files,
    comparison_json,
    comparison_text,
)
from keras_pvec.diagnostics.findings import Kind
from keras_pvec.diagnostics.report import report_json, report_text
from keras_pvec.diagnostics.stored_checks import check_stored_vectors
from keras_pvec.diagnostics.text import count_of, format_json
from keras_pvec.runs import (
    DamagedRunError,
    Run,
    RunFolder,
    check_progress,
    open_run,
    replace_atomically,
    typed_log,
)
from keras_pvec.runs.spreadsheet import write_spreadsheet

# Longer lines are hard to read, however wide the terminal is.
_MAX_WIDTH = 120
# What the data card of an archive says that the runs do not.
_CARD_FIELDS = {
    "title": "title",
    "summary": "what the runs are",
    "licence": "licence of the data",
    "citation": "how to cite the data",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: Command-line arguments; default: those of the process.

    Returns:
        The exit status: 1 after bad input, or if `doctor` finds an error; else 0.
    """
    options = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        # Names of files that are not UTF-8 must not stop a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the pipe, such as `head`, closed it; Python flushes once more at
        # exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, MemoryError, OSError, ValueError, csv.Error) as error:
        print(f"Error: {_message(error)}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-pvec", description="Reads and compares stored P-vectors."
    )
    commands = parser.add_subparsers(metavar="command", required=True)
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON for programs")

    text = "check which angles of a run can be trusted"
    doctor = commands.add_parser(
        "doctor",
        parents=[as_json],
        help=text,
        description=f"{_capitalized(text)}. The exit status is 1 if there are errors.",
    )
    doctor.add_argument("path", help="run folder, or log.csv")
    doctor.set_defaults(command=_doctor)

    text = "compare two files of P-vectors"
    compare = commands.add_parser(
        "compare", parents=[as_json], help=text, description=f"{_capitalized(text)}."
    )
    compare.add_argument("first", help=".npz file, as in <run>/pvectors")
    compare.add_argument("second", help="another .npz file, of the same samples")
    compare.add_argument("--layer", help="layer to compare; default: all common layers")
    compare.set_defaults(command=_compare)

    text = "write all angles of a run to one table"
    export = commands.add_parser(
        "export",
        parents=[as_json],
        help=text,
        description=f"{_capitalized(text)}: the rows of its log, and the angle of each "
        "layer at each moment to its own last P-vector (reference `final`).",
    )
    export.add_argument("run", help="run folder")
    export.add_argument("--format", choices=["csv", "parquet"], default="csv")
    export.add_argument(
        "--out", help="new file to write; default: <run>/angles.<format>"
    )
    export.set_defaults(command=_export)

    text = "pack runs into one file that NumPy can read"
    archive = commands.add_parser(
        "archive",
        parents=[as_json],
        help=text,
        description=f"{_capitalized(text)}: P-vectors of all moments, logs, labels, "
        "settings and versions, with a data card and checksums.",
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
    archive.set_defaults(command=_archive)
    return parser


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _message(error: Exception) -> str:
    """An error as one line; errors of the operating system name the file first."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"There is not enough memory. {error}".strip()
    return " ".join(str(error).split()) or type(error).__name__


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _MAX_WIDTH)


def _doctor(options: argparse.Namespace) -> int:
    diagnosis = diagnose(options.path)
    if options.json:
        print(report_json(diagnosis))
    else:
        print(report_text(diagnosis, _width()))
    return 1 if diagnosis.has_errors else 0


def _compare(options: argparse.Namespace) -> int:
    files = (options.first, options.second)
    comparisons = compare_files(*files, options.layer)
    if options.json:
        print(comparison_json(*files, comparisons))
    else:
        print(comparison_text(comparisons, _width()))
    return 0


def _export(options: argparse.Namespace) -> int:
    run = open_run(options.run)
    if options.out is not None and not options.out.strip():
        raise ValueError("--out must name a new file. Received: ''")
    out = Path(options.out or run.path / f"angles.{options.format}")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write to.")
    if out.is_dir() or (options.out and out.exists()):
        raise FileExistsError(f"{out} already exists. Name a new file with --out.")
    table = angle_table(run)
    if options.format == "csv":
        _write(out, lambda path: write_spreadsheet(table, path))
    else:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ImportError(
                "Parquet needs pyarrow: pip install pyarrow, or use --format=csv."
            ) from None
        _write(out, lambda path: table.to_parquet(path, index=False))
    final = _final_layers(run)
    without_final = [layer for layer in run.layers if layer not in final]
    if options.json:
        facts = {
            "file": out.resolve(),
            "rows": len(table),
            "layers_without_final": without_final,
            "complete": run.info.complete,
        }
        print(format_json(facts))
        return 0
    print(f"{count_of(len(table), 'row')} in {out.resolve()}")
    if without_final:
        print(f"No angles to `final`, the last moment: {', '.join(without_final)}")
    if not run.info.complete:
        print("The training has not finished; `final` is the last moment so far.")
    return 0


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


def _write(out: Path, save: Callable[[str], None]) -> None:
    try:
        replace_atomically(out, save)
    except OSError as error:  # a full disk, or a folder that cannot be written to
        reason = f"{error.strerror or error}. Name another file with --out."
        raise OSError(error.errno, reason, str(out)) from error


def angle_table(run: Run) -> pd.DataFrame:
    """All angles of a run as one table, with the columns of `log.csv`.

    Returns:
        The rows of the log, then the angle of each layer at each moment to its own
        P-vector at the last moment, with the reference `final`. A layer without a
        P-vector at the last moment has no such rows.

    Raises:
        ValueError: A file of the run is damaged, or the log is empty.
    """
    check_progress(run.path)
    path = run.path / "log.csv"
    if run.log.empty:
        raise ValueError(
            f"{path} has no rows: there is nothing to export. Wait for the first "
            "moment of the training."
        )
    if run.log.duplicated(["epoch", "step", "layer", "reference"]).any():
        raise DamagedRunError(path, "some of its rows are there twice")
    for finding in check_stored_vectors(run, typed_log(run.log)):
        # A layer may have died after its rows were written.
        if finding.kind is not Kind.LAYER_NOT_STORED:
            file = RunFolder(run.path).moment_path(finding.moments[0])
            reason = f"it does not match log.csv ({finding.kind.value})"
            raise DamagedRunError(file, reason)
    finals = [run.angles(to="final", layer=layer) for layer in _final_layers(run)]
    return pd.concat([run.log, *finals], ignore_index=True)


def _final_layers(run: Run) -> list[str]:
    """The layers that have a P-vector at the last moment."""
    last = run.moments[-1]
    failed = {f.layer for f in run.info.failures if f.step >= last.step}
    stored = run.p_vectors(last)
    return [layer for layer in run.layers if layer in stored and layer not in failed]
