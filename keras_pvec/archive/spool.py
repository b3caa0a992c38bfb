"""Stacks of arrays that are collected moment by moment, on disk.

A moment gives a little of many arrays; an archive holds one array after the other.
Between the two, the moments lie in a temporary file, so that only one of them has to
fit into memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np


class Spool:
    """A temporary file for the stacks of one run. The system deletes it when it is
    closed, even if the process is killed.

    Args:
        folder: A folder on a disk with room for the run.
    """

    def __init__(self, folder: Path) -> None:
        # Open as long as this object lives.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def append(self, content: bytes) -> int:
        """Adds some bytes, and returns where they begin."""
        start = self._file.seek(0, 2)
        self._file.write(content)
        return start

    def read(self, start: int, size: int) -> bytes:
        """Reads bytes that were added."""
        self._file.seek(start)
        return self._file.read(size)

    def close(self) -> None:
        """Deletes the file."""
        self._file.close()


class Stack:
    """Arrays of the same names, types and shapes at successive moments.

    Args:
        spool: Where they are kept.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._starts: dict[str, list[int]] = {}
        self._kinds: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Adds the arrays of a moment.

        Raises:
            ValueError: An array has another type or shape than at the moment before.
        """
        for name, array in arrays.items():
            kind = (array.dtype, array.shape)
            expected = self._kinds.setdefault(name, kind)
            if kind != expected:
                raise ValueError(
                    f"`{name}` is {_described(kind)} there, and {_described(expected)} "
                    "at earlier moments"
                )
            starts = self._starts.setdefault(name, [])
            starts.append(self._spool.append(array.tobytes()))

    def names(self) -> list[str]:
        """The names of the arrays."""
        return list(self._kinds)

    def dtype(self, name: str) -> np.dtype:
        """The type of an array."""
        return self._kinds[name][0]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a stacked array: moments first."""
        return (len(self._starts[name]), *self._kinds[name][1])

    def rows(self, name: str) -> Iterator[bytes]:
        """The content of a stacked array, moment by moment."""
        dtype, shape = self._kinds[name]
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        for start in self._starts[name]:
            yield self._spool.read(start, size)


def _described(kind: tuple[np.dtype, tuple[int, ...]]) -> str:
    dtype, shape = kind
    return f"{dtype} of shape {shape}"
