"""Classes of images, from their file names or from a list."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# A class of ImageNet by its WordNet id, as in "n01440764_tench.jpg" and
# "n01440764/ILSVRC2012_val_00000293.JPEG".
_WORDNET_ID = re.compile(r"n\d{8}(?=\D|$)", re.ASCII)
_LIST_OF_CLASSES = Path("datasets", "imagenet2012", "labels.txt")


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """WordNet ids of the 1,000 classes of ImageNet in the order of the outputs of
    classifiers; empty if tensorflow-datasets, which has the list, is not installed."""
    # Found, not imported: the list is a text file, and the import takes seconds.
    found = importlib.util.find_spec("tensorflow_datasets")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder) / _LIST_OF_CLASSES
        if path.is_file():
            return tuple(path.read_text(encoding="utf-8").split())
    return ()


def labels_of_files(files: Sequence[str | os.PathLike[str]]) -> np.ndarray | None:
    """Classes of image files whose names, or folders, begin with a WordNet id.

    Returns:
        Indices of ImageNet classes, shape `(n,)`; `None` unless every file has one.
    """
    classes = imagenet_classes()
    labels = []
    for file in map(Path, files):
        match = _WORDNET_ID.match(file.name) or _WORDNET_ID.match(file.parent.name)
        if match is None or match[0] not in classes:
            return None
        labels.append(classes.index(match[0]))
    return np.array(labels) if labels else None


def read_labels(
    path: str | os.PathLike[str], n: int, files: Sequence[Path] | None = None
) -> np.ndarray:
    """Reads the classes of images from a text file.

    Each line has the class of an image, in the order of the images, or the name of its
    file and its class. A class is its index from 0, or its WordNet id.

    Args:
        path: The text file.
        n: Number of images.
        files: The image files, if there are any.

    Returns:
        Indices of classes, shape `(n,)`.

    Raises:
        ValueError: The file cannot be read, lacks an image, or names no class.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ValueError(f"The labels {path} cannot be read ({reason}).") from error
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if all(len(row) == 1 for row in rows):
        if len(rows) < n:
            raise ValueError(f"{path} has {len(rows)} labels for {n} images.")
        return np.array([_class_index(path, row[0]) for row in rows[:n]])
    if files is None:
        raise ValueError(
            f"{path} names files, but the images have no files. Write one class per "
            "line, in the order of the images."
        )
    by_name = {Path(" ".join(row[:-1])).name: row[-1] for row in rows}
    missing = [file.name for file in files if file.name not in by_name]
    if missing:
        raise ValueError(
            f"{path} has no class for {len(missing)} of {n} images, the first of which "
            f"is {missing[0]}."
        )
    return np.array([_class_index(path, by_name[file.name]) for file in files])


def _class_index(path: str | os.PathLike[str], text: str) -> int:
    if text.isascii() and text.isdecimal():
        return int(text)
    classes = imagenet_classes()
    if text not in classes:
        known = "or its WordNet id" if classes else "since no list of ids is installed"
        raise ValueError(
            f"A class in {path} must be its index from 0, {known}. Received: {text!r}"
        )
    return classes.index(text)
