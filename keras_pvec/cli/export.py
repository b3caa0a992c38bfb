"""`keras-pvec export`: all angles of a run as one table."""

from __future__ import annotations

import argparse

import pandas as pd

from keras_pvec.cli.commands import Commands
from keras_pvec.cli.output import add_out_arguments, checked_out, write_file
from keras_pvec.diagnostics.findings import Kind
from keras_pvec.diagnostics.stored_checks import check_stored_vectors
from keras_pvec.diagnostics.text import count_of, format_json
from keras_pvec.runs import (
    DamagedRunError,
    Run,
    RunFolder,
    check_progress,
    open_run,
    typed_log,
)
from keras_pvec.runs.spreadsheet import write_spreadsheet


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    export = commands.add(
        "export",
        "write all angles of a run to one table",
        _export,
        details=": the rows of its log, and the angle of each layer at each moment to "
        "its own last P-vector (reference `final`)",
    )
    export.add_argument("run", help="run folder")
    export.add_argument("--format", choices=["csv", "parquet"], default="csv")
    add_out_arguments(export, "file to write; default: <run>/angles.<format>")


def _export(options: argparse.Namespace) -> int:
    run = open_run(options.run)
    default = run.path / f"angles.{options.format}"
    out = checked_out(options.out, default, overwrite=options.overwrite)
    table = angle_table(run)
    if options.format == "csv":
        write_file(out, lambda path: write_spreadsheet(table, path))
    else:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ImportError(
                "Parquet needs pyarrow: pip install pyarrow, or use --format=csv."
            ) from None
        write_file(out, lambda path: table.to_parquet(path, index=False))
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
