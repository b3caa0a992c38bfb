"""Pad, crop and flip: the usual augmentation of small photographs, in NumPy.

It takes a fraction of a millisecond per batch, so batches are augmented while they are
assembled, with the same result on every Keras backend. The two views of SimCLR cost a
hundred times as much; the model makes them on the device (`TwoViews`).
"""

from __future__ import annotations

import numpy as np

PADDING = 4

# Images cropped at a time. Their intermediate arrays stay in the processor's cache.
_BLOCK = 32


def random_crops(
    images: np.ndarray, rng: np.random.Generator, padding: int = PADDING
) -> np.ndarray:
    """Shifts each image by up to `padding` pixels and flips half of them.

    He et al. 2016 (arXiv 1512.03385, section 4.2): zeros are padded on each side, a
    window of the size of the image is cut out, and it is mirrored left to right with
    probability one half.

    Args:
        images: Shape `(n, height, width, channels)`.
        rng: Random generator for windows and flips. It advances by an amount that
            depends only on `n`.
        padding: Number of zeros on each side.

    Returns:
        A new array of the same shape and dtype.
    """
    n = len(images)
    top, left = rng.integers(0, 2 * padding + 1, (2, n))
    flip = rng.integers(0, 2, n).astype(bool)
    cropped = np.empty_like(images)
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        cropped[block] = _crop(images[block], top[block], left[block], padding)
        _mirror(cropped[block], flip[block])
    return cropped


def _crop(
    images: np.ndarray, top: np.ndarray, left: np.ndarray, padding: int
) -> np.ndarray:
    """Cuts a window out of each padded image.

    Args:
        images: Shape `(n, height, width, channels)`.
        top: First row of each window in the padded image, shape `(n,)`.
        left: First column of each window, shape `(n,)`.
        padding: Number of zeros on each side.
    """
    n, height, width, channels = images.shape
    padded = np.zeros(
        (n, height + 2 * padding, width + 2 * padding, channels), images.dtype
    )
    padded[:, padding : padding + height, padding : padding + width] = images
    # A view of all windows of each image, of which one is copied.
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (height, width, channels), axis=(1, 2, 3)
    )
    return windows[np.arange(n), top, left, 0]


def _mirror(images: np.ndarray, chosen: np.ndarray) -> None:
    """Flips the chosen images left to right, in place."""
    originals = images[chosen]
    mirrored = np.empty_like(originals)
    # Channel by channel: NumPy copies rows of pixels faster than single pixels.
    for channel in range(images.shape[-1]):
        mirrored[..., channel] = originals[:, :, ::-1, channel]
    images[chosen] = mirrored
