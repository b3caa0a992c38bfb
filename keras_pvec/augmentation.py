"""Random changes to images, decided by a seed alone.

A whole batch at once: an input pipeline that treats image after image is what trainings
wait for. Operations without state give the same images again when a training is
resumed. Images have shape `(batch, height, width, channels)`, a seed is an integer
tensor of shape `(2,)`.
"""

from __future__ import annotations

import math

import tensorflow as tf

_CROP_PADDING = 4

# Chen et al. 2020, appendix A and, for CIFAR, B.9 (colour distortion of strength 0.5).
_CROP_AREA = (0.08, 1.0)
_CROP_RATIO = (3 / 4, 4 / 3)
_JITTER_SHARE = 0.8
_BRIGHTNESS = _CONTRAST = _SATURATION = 0.4
_HUE = 0.1
_GRAYSCALE_SHARE = 0.2


def pad_for_crops(images: tf.Tensor) -> tf.Tensor:
    """Adds the border of zeros that moves in when `cropped` shifts an image."""
    pad = [_CROP_PADDING, _CROP_PADDING]
    return tf.pad(images, [[0, 0], pad, pad, [0, 0]])


def random_windows(count: int, size: tuple[int, int], seed: tf.Tensor) -> tf.Tensor:
    """Where to cut padded images so that each is shifted by up to four pixels, and half
    of them flipped left to right (Lee et al. 2015, "Deeply-supervised nets", 3.1).

    Args:
        count: Number of images.
        size: Height and width of the images before they were padded.
        seed: What decides.

    Returns:
        Boxes as `cropped` takes them, shape `(count, 4)`.
    """
    seeds = tf.random.split(seed, 3)

    def window(seed: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
        """First and last pixel of a side, as shares of the padded side."""
        first = tf.random.stateless_uniform(
            (count,), seed, 0, 2 * _CROP_PADDING + 1, dtype=tf.int32
        )
        last_padded = side + 2 * _CROP_PADDING - 1
        return first / last_padded, (first + side - 1) / last_padded

    top, bottom = window(seeds[0], size[0])
    left, right = window(seeds[1], size[1])
    flip = tf.random.stateless_uniform((count,), seeds[2]) < 0.5
    left, right = tf.where(flip, right, left), tf.where(flip, left, right)
    return tf.cast(tf.stack([top, left, bottom, right], axis=1), tf.float32)


def cropped(padded: tf.Tensor, chosen: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
    """Cuts a window out of each chosen image, in one operation.

    Args:
        padded: All images, as `pad_for_crops` gives them, of any type and range.
        chosen: Which of them, shape `(batch,)`.
        windows: Where, as `random_windows` gives them, shape `(batch, 4)`.

    Returns:
        Images of the size before padding, as float32 of the same range.
    """
    size = tuple(side - 2 * _CROP_PADDING for side in padded.shape[1:3])
    # Nearest, since windows fall on whole pixels.
    return tf.image.crop_and_resize(padded, windows, chosen, size, method="nearest")


def two_views(pixels: tf.Tensor, seed: tf.Tensor, *, flip: bool) -> tf.Tensor:
    """Two views of each image as SimCLR learns from (Chen et al. 2020, appendix A).

    A crop of random size and shape is resized to the whole image, flipped in half of
    the cases, its colours jittered in four of five, and one of five turned gray.

    Args:
        pixels: The images, float32 in [0, 1].
        seed: What decides.
        flip: Whether images mean the same left to right.

    Returns:
        Pairs of views, shape `(batch, 2, height, width, channels)`.
    """
    # The views of all images are one batch of twice the size.
    twice = tf.repeat(pixels, 2, axis=0)
    seeds = tf.random.split(seed, 4)
    views = _resized_crop(twice, seeds[0])
    if flip:
        views = _flip_half(views, seeds[1])
    views = _jitter_colours(views, seeds[2])
    if pixels.shape[-1] == 3:
        gray = tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(views))
        views = tf.where(_chosen(views, seeds[3], _GRAYSCALE_SHARE), gray, views)
    return tf.reshape(views, (-1, 2, *pixels.shape[1:]))


def _resized_crop(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A box of random area and aspect ratio out of each image, as large as the image.

    Sides that would be longer than the image are cut to it.
    """
    count = tf.shape(pixels)[:1]
    seeds = tf.random.split(seed, 4)
    area = tf.random.stateless_uniform(count, seeds[0], *_CROP_AREA)
    low, high = (math.log(ratio) for ratio in _CROP_RATIO)
    ratio = tf.exp(tf.random.stateless_uniform(count, seeds[1], low, high))
    height = tf.minimum(tf.sqrt(area / ratio), 1.0)
    width = tf.minimum(tf.sqrt(area * ratio), 1.0)
    top = tf.random.stateless_uniform(count, seeds[2]) * (1 - height)
    left = tf.random.stateless_uniform(count, seeds[3]) * (1 - width)
    boxes = tf.stack([top, left, top + height, left + width], axis=1)
    return tf.image.crop_and_resize(
        pixels, boxes, tf.range(count[0]), pixels.shape[1:3]
    )


def _jitter_colours(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast and, of coloured images, saturation and hue, in random
    order; a share of the images stays as it is."""
    count = (tf.shape(pixels)[0], 1, 1, 1)
    seeds = tf.random.split(seed, 6)

    def factor(seed: tf.Tensor, strength: float) -> tf.Tensor:
        return tf.random.stateless_uniform(count, seed, 1 - strength, 1 + strength)

    def brightness(x: tf.Tensor) -> tf.Tensor:
        return x * factor(seeds[0], _BRIGHTNESS)

    def contrast(x: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        return (x - mean) * factor(seeds[1], _CONTRAST) + mean

    def saturation_and_hue(x: tf.Tensor) -> tf.Tensor:
        hue, saturation, value = tf.split(tf.image.rgb_to_hsv(x), 3, axis=-1)
        turn = tf.random.stateless_uniform(count, seeds[3], -_HUE, _HUE)
        hue = tf.math.floormod(hue + turn, 1.0)
        saturation = tf.clip_by_value(saturation * factor(seeds[2], _SATURATION), 0, 1)
        return tf.image.hsv_to_rgb(tf.concat([hue, saturation, value], axis=-1))

    changes = [brightness, contrast]
    if pixels.shape[-1] == 3:
        changes.append(saturation_and_hue)
    order = tf.random.experimental.stateless_shuffle(tf.range(len(changes)), seeds[4])
    jittered = pixels
    for i in range(len(changes)):
        changed = tf.switch_case(
            order[i], [lambda c=c, x=jittered: c(x) for c in changes]
        )
        jittered = tf.clip_by_value(changed, 0.0, 1.0)
    return tf.where(_chosen(pixels, seeds[5], _JITTER_SHARE), jittered, pixels)


def _flip_half(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.where(_chosen(pixels, seed, 0.5), tf.reverse(pixels, [2]), pixels)


def _chosen(pixels: tf.Tensor, seed: tf.Tensor, share: float) -> tf.Tensor:
    """Which images are, each with the same chance; shape `(batch, 1, 1, 1)`."""
    shape = (tf.shape(pixels)[0], 1, 1, 1)
    return tf.random.stateless_uniform(shape, seed) < share
