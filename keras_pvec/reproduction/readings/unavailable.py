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


def not_applicable(lacking: str, model: str) -> ReadingUnavailableError:
    """The error for a network of which there is nothing to measure under a reading.

    Args:
        lacking: What it lacks, e.g. `"logits"`.
        model: Name of the network.
    """
    return ReadingUnavailableError(
        f"There is nothing to measure of {model} under this reading. It lacks: "
        f"{lacking}.",
        Obstacle(Cause.NOT_APPLICABLE, names=(model,)),
    )
