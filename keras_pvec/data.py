"""Image data sets by name, the sample sets drawn from them, and training batches.

`digits` comes with scikit-learn and needs no download; the others come through
tensorflow-datasets. Pixels are handed on in [0, 1]; models normalise by themselves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import math
import os
import socket
import urllib.request
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from keras_pvec.augmentation import (
    cropped,
    pad_for_crops,
    random_windows,
    two_views,
)
from keras_pvec.samples import SampleSet

TFDS_NAMES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
DATASETS = ("digits", *TFDS_NAMES)
SPLITS = ("train", "test")
TASKS = ("classification", "reconstruction", "contrastive")

# The usual augmentation (pad, crop, flip) suits photographs, not digits or letters.
_AUGMENTED = ("cifar10", "cifar100")
# Subsets are the same for every training, so that runs compare.
_SUBSET_SEED = 20211005
_DIGITS_TEST = 360

_Batch = tf.Tensor | tuple[tf.Tensor, tf.Tensor]


class DatasetUnavailableError(RuntimeError):
    """A data set is neither on disk nor to be downloaded."""


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
        return self.images.astype(np.float32) / self.largest

    def take(self, n: int) -> ImageSplit:
        return dataclasses.replace(self, images=self.images[:n], labels=self.labels[:n])


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """A data set as it is trained on.

    Attributes:
        name: One of `DATASETS`.
        train: The training images that are used, in a fixed seeded order if they are
            a subset.
        test: The test images, likewise.
        n_classes: Number of classes.
        augment: Whether pad-and-crop and flips suit these images.
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
        # Exact integer sums; a float copy of the whole set is not needed.
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
        """SHA-256 over the training and test images and labels that are used."""
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
            ValueError: More images than there are, or fewer than two.
        """
        return dataclasses.replace(
            self,
            train=_subset(self.train, train_samples, f"{self.name} train"),
            test=_subset(self.test, test_samples, f"{self.name} test"),
        )

    def with_label_noise(self, share: float) -> ImageData:
        """The same data with a share of the training labels drawn from the other
        classes, the same ones each time (Zhang et al. 2017, arXiv 1611.03530).

        Raises:
            ValueError: A share that is not between 0 and 1.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"`share` must be within 0 and 1. Received: {share}")
        labels = self.train.labels.copy()
        rng = np.random.default_rng(_SUBSET_SEED)
        wrong = rng.permutation(len(labels))[: round(share * len(labels))]
        labels[wrong] += rng.integers(1, self.n_classes, len(wrong))
        labels %= self.n_classes
        return dataclasses.replace(
            self, train=dataclasses.replace(self.train, labels=labels)
        )

    def samples(self, split: str, n: int | None = None) -> SampleSet:
        """The fixed samples that P-vectors are taken on.

        Args:
            split: `"train"` (images that are trained on, not augmented) or `"test"`.
            n: How many; `None` for all.

        Raises:
            ValueError: An unknown split, or more samples than there are.
        """
        if split not in SPLITS:
            raise ValueError(f"`split` must be one of {SPLITS}. Received: {split!r}")
        images = getattr(self, split)
        if n is not None and n > len(images):
            raise ValueError(
                f"{n} samples were asked for, but the {split} split of {self.name} "
                f"that is used here has {len(images)}."
            )
        images = images.take(n or len(images))
        name = f"{self.name}/{split}[{len(images)}]"
        return SampleSet(images.pixels(), images.labels, name=name)


def load_data(
    name: str,
    *,
    data_dir: str | os.PathLike | None = None,
) -> ImageData:
    """Loads a data set by name.

    Args:
        name: One of `DATASETS`.
        data_dir: tensorflow-datasets' folder; default `TFDS_DATA_DIR`, else its own
            default. A data set that is not there is downloaded into it.

    Raises:
        ValueError: An unknown name.
        DatasetUnavailableError: Not on disk, and not to be downloaded.
    """
    if name == "digits":
        train, test, n_classes = _load_digits()
    elif name in TFDS_NAMES:
        train, test, n_classes = _load_tfds(name, data_dir)
    else:
        raise ValueError(
            f"Unknown data set {name!r}. Choose one of: {', '.join(DATASETS)}"
        )
    return ImageData(
        name=name,
        train=train,
        test=test,
        n_classes=n_classes,
        augment=name in _AUGMENTED,
    )


