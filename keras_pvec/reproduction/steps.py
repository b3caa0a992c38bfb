"""Shows which step of a long analysis is at work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO, TypeVar

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 30.0

_Step = TypeVar("_Step")


def show_steps(
    steps: Sequence[_Step],
    title: str,
    name_of: Callable[[_Step], str],
    stream: TextIO | None = None,
) -> Iterator[_Step]:
    """Yields steps, and shows each before it is done.

    A terminal shows one bar, which goes when all steps are done. Elsewhere, such as in
    a log file, a line is written at most every half minute, so short work has none.

    Args:
        steps: The steps.
        title: What they belong to.
        name_of: Returns the name of a step.
        stream: Where to write; default: the standard error stream.
    """
    stream = sys.stderr if stream is None else stream
    last_line = time.monotonic()
    is_terminal = stream.isatty()
    with tqdm(
        total=len(steps), desc=title, file=stream, leave=False, disable=not is_terminal
    ) as bar:
        for index, step in enumerate(steps):
            bar.set_postfix_str(name_of(step))
            now = time.monotonic()
            if not is_terminal and now - last_line >= _SECONDS_BETWEEN_LINES:
                last_line = now
                text = f"{title}: {name_of(step)} ({index + 1} of {len(steps)})"
                print(text, file=stream, flush=True)
            yield step
            bar.update()
