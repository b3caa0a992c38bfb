"""Batches for `fit` and `evaluate`, the same on every Keras backend.

A batch depends only on seed, epoch and step. A resumed training therefore sees the
batches that it would have seen without the interruption, and all backends see the same
images in the same order.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from keras_pvec.reproduction.data.augmentation import random_crops
from keras_pvec.reproduction.data.images import ImageData, ImageSplit, scale_pixels

TASKS = ("classification", "reconstruction", "contrastive")

# Random numbers for each view of an image. `TwoViews` uses the first twelve.
DRAWS_PER_VIEW = 16

# Independent streams of random numbers from one seed.
_ORDER, _CROPS, _DRAWS, _EVALUATION_DRAWS = range(4)


class TrainingBatches(keras.utils.PyDataset):
    """Endless training batches: batch `i` is step `i % steps` of an epoch.

    Every epoch has all images in a new order; its last batch may be smaller. Call `fit`
    with `steps_per_epoch=batches.steps_per_epoch`.

    Args:
        data: The data set.
        batch_size: Images per batch.
        seed: Seed of order and augmentation.
        augment: Whether to crop and flip at random. It has no effect for contrastive
            learning, where the model makes two views of each image.
        task: One of `TASKS`.
        first_epoch: The epoch that batch 0 belongs to.
        n_shares: Number of devices among which each batch is shared equally. The last
            batch of an epoch is filled up with some of its first images.

    Batches are tuples:

    - `(pixels, labels)` for classification, `(pixels, pixels)` for reconstruction.
      Pixels are float32 in [0, 1], shape `(batch, height, width, channels)`.
    - `({"pixels": pixels, "draws": draws},)` for contrastive learning, with uniform
      random numbers in [0, 1), shape `(batch, 2, DRAWS_PER_VIEW)`, that decide the two
      views of each image.

    Raises:
        ValueError: An unknown task, a batch size below one, or one that cannot be
            shared.
    """

    def __init__(
        self,
        data: ImageData,
        *,
        batch_size: int,
        seed: int,
        augment: bool,
        task: str,
        first_epoch: int = 0,
        n_shares: int = 1,
    ) -> None:
        super().__init__()
        _check(batch_size, task, n_shares)
        self.batch_size = batch_size
        self.steps_per_epoch = math.ceil(len(data.train) / batch_size)
        self._n_shares = n_shares
        self._split = data.train
        self._seed = seed
        self._crop = augment and task != "contrastive"
        self._task = task
        self._first_epoch = first_epoch
        self._order: tuple[int, np.ndarray] = (-1, np.array([], int))

    @property
    def num_batches(self) -> None:
        """`None`: there is no last batch, so Keras does not restart at each epoch."""

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        epoch, step = divmod(index, self.steps_per_epoch)
        epoch += self._first_epoch
        order = self._order_of(epoch)
        chosen = order[step * self.batch_size :][: self.batch_size]
        chosen = _filled_up(chosen, order, self._n_shares)
        images = self._split.images[chosen]
        if self._crop:
            rng = np.random.default_rng([self._seed, _CROPS, epoch, step])
            images = random_crops(images, rng)
        draws = None
        if self._task == "contrastive":
            draws = _draws(len(images), [self._seed, _DRAWS, epoch, step])
        return _batch(
            self._task, images, self._split.labels[chosen], self._split.largest, draws
        )

    def _order_of(self, epoch: int) -> np.ndarray:
        # Read once: threads may request batches of different epochs.
        cached_epoch, order = self._order
        if cached_epoch != epoch:
            rng = np.random.default_rng([self._seed, _ORDER, epoch])
            order = rng.permutation(len(self._split))
            self._order = (epoch, order)
        return order


class EvaluationBatches(keras.utils.PyDataset):
    """The images of a split once, in order, not augmented.

    The random numbers for contrastive learning are the same in each pass, so that
    losses can be compared.

    Args:
        split: The images.
        batch_size: Images per batch; the last batch may have fewer.
        task: One of `TASKS`. Batches are tuples as in `TrainingBatches`.
        n_shares: As in `TrainingBatches`.

    Raises:
        ValueError: An unknown task, a batch size below one, or one that cannot be
            shared.
    """

    def __init__(
        self, split: ImageSplit, *, batch_size: int, task: str, n_shares: int = 1
    ) -> None:
        super().__init__()
        _check(batch_size, task, n_shares)
        self.batch_size = batch_size
        self._n_shares = n_shares
        self._split = split
        self._task = task

    def __len__(self) -> int:
        return math.ceil(len(self._split) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        start = index * self.batch_size
        order = np.arange(len(self._split))
        chosen = _filled_up(order[start:][: self.batch_size], order, self._n_shares)
        images = self._split.images[chosen]
        draws = None
        if self._task == "contrastive":
            draws = _draws(len(images), [0, _EVALUATION_DRAWS, index])
        return _batch(
            self._task, images, self._split.labels[chosen], self._split.largest, draws
        )


def _filled_up(chosen: np.ndarray, order: np.ndarray, n_shares: int) -> np.ndarray:
    """A batch that can be shared equally: images of an epoch, and the first ones of its
    order if some are missing."""
    missing = -len(chosen) % n_shares
    return np.concatenate([chosen, np.resize(order, missing)]) if missing else chosen


def _check(batch_size: int, task: str, n_shares: int) -> None:
    if task not in TASKS:
        raise ValueError(f"`task` must be one of {TASKS}. Received: {task!r}")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}")
    if batch_size % n_shares:
        raise ValueError(
            f"`batch_size` must be a multiple of {n_shares}, the number of devices "
            f"that share a batch. Received: {batch_size}"
        )


def _draws(n: int, seed: list[int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((n, 2, DRAWS_PER_VIEW), dtype=np.float32)


def _batch(
    task: str,
    images: np.ndarray,
    labels: np.ndarray,
    largest: int,
    draws: np.ndarray | None,
) -> tuple[Any, ...]:
    pixels = scale_pixels(images, largest)
    if task == "contrastive":
        return ({"pixels": pixels, "draws": draws},)
    if task == "reconstruction":
        return pixels, pixels
    return pixels, labels
