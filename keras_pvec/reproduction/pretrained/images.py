"""Images in a fixed order, decoded and resized only when they are needed.

Pillow decodes and resizes, so pixels are the same on every Keras backend. It decodes
JPEG files with the accurate integer transform, TensorFlow by default with a faster one.
P-vectors of networks with ImageNet weights differ by 0.3 to 0.6 degrees between the two
decoders.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from keras_pvec.samples import join_statistics, statistics_of

# The formats that Pillow may detect, whatever the name of the file.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG")

# A file, an encoded image, or pixels.
Entry = str | os.PathLike[str] | bytes | np.ndarray


class Entries(Protocol):
    """One entry per image, in the same order in each iteration."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Entry]: ...


class Images:
    """Images in a fixed order, with a fingerprint over content and order.

    Args:
        entries: For each image its file, its encoded bytes, or its pixels: uint8, shape
            `(height, width, channels)`, with 1 or 3 channels. One array of shape
            `(n, height, width, channels)` is accepted too. Nothing is copied.
        name: What to call the images in logs and errors.

    Attributes:
        sha256: SHA-256 over content and order, in hexadecimal: of files as they are on
            disk, or of shapes and pixels.

    Raises:
        ValueError: Fewer than two images, or pixels of another dtype or shape.

    Example:

    ```python
    images = Images(image_files("photos", 1000), name="photos")
    ```
    """

    def __init__(self, entries: Entries, *, name: str = "images") -> None:
        if isinstance(entries, (str, os.PathLike)):
            raise ValueError(
                "`entries` must hold one entry per image. For the files of a folder: "
                f"Images(image_files({str(entries)!r}))"
            )
        if len(entries) < 2:
            raise ValueError(
                f"At least two images are needed. Received: {len(entries)} ({name})"
            )
        self.name = name
        self._entries = entries
        digest = hashlib.sha256()
        for _, content in self._contents():
            _update(digest, content)
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Images(name={self.name!r}, n={len(self)}, sha256={self.sha256[:12]!r})"

    def files(self) -> list[Path] | None:
        """The files of the images; `None` unless all are files."""
        files = [
            Path(entry)
            for entry in self._entries
            if isinstance(entry, (str, os.PathLike))
        ]
        return files if len(files) == len(self) else None

    def pixels(self, batch_size: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """Yields the images in order, `batch_size` at a time.

        Args:
            batch_size: Images per batch; the last batch may have fewer.
            size: Height and width that each image is resized to: bilinearly, with
                antialiasing, without keeping the aspect ratio.

        Yields:
            Pixels in [0, 255], shape `(rows, height, width, 3)`, float32, channels in
            the order red, green, blue.

        Raises:
            ValueError: An image cannot be decoded, or images have changed since the
                fingerprint was computed.
        """
        digest = hashlib.sha256()
        contents = self._contents()
        with ThreadPoolExecutor() as pool:
            while batch := list(itertools.islice(contents, batch_size)):
                for _, content in batch:
                    _update(digest, content)
                labels, encoded = zip(*batch, strict=True)
                sizes = itertools.repeat(size)
                yield np.stack([*pool.map(_resized_pixels, labels, encoded, sizes)])
        if digest.hexdigest() != self.sha256:
            raise ValueError(
                f"The images {self.name!r} have changed since they were opened. Open "
                "them again, and do not change them until all networks are done."
            )

    def statistics(
        self, size: tuple[int, int], batch_size: int = 32
    ) -> dict[str, np.ndarray]:
        """Brightness and contrast of each image, as `SampleSet.statistics` returns
        them, in units of pixels.

        Args:
            size: Height and width that each image is resized to.
            batch_size: Images decoded at a time.

        Raises:
            ValueError: See `pixels`.
        """
        return join_statistics(
            statistics_of(batch) for batch in self.pixels(batch_size, size)
        )

    def _contents(self) -> Iterator[tuple[str, bytes | np.ndarray]]:
        """The name of each image for errors, and its encoded bytes or its pixels."""
        for i, entry in enumerate(self._entries):
            if isinstance(entry, (str, os.PathLike)):
                yield os.fspath(entry), Path(entry).read_bytes()
            else:
                label = f"Image {i} of {self.name!r}"
                yield label, entry if isinstance(entry, bytes) else _checked(entry)


class NetworkInputs:
    """Images as inputs of one network, to pass to `model_p_vectors`.

    They carry the name and fingerprint of the images, not of the resized pixels, so
    that P-vectors of networks with different input sizes can be compared.

    Args:
        images: The images.
        size: Height and width of the network's input.
        preprocess: The network's `preprocess_input`.
        channels_first: Whether the network takes `(rows, 3, height, width)`.
    """

    def __init__(
        self,
        images: Images,
        size: tuple[int, int],
        preprocess: Callable[..., np.ndarray],
        *,
        channels_first: bool = False,
    ) -> None:
        self.name = images.name
        self.sha256 = images.sha256
        self._images = images
        self._size = size
        self._preprocess = preprocess
        self._channels_first = channels_first

    def __len__(self) -> int:
        return len(self._images)

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields inputs of the network in order, `batch_size` images at a time."""
        for pixels in self._images.pixels(batch_size, self._size):
            inputs = self._preprocess(pixels, data_format="channels_last")
            yield np.moveaxis(inputs, -1, 1) if self._channels_first else inputs


def _checked(pixels: np.ndarray) -> np.ndarray:
    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3):
        raise ValueError(
            "The pixels of an image must be uint8, 0 to 255, of shape (height, width, "
            f"channels) with 1 or 3 channels. Received: {pixels.dtype}, {shape}"
        )
    return pixels


def _update(digest: hashlib._Hash, content: bytes | np.ndarray) -> None:
    if isinstance(content, bytes):
        digest.update(f"encoded {len(content)};".encode())
        digest.update(content)
    else:
        digest.update(f"pixels {content.shape};".encode())
        digest.update(np.ascontiguousarray(content).data)


def _resized_pixels(
    label: str, content: bytes | np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """One image, decoded and resized, shape `(height, width, 3)`, float32."""
    pixels = _decoded(label, content) if isinstance(content, bytes) else content
    height, width = size
    # In float32: rounding to whole levels would rotate P-vectors by up to one degree.
    channels = [
        Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR)
        for channel in np.moveaxis(pixels, -1, 0).astype(np.float32, order="C")
    ]
    resized = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return resized if resized.shape[-1] == 3 else np.repeat(resized, 3, axis=-1)


def _decoded(label: str, content: bytes) -> np.ndarray:
    """Pixels of an encoded image, shape `(height, width, 1 or 3)`, uint8."""
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.mode.startswith("I"):  # 16 bits of gray, which `convert` clips
                shades = np.rint(np.asarray(image) / 257)
                return shades.astype(np.uint8)[..., None]
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow raises many types
        raise ValueError(
            f"{label} cannot be decoded as an image ({type(error).__name__}: {error}). "
            "Replace it or leave it out."
        ) from error
