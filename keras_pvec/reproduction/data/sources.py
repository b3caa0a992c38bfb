"""Where images come from: scikit-learn's digits, or tensorflow-datasets.

`digits` needs no download. The others are read by tensorflow-datasets once; afterwards
their arrays come from the cache, without it and without TensorFlow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import logging
import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_pvec.reproduction.data import cache
from keras_pvec.reproduction.data.images import SPLITS, ImageData, ImageSplit

TFDS_NAMES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
DATASETS = ("digits", *TFDS_NAMES)

# The usual augmentation (pad, crop, flip) suits photographs, not digits or letters.
_AUGMENTED = ("cifar10", "cifar100")
_DIGITS_TEST = 360
# Ends of a file that tell it from another one, besides its name and size.
_COMPARED_BYTES = 1 << 16


class DatasetUnavailableError(RuntimeError):
    """A data set is neither on disk nor to be downloaded."""


@dataclasses.dataclass(frozen=True)
class ImageDataSpec:
    """Which images a training uses, in a form that any process can load.

    Attributes:
        name: One of `DATASETS`.
        data_dir: tensorflow-datasets' folder, as in `load_data`.
        train_samples: Size of a fixed random subset of the training images; `None` for
            all.
        test_samples: Likewise.
        label_noise: Share of the training labels that are wrong.
    """

    name: str
    data_dir: str | None = None
    train_samples: int | None = None
    test_samples: int | None = None
    label_noise: float = 0.0

    def load(self) -> ImageData:
        """The images; loaded once in each process.

        Raises:
            ValueError: An unknown name, or subsets larger than the set.
            DatasetUnavailableError: Not on disk, and not to be downloaded.
        """
        return _load(self)


@functools.lru_cache(maxsize=8)
def _load(spec: ImageDataSpec) -> ImageData:
    data = _whole(spec.name, spec.data_dir)
    data = data.subset(spec.train_samples, spec.test_samples)
    return data.with_label_noise(spec.label_noise) if spec.label_noise else data


@functools.lru_cache(maxsize=2)
def _whole(name: str, data_dir: str | None) -> ImageData:
    return load_data(name, data_dir=data_dir)


def load_data(name: str, *, data_dir: str | os.PathLike | None = None) -> ImageData:
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
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int64)
    # The writers of the last images are others than those of the first ones.
    return {
        "train": ImageSplit(images[:-_DIGITS_TEST], labels[:-_DIGITS_TEST], 16),
        "test": ImageSplit(images[-_DIGITS_TEST:], labels[-_DIGITS_TEST:], 16),
    }, 10


def _load_tfds(
    name: str, data_dir: str | os.PathLike | None
) -> tuple[dict[str, ImageSplit], int]:
    """From the cache if the source is the one that was cached, else from the source."""
    source = _find(name, data_dir)
    if source is not None and (key := _cache_name(name, source)) is not None:
        cached = cache.read(key)
        if cached is not None:
            return cached
    splits, n_classes, source = _read_tfds(name, data_dir, source)
    if (key := _cache_name(name, source)) is not None:
        cache.write(key, splits, n_classes)
    return splits, n_classes


def _find(name: str, data_dir: str | os.PathLike | None) -> Path | None:
    """The newest version of a data set in tensorflow-datasets' folder, if any."""
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    found = []
    for info in Path(root).expanduser().glob(f"{name}/*/dataset_info.json"):
        numbers = info.parent.name.split(".")
        if all(number.isdecimal() for number in numbers):
            found.append(([int(number) for number in numbers], info.parent))
    return max(found)[1] if found else None


def _cache_name(name: str, source: Path) -> str | None:
    """Tells one source from another by its files, wherever they lie; `None` if they
    cannot be read."""
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


def _read_tfds(
    name: str, data_dir: str | os.PathLike | None, source: Path | None
) -> tuple[dict[str, ImageSplit], int, Path]:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DatasetUnavailableError(
            f"The data set {name} has to be read by tensorflow-datasets once, which "
            "is not installed: pip install tensorflow-datasets tensorflow. The data "
            "set 'digits' does not need it."
        ) from error
    if not hasattr(tfds, "builder"):  # it swallows errors of its own imports
        raise DatasetUnavailableError(
            "tensorflow-datasets is installed but cannot be imported. With TensorFlow "
            "2.16 or 2.17, whose protobuf is older than tensorflow-metadata expects: "
            "pip install 'tensorflow-metadata<1.18'. The data set 'digits' does not "
            "need it."
        )
    with _quiet_absl():
        if source is not None:
            builder = tfds.builder_from_directory(source)
        else:
            builder = tfds.builder(name, data_dir=data_dir)
            if not (builder.data_path / "dataset_info.json").exists():
                _download(builder, name)
        splits = {}
        for split in SPLITS:
            arrays = builder.as_dataset(split=split, batch_size=-1)
            splits[split] = ImageSplit(
                arrays["image"].numpy(), arrays["label"].numpy().astype(np.int64), 255
            )
    n_classes = builder.info.features["label"].num_classes
    return splits, n_classes, Path(builder.data_path)


def _download(builder: Any, name: str) -> None:
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
