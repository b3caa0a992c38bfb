"""What a reading lacks."""

from __future__ import annotations

from keras_pvec.reproduction.claims import Cause, Obstacle


class ReadingUnavailableError(LookupError):
    """A run cannot be seen under a reading.

    Attributes:
        obstacle: Why not.
    """

    def __init__(self, message: str, obstacle: Obstacle) -> None:
        super().__init__(message)
        self.obstacle = obstacle


def not_applicable(what: str, model: str) -> ReadingUnavailableError:
    """The error for a network that has no features of that kind."""
    return ReadingUnavailableError(
        f"{model} has no {what}.", Obstacle(Cause.NOT_APPLICABLE, names=(model,))
    )
