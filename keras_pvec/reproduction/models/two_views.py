"""The two views of each image that SimCLR learns from, made on the device.

Chen et al. 2020, "A simple framework for contrastive learning of visual
representations" (arXiv 2002.05709), appendix A and, for CIFAR, B.9. A crop of random
size and shape is resized to the whole image, flipped in half of the cases, its colours
jittered in four of five, and one of five turned gray.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

# Colour distortion of strength 0.5 (B.9).
_CROP_AREA = (0.08, 1.0)
_CROP_RATIO = (3 / 4, 4 / 3)
_JITTER_SHARE = 0.8
_BRIGHTNESS = _CONTRAST = _SATURATION = 0.4
_HUE = 0.1
_GRAYSCALE_SHARE = 0.2
# ITU-R BT.601.
_LUMA = (0.2989, 0.587, 0.114)

# The orders in which brightness, contrast and colour may be changed.
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


@keras.saving.register_keras_serializable("keras_pvec")
class TwoViews(keras.layers.Layer):
    """Turns pixels and random numbers into two views of each image.

    The layer draws nothing by itself: the random numbers are an input. Batches that
    come with theirs are the same after a resumed training and on every backend.

    Args:
        flip: Whether images mean the same left to right.

    Call arguments:
        pixels: Shape `(n, height, width, channels)`, float32 in [0, 1]; jitter of
            saturation and hue, and gray, apply to three channels only.
        draws: Uniform random numbers in [0, 1), shape `(n, 2, at least 12)`. One of the
            first image decides the order of the colour changes for the whole batch.

    Returns:
        Views, shape `(n, 2, height, width, channels)`, in [0, 1].
    """

    def __init__(self, *, flip: bool = True, **kwargs: Any) -> None:
        # Positions within an image need more than the digits of half precision.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.flip = flip

    def call(self, pixels: Any, draws: Any) -> Any:
        views = self._resized_crops(pixels, draws[..., :5])
        views = self._jitter_colours(views, draws[..., 5:10], draws[0, 0, 11])
        if pixels.shape[-1] == 3:
            chosen = _per_view(draws[..., 10]) < _GRAYSCALE_SHARE
            views = ops.where(chosen, _gray(views), views)
        return views

    def _resized_crops(self, pixels: Any, draws: Any) -> Any:
        """A box of random area and aspect ratio out of each image, bilinearly resized.

        Sides that would be longer than the image are cut to it. The resize is linear
        in rows and in columns, so it is two products with narrow matrices, which every
        backend has fast; a gather of single pixels is not.
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
        # (n, 2 height, height) times (n, height, width channels): both views at once.
        rows = _interpolation(top, top + tall, height)
        rows = ops.reshape(rows, (-1, 2 * height, height))
        views = ops.matmul(rows, ops.reshape(pixels, (-1, height, width * channels)))
        # Columns to the front, for the other product.
        views = ops.reshape(views, (-1, 2, height, width, channels))
        views = ops.transpose(views, (0, 1, 3, 2, 4))
        views = ops.reshape(views, (-1, 2, width, height * channels))
        views = ops.matmul(_interpolation(first, last, width), views)
        views = ops.reshape(views, (-1, 2, width, height, channels))
        return ops.transpose(views, (0, 1, 3, 2, 4))

    def _jitter_colours(self, views: Any, draws: Any, order: Any) -> Any:
        """Brightness, contrast and, of coloured images, saturation and hue, in a random
        order for each batch; a share of the views stays as it is."""

        def factor(i: int, strength: float) -> Any:
            return _per_view(1.0 + strength * (2.0 * draws[..., i] - 1.0))

        def brightness(x: Any) -> Any:
            return x * factor(0, _BRIGHTNESS)

        def contrast(x: Any) -> Any:
            mean = ops.mean(x, axis=(2, 3), keepdims=True)
            return mean + (x - mean) * factor(1, _CONTRAST)

        def colour(x: Any) -> Any:
            turn = _per_view(_HUE * (2.0 * draws[..., 3] - 1.0))
            return _change_colour(x, factor(2, _SATURATION), turn)

        changes = [brightness, contrast]
        orders: tuple[tuple[int, ...], ...] = ((0, 1), (1, 0))
        if views.shape[-1] == 3:
            changes.append(colour)
            orders = _ORDERS

        def in_order(numbers: tuple[int, ...]) -> Any:
            def apply(x: Any) -> Any:
                for number in numbers:
                    x = ops.clip(changes[number](x), 0.0, 1.0)
                return x

            return apply

        chosen = ops.cast(ops.floor(order * len(orders)), "int32")
        jittered = ops.switch(chosen, [in_order(o) for o in orders], views)
        return ops.where(_per_view(draws[..., 4]) < _JITTER_SHARE, jittered, views)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "flip": self.flip}


def _interpolation(first: Any, last: Any, size: int) -> Any:
    """Matrices that read `size` points between two ends from `size` pixels, linearly.

    Args:
        first: Where the first point lies, in [0, 1] from the first to the last pixel,
            shape `(n, 2)`.
        last: Where the last point lies; before `first` the result is mirrored.
        size: Number of pixels, and of points.

    Returns:
        Shape `(n, 2, size, size)`; each row sums to one.
    """
    steps = ops.arange(size, dtype="float32") / max(size - 1, 1)
    at = first[..., None] + (last - first)[..., None] * steps
    distance = ops.abs(at[..., None] * (size - 1) - ops.arange(size, dtype="float32"))
    return ops.relu(1.0 - distance)


def _change_colour(x: Any, saturation: Any, turn: Any) -> Any:
    """Scales the saturation and turns the hue, as the HSV cone has them.

    Args:
        x: Shape `(..., 3)`, in [0, 1].
        saturation: Factor; the product is cut to 1.
        turn: What is added to the hue, in turns of the circle.
    """
    # A channel is value * (1 - saturation * share), where the share depends on the hue
    # alone (Smith 1978), so there is no need for the six cases of the usual code.
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
    # min(saturation * chroma / value, 1) * value, without a division by zero.
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
    """From shape `(n, 2)` to one that broadcasts over images."""
    return values[..., None, None, None]
