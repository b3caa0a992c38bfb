"""Estimates how long a training takes on this machine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.training.build import build_model
from keras_pvec.reproduction.training.settings import (
    RunSettings,
    architecture_of,
    steps_per_epoch,
)

# Time to compute and write P-vectors, per sample set and moment.
_MOMENT_S = 0.05


@dataclasses.dataclass(frozen=True)
class Speed:
    """Speed of a model on this machine.

    Attributes:
        start_s: Time to build and compile everything, in seconds.
        sample_s: Time of a forward pass per sample, in seconds.
    """

    start_s: float
    sample_s: float


def measure_speed(settings: RunSettings, data: ImageData) -> Speed:
    """Times one forward pass of the model of a run.

    Building and compiling for training, evaluation and logging is estimated as four
    times the time that the forward pass alone takes to build and compile.
    """
    started = time.monotonic()
    model = build_model(settings, data)
    batch = data.train.take(settings.batch_size).pixels()
    model.predict_on_batch(batch)
    compiled = time.monotonic()
    model.predict_on_batch(batch)
    return Speed(4 * (compiled - started), (time.monotonic() - compiled) / len(batch))


def expected_seconds(
    settings: RunSettings, data: ImageData, speed: Speed, epochs_done: int = 0
) -> float:
    """Estimates the time of the rest of a training.

    Per sample, an update counts as three forward passes, since the backward pass
    computes two gradients; logging and validation count as one.

    Args:
        settings: The run.
        data: The data set.
        speed: Speed of the model, from `measure_speed`.
        epochs_done: Epochs that need not be trained again.

    Returns:
        The time in seconds.
    """
    views = 2 if architecture_of(settings).task == "contrastive" else 1
    epochs = settings.epochs - epochs_done
    passes = epochs * views * (3 * len(data.train) + len(data.test))
    moments = epochs
    steps = steps_per_epoch(settings, data)
    if isinstance(settings.log_freq, int):
        moments += epochs * steps // settings.log_freq
    elif isinstance(settings.log_freq, Mapping) and not epochs_done:
        moments += steps // settings.log_freq["first_epoch"]
    passes += moments * sum(settings.num_samples.values())
    solving = moments * len(settings.num_samples) * _MOMENT_S
    return speed.start_s + speed.sample_s * passes + solving
