"""What decides a run, and how it compares with what a folder holds."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.models import MODELS, Architecture, parse_model_name
from keras_pvec.reproduction.training.recipes import Recipe

# Raised when the batches of a seed change: a run that was begun on other batches cannot
# be gone on with. A finished one is as good as before.
BATCHES_VERSION = 2


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All that decides what a run will hold. Equal settings are the same run.

    Attributes:
        dataset: Name of the data set.
        data_sha256: Fingerprint of the images and labels that are used.
        model: A key of `MODELS`, with a variant if wanted, as in `"resnet-50"`.
        model_options: Keyword arguments of its builder.
        variant: What it is called in a study of many variants of a model.
        recipe: How it is optimised.
        epochs: Passes over the training images.
        batch_size: Images per update.
        seed: Seed of weights, order, augmentation and dropout.
        num_samples: How many samples P-vectors are taken on, by split.
        layers: Watched layers.
        layers_within_epoch: As in `PVectorLogger`.
        pooling: As in `PVectorLogger`.
        log_freq: As in `PVectorLogger`.
        k: How many left singular vectors are stored.
        method: As in `PVectorLogger`.
        label_noise: Share of the training labels that are wrong; `data` has them.
        precision: Keras's dtype policy, e.g. `"mixed_float16"`.
        jit_compile: Whether to train under XLA.
        deterministic: Whether TensorFlow has to repeat a training bit for bit also
            where that is slower. The switch holds for the rest of the process.
        distribute: `"none"`, or `"mirrored"` to share each batch among all the
            accelerators of the machine.
        keep_weights: Whether to keep the weights of some moments (`weight_moments`).
        batches: Version of the batches that a seed gives.
    """

    dataset: str
    data_sha256: str
    model: str
    model_options: Mapping[str, Any]
    recipe: Recipe
    epochs: int
    batch_size: int
    seed: int
    num_samples: Mapping[str, int]
    layers: Sequence[str]
    layers_within_epoch: str = "all"
    pooling: str | None = "avg"
    log_freq: str | int | Mapping[str, int] = "epoch"
    k: int = 1
    method: str = "fast"
    label_noise: float = 0.0
    variant: str = ""
    precision: str = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    distribute: str = "none"
    keep_weights: bool = False
    batches: int = BATCHES_VERSION

    def as_json(self) -> dict[str, Any]:
        """The settings as they come back from a JSON file."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


# What runs of earlier versions did, where their `run.json` does not say.
_BEFORE = {"keep_weights": False, "batches": 1}


def differences(stored: Mapping[str, Any], settings: RunSettings) -> dict[str, str]:
    """What differs between settings in a `run.json` and others, by name, in words.

    Settings that a file of an earlier version does not have are those that it used.
    """
    asked = settings.as_json()
    there = {
        name: field.default
        for name, field in RunSettings.__dataclass_fields__.items()
        if field.default is not dataclasses.MISSING
    }
    there |= {**_BEFORE, **stored}
    if isinstance(there.get("recipe"), dict):
        defaults = {
            name: field.default
            for name, field in Recipe.__dataclass_fields__.items()
            if field.default is not dataclasses.MISSING
        }
        there["recipe"] = json.loads(json.dumps({**defaults, **there["recipe"]}))
    return {
        key: f"{key} is {there.get(key)!r} there and {asked.get(key)!r} now"
        for key in sorted({*there, *asked})
        if there.get(key) != asked.get(key)
    }


def architecture_of(settings: RunSettings) -> Architecture:
    """The architecture that the settings name."""
    return MODELS[parse_model_name(settings.model)[0]]


def steps_per_epoch(settings: RunSettings, data: ImageData) -> int:
    """Updates per epoch; the last one has fewer images where they do not divide."""
    return math.ceil(len(data.train) / settings.batch_size)


def weight_moments(epochs: int, steps: int) -> list[tuple[int, int]]:
    """Moments `(epoch, step)` whose weights are kept: about ten, evenly on a log scale.

    Before training, three times within the first epoch, and at the ends of some epochs,
    among them the first and the last.

    Args:
        epochs: Length of the training.
        steps: Updates per epoch.
    """
    within = sorted({round(steps ** (i / 4)) for i in (1, 2, 3)} - {steps})
    ends = sorted({round(epochs ** (i / 5)) for i in range(6)})
    return [
        (-1, 0),
        *((0, step) for step in within if 0 < step < steps),
        *((end - 1, end * steps) for end in ends),
    ]
