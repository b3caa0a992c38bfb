"""An experiment as a program: its output, its errors and its exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from absl import app

from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction.config import ConfigError
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.devices import DeviceUnavailableError
from keras_pvec.reproduction.experiment import NoRunsError, Outcome
from keras_pvec.reproduction.pretrained import WeightsUnavailableError
from keras_pvec.runs import RunError

# Errors that are printed without a traceback: the message is enough for the user.
USER_ERRORS = (
    ConfigError,
    DatasetUnavailableError,
    DeviceUnavailableError,
    LayerChoiceError,
    NoRunsError,
    RunError,
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
        _print_error(f"Error: {error}")
        return 1
    for failure in outcome.failures:
        _print_error(f"Error: {failure}")
    print(f"Results in {outcome.folder.resolve()}", flush=True)
    return 1 if outcome.failures else 0


def _print_error(message: str) -> None:
    print(message, file=sys.stderr)
