"""Readings under which a claim could not be tested, or not of every network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from keras_pvec.reproduction.claims import Cause, ClaimResult, Obstacle
from keras_pvec.reproduction.report.sentences import obstacle_text
from keras_pvec.reproduction.report.specification import reading_name


class Unavailable(NamedTuple):
    """Readings that lack the same, for the same claims.

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
    return _grouped(
        (result.obstacle, result) for result in results if result.obstacle is not None
    )


def incomplete_readings(results: Iterable[ClaimResult]) -> list[Unavailable]:
    """Groups the results without some networks, which have no such features."""
    return _grouped(
        (Obstacle(Cause.NOT_APPLICABLE, names=result.without), result)
        for result in results
        if result.without
    )


def _grouped(lacking: Iterable[tuple[Obstacle, ClaimResult]]) -> list[Unavailable]:
    claims: dict[tuple[Obstacle, str], list[str]] = {}
    for obstacle, result in lacking:
        key = obstacle, reading_name(result)
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
