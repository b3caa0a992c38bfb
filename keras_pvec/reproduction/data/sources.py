"""Data sets by name: scikit-learn's digits, or those of tensorflow-datasets.

`digits` needs no download. The others are read by tensorflow-datasets once; afterwards
their arrays come from the cache, without tensorflow-datasets and TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import os
from pathlib import Path

import numpy as np

from keras_pvec.reproduction.data import cache, tfds_reader
from keras_pvec.reproduction.data.images import ImageData, ImageSplit

TFDS_NAMES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
DATASETS = ("digits", *TFDS_NAMES)

# The usual augmentation (pad, crop, flip) suits photographs, not digits or letters.
_AUGMENTED = ("cifar10", "cifar100")
_DIGITS_TEST = 360
# Bytes at each end of a file that enter its fingerprint, with its name and size.
_COMPARED_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class ImageDataSpec:
    """The images of a training, described so that any process can load them.

    Attributes:
        name: One of `DATASETS`.
        data_dir: Folder of tensorflow-datasets, as in `load_data`.
        train_samples: Size of a fixed random subset of the training images; `None` for
            all.
        test_samples: Size of such a subset of the test images.
        label_noise: Share of the training labels that are wrong.
    """

    name: str
    data_dir: str | None = None
    train_samples: int | None = None
    test_samples: int | None = None
    label_noise: float = 0.0

    def load(self) -> ImageData:
        """Loads the images, once in each process.

        Raises:
            ValueError: An unknown name, or subsets larger than the set.
            DatasetUnavailableError: Not on disk and cannot be downloaded.
        """
        return _load(self)

    def select_from(self, whole: ImageData) -> ImageData:
        """The images that `load` returns, given the whole data set.

        Raises:
            ValueError: Subsets larger than the set.
        """
        data = whole.subset(self.train_samples, self.test_samples)
        return data.with_label_noise(self.label_noise) if self.label_noise else data

    def load_whole(self) -> ImageData:
        """Loads the whole data set that the images are of; see `load`."""
        return _whole(self.name, self.data_dir)


@functools.lru_cache(maxsize=8)
def _load(spec: ImageDataSpec) -> ImageData:
    return spec.select_from(spec.load_whole())


@functools.lru_cache(maxsize=2)
def _whole(name: str, data_dir: str | None) -> ImageData:
    return load_data(name, data_dir=data_dir)


def load_data(
    name: str, *, data_dir: str | os.PathLike[str] | None = None
) -> ImageData:
    """Loads a data set by name.

    Args:
        name: One of `DATASETS`.
        data_dir: Folder of tensorflow-datasets; default: `TFDS_DATA_DIR`, else the
            default of tensorflow-datasets. Missing data sets are downloaded into it.

    Returns:
        The whole data set.

    Raises:
        ValueError: An unknown name.
        DatasetUnavailableError: The data set is not on disk and cannot be downloaded.
    """
    if name == "digits":
        splits, n_classes = _load_digits()
    elif name in TFDS_NAMES:
        splits, n_classes = _load_tfds(name, data_dir)
    else:
        raise ValueError(
            f"Unknown data set {name!r}. Choose one of: {', '.join(DATASETS)}"
        )
    return ImageData(
        name=name,
        train=splits["train"],
        test=splits["test"],
        n_classes=n_classes,
        augment=name in _AUGMENTED,
    )


def _load_digits() -> tuple[dict[str, ImageSplit], int]:
    if importlib.util.find_spec("sklearn") is None:
        raise tfds_reader.DatasetUnavailableError(
            "The data set digits comes with scikit-learn, which is not installed: "
            "pip install scikit-learn."
        )
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int64)
    # The last digits were written by other people than the first ones.
    return {
        "train": ImageSplit(images[:-_DIGITS_TEST], labels[:-_DIGITS_TEST], 16),
        "test": ImageSplit(images[-_DIGITS_TEST:], labels[-_DIGITS_TEST:], 16),
    }, 10


def _load_tfds(
    name: str, data_dir: str | os.PathLike[str] | None
) -> tuple[dict[str, ImageSplit], int]:
    """Loads from a cache that matches the stored files, else by tensorflow-datasets."""
    stored = tfds_reader.find_stored(name, data_dir)
    if stored is not None and (key := _cache_name(name, stored)) is not None:
        cached = cache.read(key)
        if cached is not None:
            return cached
    splits, n_classes, source = tfds_reader.read_or_download(name, data_dir, stored)
    if (key := _cache_name(name, source)) is not None:
        cache.write(key, splits, n_classes)
    return splits, n_classes


def _cache_name(name: str, source: Path) -> str | None:
    """A name that is the same for copies of a data set in any folder, and differs if
    the files differ; `None` if they cannot be read."""
    digest = hashlib.sha256()
    try:
        for path in sorted(filter(Path.is_file, source.iterdir())):
            size = path.stat().st_size
            digest.update(f"{path.name} {size};".encode())
            with open(path, "rb") as file:
                digest.update(file.read(_COMPARED_BYTES))
                file.seek(max(size - _COMPARED_BYTES, 0))
                digest.update(file.read())
    except OSError:
        return None
    return f"{name}-{source.name}-{digest.hexdigest()[:16]}"
