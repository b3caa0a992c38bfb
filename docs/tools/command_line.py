"""The reference of the command line, from its own `--help`."""

from __future__ import annotations

import os
import re
import subprocess
import sys

_INTRODUCTION = """\
# Command line

`keras-pvec` reads and compares stored P-vectors. `python -m keras_pvec` is the same
program.
"""


def command_line_page() -> str:
    """The page, with the help of the program and of each of its commands."""
    overview = _help()
    commands = re.search(r"\{([\w,-]+)\}", overview)
    parts = [_INTRODUCTION, _fenced(overview)]
    for command in commands[1].split(",") if commands else ():
        parts += [f"## {command}", _fenced(_help(command))]
    return "\n\n".join(parts) + "\n"


def _help(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "keras_pvec", *command, "--help"],
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"
