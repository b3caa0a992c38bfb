"""Chooses cases by seed and count, tries them, and tabulates the verdicts."""

from __future__ import annotations

import collections
import dataclasses
import random
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from fault_campaign.cases import Case
from fault_campaign.judge import Outcome, Verdict, wrong

# Slower cases count as wrong: a damaged cell must not take minutes or gigabytes.
# Seconds of the processor.
_MAX_SECONDS = 20.0


class CanTry(Protocol):
    """What tries a case."""

    def try_case(self, case_id: str) -> Outcome: ...


@dataclasses.dataclass(frozen=True)
class Tried:
    """A case and its outcome."""

    case: Case
    outcome: Outcome
    seconds: float


def choose(kinds: Iterable[Iterable[Case]], count: int, seed: int) -> list[Case]:
    """Chooses cases evenly over their kinds; a kind that is used up leaves its share to
    the others.

    Args:
        kinds: The cases of each kind; may be endless.
        count: How many to choose.
        seed: Seed of the order.
    """
    rng = random.Random(seed)
    sources: list[Iterator[Case]] = []
    for kind in kinds:
        if isinstance(kind, list):
            kind = rng.sample(kind, len(kind))
        sources.append(iter(kind))
    chosen: list[Case] = []
    while sources and len(chosen) < count:
        rng.shuffle(sources)
        for source in [*sources]:
            case = next(source, None)
            if case is None:
                sources.remove(source)
            elif len(chosen) < count:
                chosen.append(case)
    return chosen


def try_cases(
    cases: Iterable[Case],
    workshop: CanTry,
    report: Callable[[Tried], None] = lambda tried: None,
) -> list[Tried]:
    """Tries cases one after another."""
    tried = []
    for case in cases:
        started = time.process_time()
        try:
            outcome = workshop.try_case(case.id)
        except Exception as error:  # of the campaign itself, or not caught by it
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome = wrong(
                f"not judged, {where.filename}:{where.lineno}: "
                f"{type(error).__name__}: {error}"
            )
        seconds = time.process_time() - started
        if seconds > _MAX_SECONDS:
            outcome = wrong(f"took {seconds:.0f} s; {outcome.detail}")
        tried.append(Tried(case, outcome, seconds))
        report(tried[-1])
    return tried


def table_of(tried: Iterable[Tried]) -> str:
    """The verdicts by kind, as text."""
    counts: dict[str, collections.Counter] = {}
    for one in tried:
        kind = counts.setdefault(one.case.kind, collections.Counter())
        kind[one.outcome.verdict] += 1
    width = max(map(len, counts), default=4)
    lines = [
        f"{'kind':{width}s} {'tried':>6s} {'clean':>6s} {'told':>6s} {'wrong':>6s}"
    ]
    total: collections.Counter = collections.Counter()
    for kind in sorted(counts):
        lines.append(_line(kind, counts[kind], width))
        total += counts[kind]
    return "\n".join([*lines, _line("all", total, width)])


def _line(kind: str, count: collections.Counter, width: int) -> str:
    numbers = [sum(count.values()), *(count[verdict] for verdict in Verdict)]
    return f"{kind:{width}s} " + " ".join(f"{number:6d}" for number in numbers)


def wrong_ones(tried: Iterable[Tried]) -> list[Tried]:
    """The cases whose outcome is wrong."""
    return [one for one in tried if one.outcome.verdict is Verdict.WRONG]


def grouped(tried: Iterable[Tried]) -> dict[str, list[Tried]]:
    """Cases by what happened, the most frequent first; numbers and paths left out."""
    groups: dict[str, list[Tried]] = {}
    for one in tried:
        key = re.sub(r"/\S+/|\d+(\.\d+)?|'[^']*'|0x\w+", "#", one.outcome.detail)[:70]
        groups.setdefault(key, []).append(one)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
