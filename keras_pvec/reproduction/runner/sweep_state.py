"""Which runs of a sweep are done, running and failed, and how much work is left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from keras_pvec.reproduction.runner.job import Job
from keras_pvec.reproduction.runner.progress import Finished, Forecast, Progress

# Processes start and models compile before there is any progress. So many seconds at
# the expected speed keep that from passing for the speed of the sweep.
_AT_EXPECTED_SPEED_S = 30.0


class Counts(NamedTuple):
    """Numbers of runs."""

    total: int
    done: int
    running: int
    failed: int

    @property
    def queued(self) -> int:
        """How many have not begun."""
        return self.total - self.done - self.running - self.failed


class SweepState:
    """The state of a sweep, from the messages of its runs.

    Args:
        forecasts: The remaining work of each run, by its folder.
        workers: Number of runs that are trained at the same time.

    Attributes:
        total_s: Expected duration of the sweep, in seconds.
    """

    def __init__(self, forecasts: Mapping[Path, Forecast], workers: int) -> None:
        self._forecasts = forecasts
        self._workers = workers
        self._shares = dict.fromkeys(forecasts, 0.0)
        self._started: set[Path] = set()
        self._done: set[Path] = set()
        self._failed: set[Path] = set()
        self.total_s = sum(f.seconds for f in forecasts.values()) / workers

    @property
    def counts(self) -> Counts:
        """How many runs there are, and how many are done, running and failed."""
        ended = self._done | self._failed
        running = self._started - ended
        return Counts(
            len(self._forecasts), len(self._done), len(running), len(self._failed)
        )

    @property
    def done_s(self) -> float:
        """The part of `total_s` whose work is done; that of failed runs is, too."""
        work = sum(
            self._forecasts[path].seconds * share
            for path, share in self._shares.items()
        )
        return work / self._workers

    def update(self, job: Job, message: Progress | Finished) -> None:
        """Takes the message of a run."""
        path = job.path
        self._started.add(path)
        if isinstance(message, Finished):
            self._shares[path] = 1.0
            (self._done if message.failure is None else self._failed).add(path)
            return
        before = self._forecasts[path].fraction_done
        share = (message.fraction - before) / max(1 - before, 1e-9)
        self._shares[path] = min(max(share, 0.0), 1.0)

    def seconds_left(self, elapsed_s: float) -> float:
        """The expected time that is left: the forecast at first, and more and more by
        the speed so far.

        Args:
            elapsed_s: Seconds since the sweep began.
        """
        left = max(self.total_s - self.done_s, 0.0)
        known = _AT_EXPECTED_SPEED_S
        return left * (elapsed_s + known) / (self.done_s + known)


def counts_text(counts: Counts) -> str:
    """Counts of runs as text; of queued and failed ones only if there are any."""
    text = f"{counts.done} of {counts.total} runs done, {counts.running} running"
    if counts.queued:
        text += f", {counts.queued} queued"
    return f"{text}, {counts.failed} failed" if counts.failed else text


def duration_text(seconds: float) -> str:
    """A rounded duration."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
