"""The commands of the command line, and what they share."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable

# Longer lines are hard to read, however wide the terminal is.
_MAX_WIDTH = 120

Command = Callable[[argparse.Namespace], int]


class Commands:
    """Collects the commands of a parser.

    Args:
        parser: The parser of the program.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._subparsers = parser.add_subparsers(metavar="command", required=True)

    def add(
        self,
        name: str,
        text: str,
        command: Command,
        *,
        details: str = "",
        has_json: bool = True,
        takes_rest: bool = False,
    ) -> argparse.ArgumentParser:
        """Adds a command, and returns its parser.

        Args:
            name: Name of the command.
            text: What it does, a phrase without a capital and a full stop.
            command: Called with the parsed arguments; returns the exit status.
            details: What its own help adds to the phrase.
            has_json: Whether it has the flag `--json`.
            takes_rest: Whether it takes all arguments, also `--help`, unparsed; they
                are `options.rest`.
        """
        parser = self._subparsers.add_parser(
            name,
            help=text,
            description=f"{text[:1].upper()}{text[1:]}{details}.",
            add_help=not takes_rest,
            allow_abbrev=not takes_rest,
        )
        if has_json:
            parser.add_argument(
                "--json", action="store_true", help="print JSON for programs"
            )
        parser.set_defaults(command=command, takes_rest=takes_rest)
        return parser


def terminal_width() -> int:
    """Characters in a line of output."""
    return min(shutil.get_terminal_size().columns, _MAX_WIDTH)
