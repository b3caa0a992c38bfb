"""Which network a name stands for under a preset, and how it is trained.

A network is an architecture with all its sizes. Several spellings can stand for one
network: under the preset `whole`, `mlp` and `mlp_512x3` do. Each network has one
canonical name, and so one run folder for each seed.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from keras_pvec.reproduction.model_names import (
    DEFAULT_ENCODER,
    NAMINGS,
    SIMCLR,
    parse_model_name,
    simclr_name,
)
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.training.presets import Preset
from keras_pvec.reproduction.training.recipes import RECIPES, Recipe


@dataclasses.dataclass(frozen=True)
class Network:
    """The network that a name stands for under a preset.

    Networks are equal if they have the same architecture and the same sizes.

    Attributes:
        name: The canonical name.
        architecture: A key of `MODELS`.
        options: All sizes, as keyword arguments of the builder.
        note: A sentence for the user if the network was requested by another spelling;
            else `None`.
    """

    name: str
    architecture: str
    options: Mapping[str, Any]
    note: str | None = dataclasses.field(default=None, compare=False)


def resolve_network(name: str, preset: Preset) -> Network:
    """The network that a name stands for.

    Args:
        name: Any spelling of the name, including those of earlier versions.
        preset: Provides the sizes that the name omits.

    Raises:
        ValueError: The name has no known form.
    """
    architecture, given = parse_model_name(name)
    if architecture == SIMCLR:
        network = _resolve_simclr(given, preset)
    else:
        network = _resolve(architecture, given, preset)
    if network.name == name:
        return network
    return dataclasses.replace(
        network, note=f"Model {name!r} is called {network.name!r}."
    )


def canonical_name(name: str, preset: Preset) -> str:
    """The canonical name of the network that a name stands for.

    Raises:
        ValueError: The name has no known form.

    Example:

    ```python
    canonical_name("resnet", PRESETS["whole"])       # "resnet18"
    canonical_name("wide_resnet", PRESETS["whole"])  # "wide_resnet28_1"
    canonical_name("mlp_512x3", PRESETS["whole"])    # "mlp"
    ```
    """
    return resolve_network(name, preset).name


def old_spellings(name: str, preset: Preset) -> list[str]:
    """The names that earlier versions gave to a network, and to its run folders."""
    network = resolve_network(name, preset)
    if network.architecture == SIMCLR:
        encoder = _encoder_name(network)
        candidates = [
            SIMCLR,
            *(f"{SIMCLR}-{old}" for old in old_spellings(encoder, preset)),
        ]
    else:
        candidates = _old_names(network)
    return [
        old
        for old in candidates
        if old != network.name and resolve_network(old, preset) == network
    ]


def model_options(preset: Preset, model: str) -> dict[str, Any]:
    """All sizes of a network, as keyword arguments of its builder.

    Raises:
        ValueError: The name has no known form.
    """
    return dict(resolve_network(model, preset).options)


def recipe_of(preset: Preset, model: str) -> Recipe:
    """How a network is optimized under a preset.

    Raises:
        ValueError: The name has no known form.
    """
    network = resolve_network(model, preset)
    changes = {
        **preset.recipe_changes.get(network.architecture, {}),
        **preset.recipe_changes.get(network.name, {}),
    }
    return dataclasses.replace(RECIPES[network.architecture], **changes)


def epochs_of(preset: Preset, model: str, dataset: str) -> int:
    """The number of epochs that a network is trained for under a preset.

    Raises:
        ValueError: The name has no known form.
    """
    network = resolve_network(model, preset)
    for epochs in (preset.epochs_on.get(dataset, {}), preset.epochs_of):
        for key in (network.name, network.architecture):
            if key in epochs:
                return epochs[key]
    return preset.epochs


def scale_width(
    model: str, options: Mapping[str, Any], factor: float
) -> dict[str, Any]:
    """Builder options of a network that is `factor` times as wide.

    Args:
        model: Name of the network.
        options: Its builder options.
        factor: Factor on all widths; the result is rounded, and at least 1.

    Raises:
        ValueError: Networks of this architecture have no width.
    """
    architecture = MODELS[parse_model_name(model).architecture]
    option = architecture.width_option
    if option is None:
        raise ValueError(f"{model!r} has no width. Vary the width of its encoder.")
    width = architecture.all_options(options)[option]
    return {**options, option: max(1, round(factor * width))}


def watched_layers(model: str) -> list[str]:
    """The layers that are logged by default: the feature layer, then the blocks.

    Raises:
        ValueError: The name has no known form.
    """
    architecture = MODELS[parse_model_name(model).architecture]
    return [architecture.feature_layer, f"re:{architecture.block_layers}"]


def _resolve(architecture: str, given: Mapping[str, int], preset: Preset) -> Network:
    naming = NAMINGS[architecture]
    defaults = {**naming.sizes, **preset.model_options.get(architecture, {})}
    short_name = naming.short_name({**defaults, **given})
    defaults |= preset.model_options.get(short_name, {})
    sizes = {**defaults, **given}
    if naming.needs_suffix(sizes, defaults):
        return Network(naming.full_name(sizes), architecture, sizes)
    return Network(short_name, architecture, sizes)


def _resolve_simclr(given: Mapping[str, Any], preset: Preset) -> Network:
    if given:
        encoder = _resolve(given["encoder"], given["encoder_options"], preset)
    else:
        encoder = resolve_network(DEFAULT_ENCODER, preset)
    options = {"encoder": encoder.architecture, "encoder_options": encoder.options}
    return Network(simclr_name(encoder.name), SIMCLR, options)


def _encoder_name(network: Network) -> str:
    return network.name.removeprefix(SIMCLR).removeprefix("_") or DEFAULT_ENCODER


def _old_names(network: Network) -> list[str]:
    """The architecture name, followed by none, some or all of the sizes."""
    sizes = [str(network.options[size]) for size in NAMINGS[network.architecture].sizes]
    names = []
    for n in range(len(sizes) + 1):
        for separators in itertools.product("-x", repeat=n):
            parts = zip(separators, sizes, strict=False)
            names.append(network.architecture + "".join(map("".join, parts)))
    return names
