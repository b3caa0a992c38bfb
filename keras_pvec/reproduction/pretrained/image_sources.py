"""Sources of images: a folder, or ImageNetV2."""

from __future__ import annotations

import os
from pathlib import Path

from keras_pvec.reproduction.data import stored_encoded_images
from keras_pvec.reproduction.pretrained.images import Images

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def image_files(folder: str | os.PathLike[str], n: int | None = None) -> list[Path]:
    """Image files (jpg, jpeg, png, bmp) below a folder, sorted by their path within the
    folder.

    Args:
        folder: The folder; its subfolders are included.
        n: Number of files, counted from the first; `None` for all.

    Raises:
        ValueError: The folder does not exist, or holds fewer than `n` or fewer than two
            images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder} to take images from.")
    if n is not None and n < 2:
        raise ValueError(f"At least two images are needed. Received: n={n}")
    files = sorted(
        (f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file()),
        key=lambda file: file.relative_to(folder).as_posix(),
    )
    needed = n or 2
    if len(files) < needed:
        raise ValueError(
            f"At least {needed} images are needed, but the folder {folder} holds "
            f"{len(files)} ({', '.join(_SUFFIXES)})."
        )
    return files[:n]


def imagenet_v2(
    data_dir: str | os.PathLike[str] | None = None, n: int | None = None
) -> Images:
    """The first images of ImageNetV2, matched frequency (Recht et al. 2019, "Do
    ImageNet classifiers generalize to ImageNet?", arXiv 1902.10811).

    Args:
        data_dir: Folder of tensorflow-datasets; default: `TFDS_DATA_DIR`, else the
            default of tensorflow-datasets. Nothing is downloaded.
        n: Number of images; `None` for all 10,000.

    Raises:
        ValueError: More images than the data set has, or fewer than two.
        DatasetUnavailableError: The data set is not in that folder.
    """
    encoded = stored_encoded_images(
        "imagenet_v2/matched-frequency", "test", data_dir, n
    )
    return Images(encoded, name=f"imagenet_v2/test[{len(encoded)}]")
