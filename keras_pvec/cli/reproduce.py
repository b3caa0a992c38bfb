"""`keras-pvec reproduce`: all studies of the reproduction, and the report."""

from __future__ import annotations

import argparse
import runpy
import sys

from keras_pvec.cli.commands import Commands

# As `python -m` runs it; its flags are its own.
_PROGRAM = "keras_pvec.reproduction"


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    commands.add(
        "reproduce",
        "train the networks of the reproduction and report on its claims; "
        "its flags: keras-pvec reproduce --help",
        _reproduce,
        has_json=False,
        takes_rest=True,
    )


def _reproduce(options: argparse.Namespace) -> int:
    sys.argv = [sys.argv[0], *options.rest]
    runpy.run_module(_PROGRAM, run_name="__main__", alter_sys=True)
    return 0
