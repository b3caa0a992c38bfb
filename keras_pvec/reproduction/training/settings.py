"""The settings of a run, and how stored settings differ from requested ones."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras

from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.model_names import SIMCLR
from keras_pvec.reproduction.models import MODELS, Architecture, parse_model_name
from keras_pvec.reproduction.training.recipes import Recipe

# Increased when the batches of a seed change: a run that was started on other batches
# cannot be resumed. A finished run stays valid.
BATCHES_VERSION = 2


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Everything that determines a run. Runs of equal settings are the same run.

    Attributes:
        dataset: Name of the data set.
        data_sha256: Fingerprint of the images and labels that are used.
        model: Name of the network, such as `"resnet50"`.
        model_options: Keyword arguments of its builder.
        recipe: How the network is optimized.
        epochs: Passes over the training images.
        batch_size: Images per update.
        seed: Seed of initial weights, order, augmentation and dropout.
        num_samples: Number of samples for P-vectors, by split.
        layers: Watched layers.
        layers_within_epoch: As in `PVectorLogger`.
        pooling: As in `PVectorLogger`.
        log_freq: As in `PVectorLogger`.
        k: Number of left singular vectors to store.
        method: As in `PVectorLogger`.
        label_noise: Fraction of wrong training labels, which the data already contain.
        variant: Name of the variant in a study that varies networks; else empty.
        precision: Keras's dtype policy, such as `"mixed_float16"`.
        jit_compile: Whether to compile the training with XLA.
        deterministic: Whether the framework is restricted to deterministic operations,
            which can be slower. The restriction lasts for the rest of the process.
        distribute: `"none"`, or how each batch is shared among all accelerators of the
            machine: `"mirrored"` on TensorFlow, `"data_parallel"` on JAX.
        keep_weights: Whether to keep the weights of some moments (`weight_moments`).
        batches: Version of the batches that are drawn for a seed.
        backend: The Keras backend; default: the one in use.
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
    backend: str = dataclasses.field(default_factory=keras.backend.backend)

    def as_json(self) -> dict[str, Any]:
        """The settings as they are read back from a JSON file."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


class Difference(NamedTuple):
    """A setting whose stored and requested values differ.

    Attributes:
        stored: The value in the `run.json` of a folder.
        asked: The requested value.
    """

    stored: Any
    asked: Any


# Behaviour of earlier versions, whose `run.json` lacks these entries.
_EARLIER_DEFAULTS = {"keep_weights": False, "batches": 1, "backend": "tensorflow"}


def differences(
    stored: Mapping[str, Any], settings: RunSettings
) -> dict[str, Difference]:
    """The settings that differ between a `run.json` and a requested run.

    Models are compared as networks: another spelling of the name, or an option that
    equals the builder's default, makes no difference. Settings that an earlier version
    did not store take the values that it used.

    Args:
        stored: The settings in the `run.json`.
        settings: The requested settings.

    Returns:
        The differences by name of the setting.
    """
    asked = settings.as_json()
    there = {**_defaults_of(RunSettings), **_EARLIER_DEFAULTS, **stored}
    if isinstance(there.get("recipe"), dict):
        there["recipe"] = {**_defaults_of(Recipe), **there["recipe"]}
    different = {
        key: Difference(there.get(key), asked.get(key))
        for key in sorted({*there, *asked})
        if there.get(key) != asked.get(key)
    }
    if _is_same_network(there, asked):
        for key in ("model", "model_options"):
            different.pop(key, None)
    return different


def architecture_of(settings: RunSettings) -> Architecture:
    """The architecture of the network."""
    return MODELS[parse_model_name(settings.model).architecture]


def steps_per_epoch(settings: RunSettings, data: ImageData) -> int:
    """Updates per epoch, including a smaller last batch if there is a remainder."""
    return math.ceil(len(data.train) / settings.batch_size)


def _defaults_of(cls: type[RunSettings] | type[Recipe]) -> dict[str, Any]:
    """Default values of the fields of a dataclass, as read from JSON."""
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.default is not dataclasses.MISSING
    }
    return json.loads(json.dumps(defaults))


def _is_same_network(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    try:
        networks = [
            _architecture_and_options(settings["model"], settings["model_options"])
            for settings in (stored, asked)
        ]
    except (KeyError, TypeError, ValueError):
        return False  # not a network of this package
    return networks[0] == networks[1]


def _architecture_and_options(
    model: str, options: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The architecture, and all options of its builder."""
    key = parse_model_name(model).architecture
    options = MODELS[key].all_options(options)
    if key == SIMCLR:
        encoder = MODELS[options["encoder"]]
        encoder_options = encoder.all_options(options["encoder_options"] or {})
        options = {**options, "encoder_options": encoder_options}
    return key, options
