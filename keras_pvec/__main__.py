"""The command line: `python -m keras_pvec doctor | compare | export`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from keras_pvec.comparison import SampleMismatchError
from keras_pvec.doctor import ERROR, angle_table, compare_files, examine, without_final
from keras_pvec.runs import RunConflictError, open_run, replace_atomically


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m keras_pvec")
    commands = parser.add_subparsers(dest="command", required=True)

    doctor = commands.add_parser("doctor", help="what to think of the angles of a run")
    doctor.add_argument("path", help="run folder, or log.csv")

    compare = commands.add_parser("compare", help="compare two files of P-vectors")
    compare.add_argument("first", help=".npz file, as in <run>/pvectors")
    compare.add_argument("second", help="another one, of the same samples")
    compare.add_argument("--layer", help="one layer; default all that both have")

    export = commands.add_parser("export", help="all angles of a run as one table")
    export.add_argument("run", help="run folder")
    export.add_argument("--format", choices=["csv", "parquet"], default="csv")
    export.add_argument("--out", help="file to write; default <run>/angles.<format>")

    options = parser.parse_args(argv)
    try:
        return {"doctor": _doctor, "compare": _compare, "export": _export}[
            options.command
        ](options)
    except (
        FileNotFoundError,
        RunConflictError,
        SampleMismatchError,
        ValueError,
        ImportError,
        OSError,
    ) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _doctor(options: argparse.Namespace) -> int:
    findings = examine(options.path)
    for finding in findings:
        print(f"{finding.level}: {finding.text}")
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    for finding in findings:
        counts[finding.level] += 1
    print(", ".join(f"{number} {level}s" for level, number in counts.items()))
    return 1 if counts[ERROR] else 0


def _compare(options: argparse.Namespace) -> int:
    table = compare_files(options.first, options.second, options.layer)
    for row in table.to_dict("records"):
        print(f"layer: {row.pop('layer')}")
        for name, value in row.items():
            shown = "not applicable" if value is None or value != value else value
            print(f"  {name}: {shown}")
    print("Angles are in degrees: 0 = the same, 90 = unrelated.")
    return 0


def _export(options: argparse.Namespace) -> int:
    run = open_run(options.run)
    out = Path(options.out or Path(options.run) / f"angles.{options.format}")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write to.")
    if options.out and out.exists():
        raise FileExistsError(f"{out} is there already; name another file with --out.")
    table = angle_table(run)
    if lacking := without_final(run):
        print(
            f"{', '.join(lacking)}: no P-vector at the last moment, so no angles to it."
        )
    if not run.info.complete:
        print("The training has not come to its end; `final` is the last moment.")
    if options.format == "csv":
        replace_atomically(out, lambda path: table.to_csv(path, index=False))
    else:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ImportError(
                "Parquet needs pyarrow: pip install pyarrow; or take --format=csv."
            ) from None
        replace_atomically(out, lambda path: table.to_parquet(path, index=False))
    print(f"{len(table)} rows in {out.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
