"""An experiment as a program: its output, its errors and its exit codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence

from absl import app

from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction.backends import UnsupportedOnBackendError
from keras_pvec.reproduction.config import ConfigError
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.devices import DeviceUnavailableError
from keras_pvec.reproduction.experiment import NoRunsError, Outcome
from keras_pvec.reproduction.failures import error_text
from keras_pvec.reproduction.pretrained import WeightsUnavailableError
from keras_pvec.reproduction.publication import PublicationError
from keras_pvec.reproduction.results import ResultsNotWrittenError
from keras_pvec.reproduction.runner import ClusterError
from keras_pvec.runs import RunError

# Errors that are printed without a traceback: the message is enough for the user.
USER_ERRORS = (
    ClusterError,
    ConfigError,
    DatasetUnavailableError,
    DeviceUnavailableError,
    LayerChoiceError,
    NoRunsError,
    PublicationError,
    ResultsNotWrittenError,
    RunError,
    UnsupportedOnBackendError,
    WeightsUnavailableError,
)
INTERRUPTED = 130


def run(experiment: Callable[[], Outcome]) -> None:
    """Parses the flags, runs an experiment, and ends the process.

    The last line on stdout says where the results are. Errors go to stderr, one line
    each. The exit code is 0 if nothing failed, 1 if something failed, and 130 after
    Ctrl-C.

    Args:
        experiment: Called after the flags are parsed.
    """
    for stream in (sys.stdout, sys.stderr):
        # Names of folders that are not UTF-8 must not stop a program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app.run(lambda argv: sys.exit(exit_code(experiment, argv[1:])))


def exit_code(experiment: Callable[[], Outcome], arguments: Sequence[str] = ()) -> int:
    """Runs an experiment, prints its outcome, and returns the exit code.

    Args:
        experiment: Takes its settings from the parsed flags.
        arguments: Arguments on the command line that are not flags.
    """
    try:
        if arguments:
            raise ConfigError(
                f"Unexpected argument {arguments[0]!r}. Every setting is a --flag."
            )
        outcome = experiment()
    except KeyboardInterrupt:
        _print_error("\nStopped. The same command resumes after the last full epoch.")
        return INTERRUPTED
    except USER_ERRORS as error:
        for line in str(error).splitlines():
            _print_error(f"Error: {line}")
        return 1
    # The machine is at fault: no memory, a full disk, a folder that is not to be read.
    except MemoryError as error:
        _print_error(f"Error: {error_text(error)}. Use fewer samples or workers.")
        return 1
    except OSError as error:
        _print_error(f"Error: {_system_error_text(error)}.")
        return 1
    for failure in outcome.failures:
        _print_error(f"Error: {failure}")
    print(f"Results in {outcome.folder.resolve()}", flush=True)
    return 1 if outcome.failures else 0


def _system_error_text(error: OSError) -> str:
    if error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return error_text(error)


def _print_error(message: str) -> None:
    print(message, file=sys.stderr)
