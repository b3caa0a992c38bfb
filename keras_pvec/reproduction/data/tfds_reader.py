"""Reads what tensorflow-datasets has stored on disk, as arrays or encoded images.

No other module imports tensorflow-datasets, which needs TensorFlow with every Keras
backend.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from keras_pvec.reproduction.data.images import SPLITS, ImageSplit

_LARGEST_PIXEL = 255
# What reading takes.
_PACKAGES = ("tensorflow_datasets", "tensorflow")


class DatasetUnavailableError(RuntimeError):
    """A data set is not on disk and cannot be downloaded."""


class EncodedImages:
    """Encoded images of a stored data set, read again in each iteration.

    Args:
        dataset: A `tf.data.Dataset` of scalar strings with a fixed order.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._dataset.as_numpy_iterator()


def find_stored(name: str, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """The folder of the newest stored version of a data set.

    Args:
        name: Name of the data set, with its configuration if it has one, as
            `"imagenet_v2/matched-frequency"`.
        data_dir: Folder of tensorflow-datasets; default: `TFDS_DATA_DIR`, else the
            default of tensorflow-datasets.

    Returns:
        The folder; `None` if no version is stored.
    """
    versions = []
    for info in _root(data_dir).glob(f"{name}/*/dataset_info.json"):
        numbers = info.parent.name.split(".")
        if all(number.isdecimal() for number in numbers):
            versions.append(([int(number) for number in numbers], info.parent))
    return max(versions)[1] if versions else None


def read_or_download(
    name: str, data_dir: str | os.PathLike[str] | None, stored: Path | None
) -> tuple[dict[str, ImageSplit], int, Path]:
    """Reads the training and test images of a data set.

    Args:
        name: Name of the data set.
        data_dir: As in `find_stored`; the data set is downloaded into it if it is not
            stored.
        stored: The folder that `find_stored` returned.

    Returns:
        The splits, the number of classes, and the folder that they were read from.

    Raises:
        DatasetUnavailableError: The data set is not on disk and cannot be downloaded.
    """
    tfds = _tensorflow_datasets(name)
    with _quiet_absl():
        if stored is not None:
            builder = tfds.builder_from_directory(stored)
        else:
            builder = tfds.builder(name, data_dir=data_dir)
            if not (builder.data_path / "dataset_info.json").exists():
                _download(builder, name)
        splits = {}
        for split in SPLITS:
            arrays = builder.as_dataset(split=split, batch_size=-1)
            splits[split] = ImageSplit(
                arrays["image"].numpy(),
                arrays["label"].numpy().astype(np.int64),
                _LARGEST_PIXEL,
            )
    n_classes = builder.info.features["label"].num_classes
    return splits, n_classes, Path(builder.data_path)


def stored_encoded_images(
    name: str,
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    n: int | None = None,
) -> EncodedImages:
    """The first images of a stored data set, still encoded.

    Args:
        name: As in `find_stored`.
        split: Name of the split, in tensorflow-datasets.
        data_dir: As in `find_stored`. Nothing is downloaded.
        n: How many; `None` for all.

    Raises:
        ValueError: More images than the split has, or fewer than two.
        DatasetUnavailableError: The data set is not on disk.
    """
    stored = find_stored(name, data_dir)
    if stored is None:
        raise DatasetUnavailableError(
            f"The data set {name} is not in {_root(data_dir)}. Prepare it once, with "
            f"network access: tensorflow_datasets.builder({name!r}, data_dir=...)"
            ".download_and_prepare()."
        )
    tfds = _tensorflow_datasets(name)
    with _quiet_absl():
        builder = tfds.builder_from_directory(stored)
        available = builder.info.splits[split].num_examples
        n = available if n is None else n
        if not 2 <= n <= available:
            raise ValueError(f"{name} has {available} images; {n} were requested.")
        examples = builder.as_dataset(
            split=f"{split}[:{n}]",
            # Encoded images take a tenth of the space, and may have different sizes.
            decoders={"image": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(try_autocache=False),
        )
    return EncodedImages(examples.map(lambda example: example["image"]))


def _root(data_dir: str | os.PathLike[str] | None) -> Path:
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(root).expanduser()


def _tensorflow_datasets(name: str) -> ModuleType:
    # tensorflow-datasets imports TensorFlow only when it reads.
    missing = [m for m in _PACKAGES if importlib.util.find_spec(m) is None]
    if missing:
        packages = " ".join(missing).replace("_", "-")
        raise DatasetUnavailableError(
            f"Reading the data set {name} needs tensorflow-datasets and TensorFlow on "
            f"every Keras backend: pip install {packages}. Neither is needed for "
            "'digits', nor for a data set in --data_dir or TFDS_DATA_DIR whose arrays "
            "are cached from an earlier read."
        )
    import tensorflow_datasets as tfds

    if not hasattr(tfds, "builder"):  # the package hides its own import errors
        raise DatasetUnavailableError(
            f"Reading the data set {name} needs tensorflow-datasets, which is "
            "installed but cannot be imported. With TensorFlow 2.16 or 2.17, whose "
            "protobuf is older than tensorflow-metadata expects: "
            "pip install 'tensorflow-metadata<1.18'."
        )
    return tfds


def _download(builder: Any, name: str) -> None:
    advice = (
        f"Connect to the network once, or give the folder that holds {name} in "
        "tensorflow-datasets' format with --data_dir or TFDS_DATA_DIR, or use the data "
        "set 'digits', which needs no download."
    )
    where = builder.data_path.parent.parent
    if not _is_online():
        raise DatasetUnavailableError(
            f"The data set {name} is not in {where}, and there is no network to "
            f"download it. {advice}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # tensorflow-datasets raises many types
        raise DatasetUnavailableError(
            f"The data set {name} is not in {where}, and its download failed "
            f"({type(error).__name__}: {error}). {advice}"
        ) from error


def _is_online() -> bool:
    """Whether host names resolve; otherwise a download would retry for minutes."""
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo("storage.googleapis.com", 443)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _quiet_absl() -> Iterator[None]:
    """Silences the log messages of tensorflow-datasets about its folders."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
