"""Progress of passes over samples, shown as Keras shows epochs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    import keras

Verbose = Literal[0, 1, 2, "auto"]
_VERBOSE = (0, 1, 2, "auto")
# With "auto", shorter work shows nothing.
_AUTO_SECONDS = 5.0

_Block = TypeVar("_Block")


def check_verbose(verbose: object) -> None:
    """Raises `ValueError` unless `verbose` is 0, 1, 2 or `"auto"`."""
    if isinstance(verbose, bool) or verbose not in _VERBOSE:
        raise ValueError(
            f"`verbose` must be one of {_VERBOSE}. Received: verbose={verbose!r}"
        )


class PassBars:
    """Shows passes over the same blocks with `keras.utils.Progbar`, one bar each.

    Args:
        verbose: 0 shows nothing, 1 a bar for each pass, 2 a line for each pass.
            `"auto"` shows bars in a terminal or notebook where Keras is imported, once
            the work has taken five seconds, and nothing elsewhere.
        total: Units in a pass; `None` if they are not known before the first pass.
        unit_name: What is counted, in the singular.
    """

    def __init__(
        self, verbose: Verbose, total: int | None = None, unit_name: str = "block"
    ) -> None:
        check_verbose(verbose)
        self._waits_until = 0.0
        if verbose == "auto":
            self._waits_until = time.monotonic() + _AUTO_SECONDS
            self._verbose = 1 if _is_interactive() and "keras" in sys.modules else 0
        else:
            self._verbose = verbose
        self._total = total
        self._unit_name = unit_name
        self._n_passes = 0

    def over(
        self, blocks: Iterable[_Block], units_of: Callable[[_Block], int] | None = None
    ) -> Iterator[_Block]:
        """Yields the blocks of one pass, and shows how many are done.

        Args:
            blocks: The blocks.
            units_of: Number of units in a block; default: 1.
        """
        self._n_passes += 1
        if not self._verbose:
            yield from blocks
            return
        bar = self._new_bar()
        done, is_shown = 0, False
        for block in blocks:
            yield block
            done += 1 if units_of is None else units_of(block)
            is_shown = self._shows(is_shown)
            # The last update of a pass ends its line.
            if is_shown and done != bar.target:
                bar.update(done)
        self._total = done
        if done and self._shows(is_shown):
            bar.target = done
            bar.update(done, finalize=True)

    def _shows(self, is_shown: bool) -> bool:
        """Whether the pass is shown by now; its first showing has a title."""
        if not is_shown and time.monotonic() >= self._waits_until:
            print(f"Pass {self._n_passes}")
            return True
        return is_shown

    def _new_bar(self) -> keras.utils.Progbar:
        try:
            from keras.utils import Progbar
        except ImportError as error:
            raise ImportError(
                f"`verbose={self._verbose}` shows a progress bar of Keras, which needs "
                f"one of its backends. Install one, or pass verbose=0. {error}"
            ) from error
        return Progbar(
            self._total, verbose=self._verbose, unit_name=self._unit_name, interval=0.5
        )


def _is_interactive() -> bool:
    # A program without a console has no standard output.
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return is_terminal or "ipykernel" in sys.modules
