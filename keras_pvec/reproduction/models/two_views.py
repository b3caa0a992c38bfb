"""The two augmented views of each image for SimCLR, computed on the device.

Chen et al. 2020, "A simple framework for contrastive learning of visual
representations" (arXiv 2002.05709), appendix A and, for CIFAR, B.9: a random resized
crop, a horizontal flip with probability 0.5, colour jitter with probability 0.8, and
conversion to grayscale with probability 0.2.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

# Colour distortion of strength 0.5 (B.9).
_CROP_AREA = (0.08, 1.0)
_CROP_RATIO = (3 / 4, 4 / 3)
_JITTER_PROBABILITY = 0.8
_BRIGHTNESS = _CONTRAST = _SATURATION = 0.4
_HUE = 0.1
_GRAYSCALE_PROBABILITY = 0.2
# Luma coefficients of ITU-R BT.601.
_LUMA = (0.2989, 0.587, 0.114)


@keras.saving.register_keras_serializable("keras_pvec")
class TwoViews(keras.layers.Layer):
    """Two augmented views of each image, from pixels and random numbers.

    The layer has no random state: the random numbers are an input, so that a resumed
    training, and every backend, sees the same views.

    Args:
        flip: Whether to flip views left to right at random. Use `False` for images
            whose meaning a flip changes, such as digits.

    Call arguments:
        pixels: Shape `(n, height, width, channels)`, float32 in [0, 1]. Saturation, hue
            and grayscale apply to images of three channels only.
        draws: Uniform random numbers in [0, 1), shape `(n, 2, m)` with `m >= 12`. The
            order of the colour changes is that of the first image for the whole batch.

    Returns:
        Views, shape `(n, 2, height, width, channels)`, in [0, 1].
    """

    def __init__(self, *, flip: bool = True, **kwargs: Any) -> None:
        # Half precision cannot represent positions within an image.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.flip = flip

    def call(self, pixels: Any, draws: Any) -> Any:
        views = self._resized_crops(pixels, draws[..., :5])
        views = self._jitter_colours(views, draws[..., 5:10], draws[0, 0, 11])
        if pixels.shape[-1] == 3:
            chosen = _per_view(draws[..., 10]) < _GRAYSCALE_PROBABILITY
            views = ops.where(chosen, _gray(views), views)
        return views

    def _resized_crops(self, pixels: Any, draws: Any) -> Any:
        """Random resized crops, with bilinear interpolation.

        A side that would be longer than the image is clipped to it. Bilinear
        interpolation is separable: it is two matrix products, which are fast on every
        backend. Gathering single pixels is not.
        """
        height, width, channels = pixels.shape[1:]
        low, high = _CROP_AREA
        area = low + (high - low) * draws[..., 0]
        low, high = (math.log(ratio) for ratio in _CROP_RATIO)
        ratio = ops.exp(low + (high - low) * draws[..., 1])
        tall = ops.minimum(ops.sqrt(area / ratio), 1.0)
        wide = ops.minimum(ops.sqrt(area * ratio), 1.0)
        top = draws[..., 2] * (1.0 - tall)
        left = draws[..., 3] * (1.0 - wide)
        first, last = left, left + wide
        if self.flip:
            flipped = draws[..., 4] < 0.5
            first, last = (
                ops.where(flipped, last, first),
                ops.where(flipped, first, last),
            )
        # Rows of both views: (n, 2 height, height) @ (n, height, width channels).
        rows = _interpolation(top, top + tall, height)
        rows = ops.reshape(rows, (-1, 2 * height, height))
        views = ops.matmul(rows, ops.reshape(pixels, (-1, height, width * channels)))
        # Then columns, which move to the front for the second product.
        views = ops.reshape(views, (-1, 2, height, width, channels))
        views = ops.transpose(views, (0, 1, 3, 2, 4))
        views = ops.reshape(views, (-1, 2, width, height * channels))
        views = ops.matmul(_interpolation(first, last, width), views)
        views = ops.reshape(views, (-1, 2, width, height, channels))
        return ops.transpose(views, (0, 1, 3, 2, 4))

    def _jitter_colours(self, views: Any, draws: Any, order: Any) -> Any:
        """Colour jitter of some views; each batch draws the order of its steps.

        It changes brightness, contrast and, if there are three channels, saturation and
        hue.
        """
        orders = _ORDERS if views.shape[-1] == 3 else _ORDERS_WITHOUT_COLOR
        chosen = ops.cast(ops.floor(order * len(orders)), "int32")
        branches = [
            functools.partial(_change_in_order, draws=draws, order=changes)
            for changes in orders
        ]
        jittered = ops.switch(chosen, branches, views)
        is_jittered = _per_view(draws[..., 4]) < _JITTER_PROBABILITY
        return ops.where(is_jittered, jittered, views)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "flip": self.flip}


def _change_brightness(x: Any, draws: Any) -> Any:
    return x * _jitter_factor(draws[..., 0], _BRIGHTNESS)


def _change_contrast(x: Any, draws: Any) -> Any:
    mean = ops.mean(x, axis=(2, 3), keepdims=True)
    return mean + (x - mean) * _jitter_factor(draws[..., 1], _CONTRAST)


def _change_saturation_and_hue(x: Any, draws: Any) -> Any:
    turn = _per_view(_HUE * (2.0 * draws[..., 3] - 1.0))
    return _change_colour(x, _jitter_factor(draws[..., 2], _SATURATION), turn)


# The possible orders of the changes; one is drawn for each batch.
_ORDERS = tuple(
    itertools.permutations(
        (_change_brightness, _change_contrast, _change_saturation_and_hue)
    )
)
_ORDERS_WITHOUT_COLOR = tuple(
    itertools.permutations((_change_brightness, _change_contrast))
)


def _change_in_order(
    x: Any, draws: Any, order: Sequence[Callable[[Any, Any], Any]]
) -> Any:
    for change in order:
        x = ops.clip(change(x, draws), 0.0, 1.0)
    return x


def _jitter_factor(draws: Any, strength: float) -> Any:
    return _per_view(1.0 + strength * (2.0 * draws - 1.0))


def _interpolation(first: Any, last: Any, size: int) -> Any:
    """Matrices of linear interpolation at equally spaced points.

    Args:
        first: Position of the first point, shape `(n, 2)`; 0 is the first pixel and 1
            the last one.
        last: Position of the last point, likewise. If it is less than `first`, the
            result is mirrored.
        size: Number of pixels, and of points.

    Returns:
        Shape `(n, 2, size, size)`; each row sums to one.
    """
    steps = ops.arange(size, dtype="float32") / max(size - 1, 1)
    at = first[..., None] + (last - first)[..., None] * steps
    distance = ops.abs(at[..., None] * (size - 1) - ops.arange(size, dtype="float32"))
    return ops.relu(1.0 - distance)


def _change_colour(x: Any, saturation: Any, turn: Any) -> Any:
    """Scales the saturation and rotates the hue in the HSV colour space.

    Args:
        x: Shape `(..., 3)`, in [0, 1].
        saturation: Factor on the saturation, whose product is clipped to 1.
        turn: Rotation of the hue, in turns.
    """
    # A channel is value * (1 - saturation * share), where the share depends on the hue
    # alone (Smith 1978). This avoids the usual six cases.
    value = ops.max(x, axis=-1, keepdims=True)
    chroma = value - ops.min(x, axis=-1, keepdims=True)
    red, green, blue = x[..., 0:1], x[..., 1:2], x[..., 2:3]
    safe = ops.where(chroma > 0, chroma, 1.0)
    hue = ops.where(
        value == red,
        (green - blue) / safe,
        ops.where(
            value == green, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe
        ),
    )
    # value * min(saturation * chroma / value, 1) without division by zero.
    chroma = ops.minimum(chroma * saturation, value)
    sector = hue + 6.0 * turn
    offsets = ops.convert_to_tensor([5.0, 3.0, 1.0], dtype="float32")
    k = ops.mod(offsets + sector, 6.0)
    share = ops.clip(ops.minimum(k, 4.0 - k), 0.0, 1.0)
    return value - chroma * share


def _gray(x: Any) -> Any:
    luma = ops.convert_to_tensor(_LUMA, dtype="float32")
    return ops.broadcast_to(ops.sum(x * luma, axis=-1, keepdims=True), ops.shape(x))


def _per_view(values: Any) -> Any:
    """Reshapes `(n, 2)` so that it broadcasts over images."""
    return values[..., None, None, None]
