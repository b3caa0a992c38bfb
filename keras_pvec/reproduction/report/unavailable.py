"""Readings under which a claim could not be tested, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from keras_pvec.reproduction.claims import ClaimResult, Obstacle
from keras_pvec.reproduction.report.sentences import obstacle_text
from keras_pvec.reproduction.report.specification import reading_name


class Unavailable(NamedTuple):
    """Readings that are missing for the same reason, for the same claims.

    Attributes:
        obstacle: Why.
        claims: Ids of the claims.
        readings: Their names, as in the figures.
    """

    obstacle: Obstacle
    claims: tuple[str, ...]
    readings: tuple[str, ...]


def unavailable_readings(results: Iterable[ClaimResult]) -> list[Unavailable]:
    """Groups the results that were not tested."""
    claims: dict[tuple[Obstacle, str], list[str]] = {}
    for result in results:
        if result.obstacle is not None:
            key = result.obstacle, reading_name(result)
            claims.setdefault(key, []).append(result.claim)
    readings: dict[tuple[Obstacle, tuple[str, ...]], list[str]] = {}
    for (obstacle, name), of_reading in claims.items():
        readings.setdefault((obstacle, tuple(of_reading)), []).append(name)
    return [
        Unavailable(obstacle, of_claims, tuple(names))
        for (obstacle, of_claims), names in readings.items()
    ]


def unavailable_text(group: Unavailable) -> str:
    """Why readings are missing, and for which claims."""
    return f"{obstacle_text(group.obstacle)} ({', '.join(group.claims)})"
