"""Layers of a classifier at comparable depths: the last feature map of each resolution.

Image classifiers halve the resolution in stages. Their layers have no common names, but
"the last map at a sixteenth of the image's side" exists in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import keras
import numpy as np

FEATURES = "features"
# Padding repeats its input, and its odd sizes are between two resolutions.
_PADDING = keras.layers.ZeroPadding2D


def depth_names(count: int) -> list[str]:
    """Names of depths, the deepest last: `["1/8", "1/16", "features"]` for three.

    The map at 1/32, whose average most classifiers use, is not among them.
    """
    return [f"1/{2 ** (5 - i)}" for i in range(count - 1, 0, -1)] + [FEATURES]


def maps_by_depth(model: keras.Model, side: int) -> dict[str, keras.layers.Layer]:
    """The layer of the last feature map of each resolution, by names such as `"1/16"`.

    Maps of one pixel, as in squeeze-and-excitation, do not count.

    Args:
        model: The classifier.
        side: Side of its images in pixels, if its input has no fixed size.
    """
    channels_first = keras.config.image_data_format() == "channels_first"
    side_axis = -1 if channels_first else -2
    found: dict[str, keras.layers.Layer] = {}
    image_side = model.input_shape[side_axis] or side
    for layer, shape in _map_shapes(model, image_side).items():
        if shape[side_axis] < 2:
            continue
        halvings = round(math.log2(image_side / shape[side_axis]))
        if halvings > 0:
            found[f"1/{2**halvings}"] = layer
    return found


def _map_shapes(
    model: keras.Model, side: int
) -> dict[keras.layers.Layer, tuple[int, ...]]:
    """The shapes of all feature maps, in the order of the computation."""
    outputs = {
        layer: layer.output
        for layer in _layers(model)
        if _is_map(layer) and not isinstance(layer, _PADDING)
    }
    shapes = {layer: tuple(output.shape) for layer, output in outputs.items()}
    if all(None not in shape[1:] for shape in shapes.values()):
        return shapes
    # Sizes follow from those of an image.
    shape = tuple(size or side for size in model.input_shape[1:])
    maps = keras.Model(model.inputs, list(outputs.values()))
    found = maps.predict_on_batch(np.zeros((1, *shape), np.float32))
    return {
        layer: tuple(values.shape) for layer, values in zip(outputs, found, strict=True)
    }


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers in the order of the computation, those of nested models one by one."""
    for layer in model.layers:
        if isinstance(layer, keras.Model) and layer.layers:
            yield from _layers(layer)
        else:
            yield layer


def _is_map(layer: keras.layers.Layer) -> bool:
    try:
        output = layer.output
    except (AttributeError, ValueError):  # never called, or called several times
        return False
    return not isinstance(output, (list, tuple, dict)) and len(output.shape) == 4
