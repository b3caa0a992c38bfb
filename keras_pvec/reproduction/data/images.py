"""Images and labels as arrays, and the sample sets drawn from them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math

import numpy as np

from keras_pvec.samples import SampleSet

SPLITS = ("train", "test")

# Subsets are the same for every training, so that runs can be compared.
_SUBSET_SEED = 20211005
# Arrays that start at a multiple of this many bytes need not be copied into a tensor.
_ALIGNMENT = 64


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSplit:
    """Images and labels in a fixed order.

    Attributes:
        images: Shape `(n, height, width, channels)`, uint8.
        labels: Shape `(n,)`, int64.
        largest: The pixel value that means 1.0.
    """

    images: np.ndarray
    labels: np.ndarray
    largest: int

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self) -> np.ndarray:
        """The images as float32 in [0, 1]."""
        return scale_pixels(self.images, self.largest)

    def take(self, n: int) -> ImageSplit:
        """The first `n` images."""
        return dataclasses.replace(self, images=self.images[:n], labels=self.labels[:n])


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """A data set as used in a training.

    Attributes:
        name: Name of the data set.
        train: The training images, or a fixed random subset of them.
        test: The test images, or a fixed random subset of them.
        n_classes: Number of classes.
        augment: Whether random crops and flips suit these images.
    """

    name: str
    train: ImageSplit
    test: ImageSplit
    n_classes: int
    augment: bool

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one image, `(height, width, channels)`."""
        return self.train.images.shape[1:]

    def channel_moments(self) -> tuple[list[float], list[float]]:
        """Mean and variance of each channel over the training pixels in [0, 1]."""
        return self._moments

    @functools.cached_property
    def _moments(self) -> tuple[list[float], list[float]]:
        # From the counts of the levels, to avoid a float copy of the images.
        images = self.train.images
        count = math.prod(images.shape[:-1])
        levels = np.arange(self.train.largest + 1) / self.train.largest
        means, variances = [], []
        for channel in range(images.shape[-1]):
            histogram = np.bincount(images[..., channel].ravel(), minlength=levels.size)
            mean = float(histogram @ levels) / count
            means.append(mean)
            variances.append(float(histogram @ (levels - mean) ** 2) / count)
        return means, variances

    def fingerprint(self) -> str:
        """SHA-256 over images and labels, training and test, in hexadecimal."""
        return self._sha256

    @functools.cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(np.ascontiguousarray(split.images).data)
            digest.update(np.ascontiguousarray(split.labels).data)
        return digest.hexdigest()

    def subset(
        self, train_samples: int | None = None, test_samples: int | None = None
    ) -> ImageData:
        """The same data with fixed random subsets of the images; `None` for all.

        Raises:
            ValueError: More images than the data set has, or fewer than two.
        """
        return dataclasses.replace(
            self,
            train=_subset(self.train, train_samples, f"{self.name} train"),
            test=_subset(self.test, test_samples, f"{self.name} test"),
        )

    def with_label_noise(self, share: float) -> ImageData:
        """The same data with a share of the training labels replaced by other classes,
        the same ones each time (Zhang et al. 2017, arXiv 1611.03530).

        Raises:
            ValueError: `share` is not between 0 and 1.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"`share` must be between 0 and 1. Received: {share}")
        labels = self.train.labels.copy()
        rng = np.random.default_rng(_SUBSET_SEED)
        wrong = rng.permutation(len(labels))[: round(share * len(labels))]
        labels[wrong] += rng.integers(1, self.n_classes, len(wrong))
        labels %= self.n_classes
        return dataclasses.replace(
            self, train=dataclasses.replace(self.train, labels=labels)
        )

    def samples(self, split: str, n: int | None = None) -> SampleSet:
        """The first images of a split, not augmented, to compute P-vectors on.

        Args:
            split: `"train"` or `"test"`.
            n: How many; `None` for all.

        Raises:
            ValueError: An unknown split, or more samples than the split has.
        """
        if split not in SPLITS:
            raise ValueError(f"`split` must be one of {SPLITS}. Received: {split!r}")
        images = getattr(self, split)
        if n is not None and n > len(images):
            raise ValueError(
                f"The {split} split of {self.name} has {len(images)} samples here; {n} "
                "were requested."
            )
        images = images.take(n or len(images))
        name = f"{self.name}/{split}[{len(images)}]"
        return SampleSet(images.pixels(), images.labels, name=name)


def scale_pixels(images: np.ndarray, largest: int) -> np.ndarray:
    """Integer pixels up to `largest` as float32 in [0, 1]."""
    scaled = _aligned_array(images.shape)
    return np.divide(images, np.float32(largest), out=scaled, dtype=np.float32)


def _aligned_array(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialized float32 array that TensorFlow and JAX can use without a copy."""
    size = math.prod(shape)
    per_line = _ALIGNMENT // np.dtype(np.float32).itemsize
    memory = np.empty(size + per_line, np.float32)
    start = -memory.ctypes.data % _ALIGNMENT // memory.itemsize
    return memory[start : start + size].reshape(shape)


def _subset(split: ImageSplit, n: int | None, what: str) -> ImageSplit:
    if n is None:
        return split
    if not 2 <= n <= len(split):
        raise ValueError(f"{what} has {len(split)} images; {n} were requested.")
    order = np.random.default_rng(_SUBSET_SEED).permutation(len(split))[:n]
    return dataclasses.replace(
        split, images=split.images[order], labels=split.labels[order]
    )
