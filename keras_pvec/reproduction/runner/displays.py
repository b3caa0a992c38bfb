"""Displays of a sweep: a bar in a terminal, and lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from keras_pvec.reproduction.runner.job import Job
from keras_pvec.reproduction.runner.progress import Finished, Forecast, Progress
from keras_pvec.reproduction.runner.sweep_state import (
    SweepState,
    counts_text,
    duration_text,
)

_SECONDS_BETWEEN_LINES = 30.0


class SweepDisplay:
    """Shows runs done, running, queued and failed, and the time left.

    A terminal shows one bar, whose length is the expected time. Elsewhere, lines are
    written: one for each run that ends, and one every half minute.

    Args:
        forecasts: The remaining work of each run, by its folder.
        workers: Number of runs that are trained at the same time.
        stream: Where to write; default: the standard error stream.
    """

    def __init__(
        self,
        forecasts: Mapping[Path, Forecast],
        workers: int,
        stream: TextIO | None = None,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._state = SweepState(forecasts, workers)
        self._began = self._last_line = time.monotonic()
        self._bar: tqdm | None = None
        if forecasts and self._stream.isatty():
            self._bar = tqdm(
                total=round(self._state.total_s, 1),
                file=self._stream,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}",
                mininterval=0.5,
            )

    def __enter__(self) -> SweepDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, job: Job, message: Progress | Finished) -> None:
        """Shows the progress or the end of a run."""
        self._state.update(job, message)
        if self._bar is None:
            self._write_line(job, message)
        else:
            self._move(self._bar, job, message)

    def _move(self, bar: tqdm, job: Job, message: Progress | Finished) -> None:
        bar.set_description_str(counts_text(self._state.counts), refresh=False)
        bar.set_postfix_str(
            f"{self._time_left()}; {_news(job, message)}", refresh=False
        )
        # The total is rounded, and must not be exceeded.
        bar.update(min(self._state.done_s, bar.total) - bar.n)
        if isinstance(message, Finished):
            bar.refresh()

    def _write_line(self, job: Job, message: Progress | Finished) -> None:
        now = time.monotonic()
        is_due = now - self._last_line >= _SECONDS_BETWEEN_LINES
        if is_due or isinstance(message, Finished):
            self._last_line = now
            counts = counts_text(self._state.counts)
            line = f"{counts}, {self._time_left()}; {_news(job, message)}"
            print(line, file=self._stream, flush=True)

    def _time_left(self) -> str:
        seconds = self._state.seconds_left(time.monotonic() - self._began)
        return f"about {duration_text(seconds)} left" if seconds else "no time left"


def _news(job: Job, message: Progress | Finished) -> str:
    """What a run has reached, as text."""
    if isinstance(message, Finished):
        return f"{job.name}: {'done' if message.failure is None else 'failed'}"
    shown = ", ".join(f"{name} {value}" for name, value in message.shown.items())
    return f"{job.name}: {shown or 'begun'}"