def training_batches(
    data: ImageData,
    *,
    batch_size: int,
    seed: int,
    augment: bool,
    task: str,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Endless training batches whose content depends on seed and epoch alone.

    A training that is resumed at `first_epoch` therefore sees the very batches that it
    would have seen without the interruption. Each epoch is a new order of all images
    and ends with a smaller batch where they do not divide.

    Args:
        data: The data set.
        batch_size: Images per batch.
        seed: Seed of order and augmentation.
        augment: Whether to pad, crop and flip at random. Pairs of views are always
            augmented, in a way of their own.
        task: What the batches are for, one of `TASKS`.
        first_epoch: The epoch that the batches start with.

    Returns:
        A dataset of `(pixels, labels)` for classification, `(pixels, pixels)` for
        reconstruction, and of pairs of views alone, without labels, for contrastive
        learning. Pixels are float32 in [0, 1], shape `(batch, height, width,
        channels)`, pairs of views `(batch, 2, height, width, channels)`.

    Raises:
        ValueError: An unknown task.
    """
    _check_task(task)
    images, labels = tf.constant(data.train.images), tf.constant(data.train.labels)
    n = len(data.train)
    crop = augment and task != "contrastive"
    if crop:
        images = pad_for_crops(images)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.random.fold_in([seed, 0], epoch)
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seed=epoch_seed)
        decided = {"chosen": order}
        if crop:  # decided for all images at once, which costs less than by the batch
            crops_seed = tf.random.fold_in([seed, 1], epoch)
            decided["windows"] = random_windows(n, data.input_shape[:2], crops_seed)
        batches = tf.data.Dataset.from_tensor_slices(decided).batch(batch_size)
        return batches.enumerate().map(
            lambda step, decided: make_batch(
                **decided, seed=tf.random.fold_in(epoch_seed, step)
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    def make_batch(
        chosen: tf.Tensor, seed: tf.Tensor, windows: tf.Tensor | None = None
    ) -> _Batch:
        if windows is None:
            pixels = tf.cast(tf.gather(images, chosen), tf.float32)
        else:
            pixels = cropped(images, chosen, windows)
        pixels /= data.train.largest
        if task == "contrastive":
            return two_views(pixels, seed, flip=data.augment)
        if task == "reconstruction":
            return pixels, pixels
        return pixels, tf.gather(labels, chosen)

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(
    data: ImageData, split: str, *, batch_size: int, task: str
) -> tf.data.Dataset:
    """The images of a split once, in order, as `training_batches` gives them, but not
    augmented.

    Pairs of views are the same ones in each pass, so that losses compare.
    """
    _check_task(task)
    images = getattr(data, split)
    pixels = tf.data.Dataset.from_tensor_slices(images.pixels())
    if task == "contrastive":
        return (
            pixels.batch(batch_size)
            .enumerate()
            .map(
                lambda step, batch: two_views(
                    batch, tf.random.fold_in([0, 1], step), flip=data.augment
                )
            )
        )
    if task == "reconstruction":
        targets = pixels
    else:
        targets = tf.data.Dataset.from_tensor_slices(images.labels)
    return tf.data.Dataset.zip((pixels, targets)).batch(batch_size)


def _check_task(task: str) -> None:
    if task not in TASKS:
        raise ValueError(f"`task` must be one of {TASKS}. Received: {task!r}")


def _subset(split: ImageSplit, n: int | None, what: str) -> ImageSplit:
    if n is None:
        return split
    if not 2 <= n <= len(split):
        raise ValueError(f"{what} has {len(split)} images; {n} were asked for.")
    order = np.random.default_rng(_SUBSET_SEED).permutation(len(split))[:n]
    return dataclasses.replace(
        split, images=split.images[order], labels=split.labels[order]
    )


def _load_digits() -> tuple[ImageSplit, ImageSplit, int]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int64)
    # The writers of the last images are others than those of the first ones.
    train = ImageSplit(images[:-_DIGITS_TEST], labels[:-_DIGITS_TEST], 16)
    test = ImageSplit(images[-_DIGITS_TEST:], labels[-_DIGITS_TEST:], 16)
    return train, test, 10


def _load_tfds(
    name: str, data_dir: str | os.PathLike | None
) -> tuple[ImageSplit, ImageSplit, int]:
    import tensorflow_datasets as tfds

    if not hasattr(tfds, "builder"):  # it swallows errors of its own imports
        raise DatasetUnavailableError(
            "tensorflow-datasets is installed but cannot be imported. With TensorFlow "
            "2.16 or 2.17, whose protobuf is older than tensorflow-metadata expects: "
            "pip install 'tensorflow-metadata<1.18'. The data set 'digits' does not "
            "need it."
        )
    with _quiet_absl():
        builder = tfds.builder(name, data_dir=data_dir)
        if not (builder.data_path / "dataset_info.json").exists():
            _download(builder, name)
        splits = []
        for split in SPLITS:
            arrays = builder.as_dataset(split=split, batch_size=-1)
            splits.append(
                ImageSplit(
                    arrays["image"].numpy(),
                    arrays["label"].numpy().astype(np.int64),
                    255,
                )
            )
    return *splits, builder.info.features["label"].num_classes


def _download(builder: object, name: str) -> None:
    mend = (
        f"Connect to the network once, or give the folder that holds {name} in "
        "tensorflow-datasets' format with --data_dir or TFDS_DATA_DIR, or use the data "
        "set 'digits', which needs no download."
    )
    where = builder.data_path.parent.parent
    if not is_online():
        raise DatasetUnavailableError(
            f"The data set {name} is not in {where}, and there is no network to "
            f"download it. {mend}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # tensorflow-datasets raises many kinds
        raise DatasetUnavailableError(
            f"The data set {name} is not in {where}, and downloading it failed "
            f"({type(error).__name__}: {error}). {mend}"
        ) from error


def is_online() -> bool:
    """Whether names resolve; without this, a download retries for minutes."""
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo("storage.googleapis.com", 443)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _quiet_absl() -> Iterator[None]:
    """Silences tensorflow-datasets' remarks about its own folders."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
