"""The reference of the command line, from its own `--help`."""

from __future__ import annotations

import os
import re
import subprocess
import sys

_INTRODUCTION = """\
# Command line

`keras-pvec` reads, compares and plots stored P-vectors, and runs the reproduction.
`python -m keras_pvec` is the same program.
"""


# Its help lists the flags of an experiment, several pages of them.
_LEFT_OUT = "reproduce"


def command_line_page() -> str:
    """The page, with the help of the program and of each of its commands.

    Raises:
        ValueError: The help of the program lists no command.
    """
    overview = _help()
    commands = re.findall(r"^    (\w+)(?:\s|$)", overview, re.M)
    if not commands:
        raise ValueError(f"No command is listed in the help:\n{overview}")
    parts = [_INTRODUCTION, _fenced(overview)]
    for command in commands:
        if command != _LEFT_OUT:
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
