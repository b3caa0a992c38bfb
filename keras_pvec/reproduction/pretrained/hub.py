"""Image classifiers of KerasHub, where it is installed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_pvec.reproduction.pretrained.networks import Network
from keras_pvec.reproduction.pretrained.weights import (
    WeightsUnavailableError,
    first_line,
)

PREFIX = "hub:"


def hub_network(name: str) -> Network:
    """A classifier of KerasHub.

    Args:
        name: `"hub:"`, followed by the name of a preset, such as
            `hub:resnet_18_imagenet`, a handle such as `hub:kaggle://...`, or a folder
            that `save_to_preset` wrote.

    Raises:
        ValueError: No preset is named.
        WeightsUnavailableError: KerasHub is not installed.
    """
    preset = name.removeprefix(PREFIX)
    if not preset.strip():
        raise ValueError(f"{PREFIX!r} must be followed by the name of a preset.")
    _keras_hub()
    # The name in tables and figures; a folder is named by its last part.
    label = PREFIX + (Path(preset).name if Path(preset).is_dir() else preset)
    build = functools.partial(_build, preset)
    preprocess = functools.partial(_preprocess, preset)
    return Network(label, build, preprocess, has_own_weights=True)


def _keras_hub() -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise WeightsUnavailableError(
            "Networks named 'hub:...' need KerasHub: pip install keras-hub. Its import "
            f"failed ({first_line(error)})."
        ) from error
    return keras_hub


@functools.lru_cache(maxsize=1)
def _preprocessor(preset: str) -> Any:
    hub = _keras_hub()
    return hub.models.ImageClassifierPreprocessor.from_preset(preset)


def _build(preset: str, weights: str | None) -> keras.Model:
    hub = _keras_hub()
    try:
        classifier = hub.models.ImageClassifier.from_preset(
            preset, load_weights=weights is not None
        )
        _preprocessor(preset)
    except Exception as error:  # of files, of the network, of KerasHub
        raise WeightsUnavailableError(
            f"KerasHub has no image classifier {preset!r} here ({first_line(error)}). "
            "Name a preset, with network access the first time, or a folder that "
            "`save_to_preset` wrote."
        ) from error
    return classifier


def _preprocess(preset: str, pixels: np.ndarray, data_format: str) -> np.ndarray:
    """Scales pixels as the preset asks; they have the size of the network's input.

    Presets follow Keras's data format, which `NetworkInputs` sets afterwards.
    """
    converter = _preprocessor(preset).image_converter
    converter.data_format = data_format
    return keras.ops.convert_to_numpy(converter(pixels))
