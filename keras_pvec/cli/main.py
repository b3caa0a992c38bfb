"""The program: its arguments, its errors and its exit status."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Sequence

from keras_pvec import __version__
from keras_pvec.cli import compare, doctor, export, plot, reproduce
from keras_pvec.cli.commands import Commands


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: Command-line arguments; default: those of the process.

    Returns:
        The exit status: 1 after bad input, or if `doctor` finds an error; else 0.
    """
    options = _parse(argv)
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


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="keras-pvec",
        description="Reads, compares and plots stored P-vectors, and runs the "
        "reproduction of the paper.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = Commands(parser)
    for command in (doctor, compare, export, plot, reproduce):
        command.add(commands)
    options, rest = parser.parse_known_args(argv)
    if rest and not options.takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return options


def _message(error: Exception) -> str:
    """An error as one line; errors of the operating system name the file first."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"There is not enough memory. {error}".strip()
    return " ".join(str(error).split()) or type(error).__name__
