"""A cache of data sets as plain arrays, read without tensorflow-datasets.

```
<cache>/<name>-<version>-<key>/      key: fingerprint of the source's files
    manifest.json                    format, range of the pixels, checksums
    train_images.npy  train_labels.npy  test_images.npy  test_labels.npy
```

A folder is complete or does not exist. Images are mapped into memory, so that several
processes share one copy. A cache that is damaged or cannot be written causes a warning
and a slower start, never an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from keras_pvec.reproduction.data.images import SPLITS, ImageSplit

CACHE_ENV = "KERAS_PVEC_CACHE"

# Increased when the meaning of the files in a cache folder changes.
_FORMAT = 1
_MANIFEST = "manifest.json"
_ARRAYS = ("images", "labels")
_CHUNK = 1 << 20


def cache_dir() -> Path:
    """`KERAS_PVEC_CACHE`, or the folder `keras_pvec` in the user's cache directory."""
    if folder := os.environ.get(CACHE_ENV):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if base.startswith("~"):  # a user without a home directory
        base = tempfile.gettempdir()
    return Path(base) / "keras_pvec"


def read(name: str) -> tuple[dict[str, ImageSplit], int] | None:
    """The splits and the number of classes in a folder of the cache.

    Args:
        name: Name of the folder.

    Returns:
        The splits and the number of classes; `None` if the folder does not exist or
        cannot be used, in which case a warning says why.
    """
    folder = cache_dir() / name
    if not os.path.isdir(folder):
        return None
    try:
        return _read(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        warnings.warn(
            f"The cached arrays in {folder} cannot be used ({error}). They are read "
            "from their source and cached again.",
            stacklevel=2,
        )
        return None


def write(name: str, splits: dict[str, ImageSplit], n_classes: int) -> None:
    """Caches arrays under a name and replaces existing ones.

    A failure (a full disk, a folder that cannot be written) causes a warning.

    Args:
        name: Name of the folder.
        splits: Images and labels by split.
        n_classes: Number of classes.
    """
    folder = cache_dir() / name
    temporary = folder.with_name(f".{name}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        # Not `mkdtemp`, whose folders only their owner can read.
        temporary.mkdir(parents=True)
        _write(temporary, splits, n_classes)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
    except OSError as error:
        # Another process may have written the folder meanwhile.
        if not os.path.exists(folder / _MANIFEST):
            warnings.warn(
                f"The arrays of {name} could not be cached in {folder.parent} "
                f"({error.strerror or error}). The next start reads their source "
                f"again. Set {CACHE_ENV} to a folder with enough space.",
                stacklevel=2,
            )
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read(folder: Path) -> tuple[dict[str, ImageSplit], int]:
    manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    if manifest["format"] != _FORMAT:
        raise ValueError(f"format {manifest['format']}, not {_FORMAT}")
    if manifest.pop("checksum") != _checksum(manifest):
        raise ValueError(f"{_MANIFEST} is damaged")
    arrays: dict[tuple[str, str], np.ndarray] = {}
    for split in SPLITS:
        for kind in _ARRAYS:
            path = folder / f"{split}_{kind}.npy"
            if _sha256(path) != manifest["sha256"][path.name]:
                raise ValueError(f"{path.name} is damaged")
            arrays[split, kind] = np.load(path, mmap_mode="r", allow_pickle=False)
    return {
        split: ImageSplit(
            arrays[split, "images"],
            np.array(arrays[split, "labels"]),
            int(manifest["largest"]),
        )
        for split in SPLITS
    }, int(manifest["n_classes"])


def _write(folder: Path, splits: dict[str, ImageSplit], n_classes: int) -> None:
    checksums = {}
    for split, images in splits.items():
        for kind in _ARRAYS:
            path = folder / f"{split}_{kind}.npy"
            with open(path, "wb") as file:
                np.save(file, getattr(images, kind), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            checksums[path.name] = _sha256(path)
    manifest: dict[str, Any] = {
        "format": _FORMAT,
        "n_classes": n_classes,
        "largest": next(iter(splits.values())).largest,
        "sha256": checksums,
    }
    manifest["checksum"] = _checksum(manifest)
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / _MANIFEST).write_text(text, encoding="utf-8")


def _checksum(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
