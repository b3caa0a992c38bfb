"""How long a training takes on this machine, roughly."""

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

# Solving for P-vectors and writing them, per sample set and moment.
_MOMENT_S = 0.05


@dataclasses.dataclass(frozen=True)
class Speed:
    """How long a model takes on this machine.

    Attributes:
        start_s: Seconds until everything is built and compiled.
        sample_s: Seconds of a forward pass, per sample.
    """

    start_s: float
    sample_s: float


def measure_speed(settings: RunSettings, data: ImageData) -> Speed:
    """Times the forward pass of one batch of the model of a run.

    Building and compiling for training, evaluation and logging takes about four times
    what it takes for the forward pass.
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
    """A rough forecast of the time that the rest of a training takes.

    An update costs about three forward passes (the backward pass computes two
    gradients), a logging moment and a validation one each per sample.
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
