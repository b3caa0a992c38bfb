"""Reads `.npz` files of a run without trusting the sizes that they declare."""

from __future__ import annotations

import io
import math
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from keras_pvec.runs.errors import DamagedRunError
from keras_pvec.runs.reading import read_content

# The largest are checkpoints of networks.
_MAX_BYTES = 2**36
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads all arrays of an `.npz` file that keras_pvec wrote.

    Such files are not compressed. No array can be larger than the file, and none that
    claims to be is allocated.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: The file is damaged, or keras_pvec did not write it.
    """
    path = Path(path)
    return parse_arrays(path, read_content(path, _MAX_BYTES))


def parse_arrays(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """The arrays in the content of an `.npz` file; see `read_arrays`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_sizes(members, len(content))
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    name = member.filename.removesuffix(".npy")
                    arrays[name] = _read_array(file, member.file_size)
            return arrays
    # The type of the error depends on where the file is damaged.
    except Exception as error:
        raise DamagedRunError(path, f"it is no intact .npz file ({error})") from error


def _check_sizes(members: list[zipfile.ZipInfo], n_bytes: int) -> None:
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("its arrays are compressed")
    # Members that overlap add up to more.
    if sum(member.file_size for member in members) > n_bytes:
        raise ValueError("its arrays claim to be larger than the file")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two of its arrays have the same name")


def _read_array(file: IO[bytes], size: int) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    if version not in _READ_HEADER:
        raise ValueError(f"arrays of version {version}")
    shape, fortran_order, dtype = _READ_HEADER[version](file)
    if dtype.hasobject:
        raise ValueError("it holds objects, not numbers or text")
    # To the end, so that the checksum of the member is checked.
    values = file.read()
    count = math.prod(shape)
    if any(n < 0 for n in shape) or count * dtype.itemsize != len(values):
        raise ValueError(f"an array of shape {shape} has {len(values):,} bytes")
    if dtype.itemsize == 0 and count > size:
        raise ValueError(f"an array of shape {shape} has no content")
    flat = np.frombuffer(values, dtype, count) if values else np.empty(count, dtype)
    # A copy, since arrays on bytes cannot be written to.
    return flat.reshape(shape, order="F" if fortran_order else "C").copy()
