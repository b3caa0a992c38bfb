"""Writes the members of an archive: the same bytes for the same content."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import numpy as np

from keras_pvec.archive.schema import SUMS

# Zip files cannot hold earlier dates. The time of packing would change the bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o100644 << 16


class ArchiveWriter:
    """Writes members one after the other, in a `with` block; its end adds the checksums
    of all members, unless it is left by an error.

    Members are not compressed: floating-point numbers hardly shrink, the bytes do not
    depend on a version of zlib, and rows of large arrays can be read on their own.

    Args:
        file: A new file that can be written to at any position.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self._sums: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        """Adds a member."""
        self._add(name, len(content), [content])

    def add_json(self, name: str, entries: Mapping[str, Any]) -> None:
        """Adds a JSON file, with sorted keys."""
        text = json.dumps(entries, indent=2, sort_keys=True, ensure_ascii=False)
        self.add(name, f"{text}\n".encode())

    def add_array(self, name: str, array: np.ndarray) -> None:
        """Adds an array as a `.npy` file."""
        array = np.ascontiguousarray(array)
        self.add_rows(name, array.dtype, array.shape, [array.tobytes()])

    def add_rows(
        self,
        name: str,
        dtype: np.dtype,
        shape: tuple[int, ...],
        rows: Iterable[bytes],
    ) -> None:
        """Adds an array that is too large to hold as a `.npy` file.

        Args:
            name: Name of the member.
            dtype: Type of the array.
            shape: Shape of the array.
            rows: Its content in C order, in parts.
        """
        header = _npy_header(dtype, shape)
        size = len(header) + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        self._add(name, size, _chain(header, rows))

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # The error says more than what this would raise, such as a full disk again.
            with contextlib.suppress(Exception):
                self._zip.close()
            return
        lines = [f"{value}  {name}\n" for name, value in sorted(self._sums.items())]
        self.add(SUMS, "".join(lines).encode())
        self._zip.close()

    def _add(self, name: str, size: int, parts: Iterable[bytes]) -> None:
        member = zipfile.ZipInfo(name, _DATE)
        member.create_system = _UNIX
        member.external_attr = _MODE
        member.file_size = size  # decides whether the member needs 64-bit sizes
        digest = hashlib.sha256()
        with self._zip.open(member, "w") as file:
            for part in parts:
                digest.update(part)
                file.write(part)
        self._sums[name] = digest.hexdigest()


def _npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _chain(header: bytes, rows: Iterable[bytes]) -> Iterator[bytes]:
    yield header
    yield from rows
