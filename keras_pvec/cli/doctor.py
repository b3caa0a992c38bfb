"""`keras-pvec doctor`: which angles of a run can be trusted."""

from __future__ import annotations

import argparse

from keras_pvec.cli.commands import Commands, terminal_width
from keras_pvec.diagnostics.diagnosis import diagnose
from keras_pvec.diagnostics.report import report_json, report_text


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    doctor = commands.add(
        "doctor",
        "check which angles of a run can be trusted",
        _doctor,
        details=". The exit status is 1 if there are errors",
    )
    doctor.add_argument("path", help="run folder, or log.csv")


def _doctor(options: argparse.Namespace) -> int:
    diagnosis = diagnose(options.path)
    if options.json:
        print(report_json(diagnosis))
    else:
        print(report_text(diagnosis, terminal_width()))
    return 1 if diagnosis.has_errors else 0
