"""Reads the members of an archive, each checked against its checksum."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from keras_pvec.archive.schema import (
    ARCHIVE_VERSION,
    FORMAT,
    INDEX,
    REMEDY,
    SUMS,
    Index,
)
from keras_pvec.runs import (
    DamagedRunError,
    RunConflictError,
    RunNotFoundError,
    exists,
    parse_json,
)

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
# Of a member: a fixed part, then its name and further data of these lengths.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_BLOCK = 1 << 20
# The largest header of an array; that of a plain one has 128 bytes.
_MAX_HEADER = 1 << 16


class Stacked(NamedTuple):
    """Where the rows of an array lie in the file.

    Attributes:
        start: Position of the first row.
        dtype: Type of the array.
        shape: Shape of the array.
    """

    start: int
    dtype: np.dtype
    shape: tuple[int, ...]


class ArchiveFile:
    """The members of an archive. The file is opened anew for each access.

    Each member is read once as a whole when it is first used, to check it; then rows of
    large arrays are read on their own.

    Args:
        path: The archive.

    Attributes:
        index: The content of `archive.json`.

    Raises:
        RunNotFoundError: There is no such file.
        RunConflictError: A later version of keras_pvec wrote it.
        DamagedRunError: It is damaged, or no archive of keras_pvec.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._checked: set[str] = set()
        self._stacked: dict[str, Stacked] = {}
        if not exists(self.path):
            raise RunNotFoundError(f"There is no archive {self.path}.")
        try:
            with self._opened() as file:
                self._state = _state_of(file)
                self._members = _members_of(file)
                if not {INDEX, SUMS} <= set(self._members):
                    raise ValueError("it is no archive of keras_pvec")
                self._sums = _parse_sums(self._read(file, SUMS))
                self._check(file, INDEX)
                self.index = self._index(self._read(file, INDEX))
                self._check_listed()
        except (ValueError, KeyError, zipfile.BadZipFile, OSError) as error:
            if isinstance(error, (DamagedRunError, RunConflictError)):
                raise
            raise self.damage(str(error)) from error

    def damage(self, reason: str) -> DamagedRunError:
        """The error that something is wrong with the archive."""
        return DamagedRunError(self.path, reason, REMEDY)

    def names(self) -> list[str]:
        """The names of all members, without the checksums."""
        return list(self._sums)

    def content(self, name: str) -> bytes:
        """The checked content of a member.

        Raises:
            DamagedRunError: It is missing or damaged.
            RunConflictError: The file was replaced after it had been opened.
        """
        with self._opened_again() as file:
            self._check(file, name)
            return self._read(file, name)

    def check(self, name: str) -> None:
        """Checks the content of a member, once.

        Raises:
            DamagedRunError: It is missing or damaged.
        """
        if name not in self._checked:
            with self._opened_again() as file:
                self._check(file, name)

    def stacked(self, name: str) -> Stacked:
        """Type and shape of an array, without its content.

        Raises:
            DamagedRunError: It is missing or damaged.
        """
        if name not in self._stacked:
            with self._opened_again() as file:
                self._check(file, name)
                try:
                    self._stacked[name] = self._parse_header(file, name)
                except ValueError as error:
                    raise self.damage(f"{name} is no array ({error})") from error
        return self._stacked[name]

    def array(self, name: str) -> np.ndarray:
        """An array, read as a whole."""
        stacked = self.stacked(name)
        return self._values(stacked, stacked.start, stacked.shape)

    def row(self, name: str, i: int) -> np.ndarray:
        """Row `i` of an array; the others are not read."""
        stacked = self.stacked(name)
        if not stacked.shape or not 0 <= i < stacked.shape[0]:
            raise self.damage(f"{name} has no row {i}")
        shape = stacked.shape[1:]
        size = stacked.dtype.itemsize * math.prod(shape)
        return self._values(stacked, stacked.start + i * size, shape)

    def _values(
        self, stacked: Stacked, start: int, shape: tuple[int, ...]
    ) -> np.ndarray:
        count = math.prod(shape)
        with self._opened_again() as file:
            file.seek(start)
            content = file.read(count * stacked.dtype.itemsize)
        if len(content) != count * stacked.dtype.itemsize:
            raise self.damage("it ends too early")
        # A copy, since arrays on bytes cannot be written to.
        return np.frombuffer(content, stacked.dtype, count).reshape(shape).copy()

    def _index(self, content: bytes) -> Index:
        entries = parse_json(self.path / INDEX, content)
        version = entries.get("version")
        if entries.get("format") != FORMAT or type(version) is not int:
            raise ValueError("it is no archive of keras_pvec")
        if version > ARCHIVE_VERSION:
            raise RunConflictError(
                f"{self.path} is an archive of version {version}; this package reads "
                f"versions up to {ARCHIVE_VERSION}. Upgrade keras_pvec."
            )
        return Index.from_json(entries)

    def _check_listed(self) -> None:
        listed, found = {*self._sums}, {*self._members} - {SUMS}
        if listed != found:
            name = min(listed ^ found)
            state = "missing" if name in listed else "not in its list of checksums"
            raise ValueError(f"{name} is {state}")

    def _check(self, file: IO[bytes], name: str) -> None:
        if name in self._checked:
            return
        if name not in self._sums:
            raise self.damage(f"it has no {name}")
        digest = hashlib.sha256()
        for block in self._blocks(file, name):
            digest.update(block)
        if digest.hexdigest() != self._sums[name]:
            raise self.damage(f"{name} does not match its checksum")
        self._checked.add(name)

    def _read(self, file: IO[bytes], name: str) -> bytes:
        return b"".join(self._blocks(file, name))

    def _blocks(self, file: IO[bytes], name: str) -> Iterator[bytes]:
        rest = self._members[name].file_size
        file.seek(self._start(file, name))
        while rest and (block := file.read(min(_BLOCK, rest))):
            rest -= len(block)
            yield block

    def _start(self, file: IO[bytes], name: str) -> int:
        """Position of the content of a member."""
        offset = self._members[name].header_offset
        file.seek(offset)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
            raise self.damage(f"{name} does not begin where it should")
        _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
        return offset + _LOCAL_HEADER.size + name_size + extra_size

    def _parse_header(self, file: IO[bytes], name: str) -> Stacked:
        start, size = self._start(file, name), self._members[name].file_size
        file.seek(start)
        head = io.BytesIO(file.read(min(size, _MAX_HEADER)))
        if np.lib.format.read_magic(head) != (1, 0):
            raise ValueError("its version is not 1.0")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(head)
        content = size - head.tell()
        if fortran_order or dtype.hasobject or dtype.itemsize == 0:
            raise ValueError(f"it holds {dtype} in an order that is not ours")
        if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != content:
            raise ValueError(f"it has {content:,} bytes for shape {shape}")
        return Stacked(start + head.tell(), dtype, shape)

    def _opened(self) -> IO[bytes]:
        return open(self.path, "rb")

    def _opened_again(self) -> IO[bytes]:
        try:
            file = self._opened()
        except FileNotFoundError as error:
            raise RunNotFoundError(f"The archive {self.path} is gone.") from error
        if _state_of(file) != self._state:
            file.close()
            raise RunConflictError(
                f"{self.path} was changed after it had been opened. Load it again."
            )
        return file


def _state_of(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _members_of(file: IO[bytes]) -> dict[str, zipfile.ZipInfo]:
    """The members by name, whose sizes fit the file.

    Raises:
        ValueError: They do not.
    """
    with zipfile.ZipFile(file) as members:
        found = members.infolist()
    n_bytes = os.fstat(file.fileno()).st_size
    if any(member.compress_type != zipfile.ZIP_STORED for member in found):
        raise ValueError("its members are compressed")
    # Members that overlap add up to more.
    if sum(member.file_size for member in found) > n_bytes:
        raise ValueError("its members claim to be larger than the file")
    if len({member.filename for member in found}) < len(found):
        raise ValueError("two of its members have the same name")
    return {member.filename: member for member in found}


def _parse_sums(content: bytes) -> dict[str, str]:
    matches = [_LINE.fullmatch(line) for line in content.decode().splitlines()]
    if not matches or None in matches:
        raise ValueError(f"{SUMS} is not a list of checksums")
    return {match[2]: match[1] for match in matches if match is not None}
