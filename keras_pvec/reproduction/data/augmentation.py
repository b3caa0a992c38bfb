"""Pad, crop and flip: the usual augmentation of small photographs, in NumPy.

Moving whole pixels costs less than a millisecond a batch, so it is done while batches
are assembled, with the same result on every Keras backend. The two views of SimCLR cost
a hundred times as much and are made on the device, by the model (`TwoViews`).
"""

from __future__ import annotations

import numpy as np

PADDING = 4


def random_crops(
    images: np.ndarray, rng: np.random.Generator, padding: int = PADDING
) -> np.ndarray:
    """Shifts each image by up to `padding` pixels and flips half of them.

    He et al. 2016 (arXiv 1512.03385, section 4.2): zeros are padded on each side, a
    window of the size of the image is cut out, and it is mirrored left to right with
    probability one half.

    Args:
        images: Shape `(n, height, width, channels)`.
        rng: Decides windows and flips; it is advanced by the same amount whatever the
            images are.
        padding: Zeros on each side.

    Returns:
        A new array of the same shape and dtype.
    """
    n, height, width, channels = images.shape
    top, left = rng.integers(0, 2 * padding + 1, (2, n))
    flip = rng.integers(0, 2, n).astype(bool)
    padded = np.zeros(
        (n, height + 2 * padding, width + 2 * padding, channels), images.dtype
    )
    padded[:, padding : padding + height, padding : padding + width] = images
    # A view of all windows of each image, of which one is copied.
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (height, width, channels), axis=(1, 2, 3)
    )
    cropped = windows[np.arange(n), top, left, 0]
    # Whole pixels are moved three times as fast as their channels.
    whole = cropped.view(np.dtype((np.void, channels * images.itemsize)))[..., 0]
    whole[flip] = whole[flip][:, :, ::-1]
    return cropped
