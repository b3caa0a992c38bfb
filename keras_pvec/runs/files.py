"""Files of P-vectors: plain arrays by layer, which `numpy.load` can read too."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.runs.arrays import parse_arrays, read_arrays
from keras_pvec.runs.errors import DamagedRunError
from keras_pvec.runs.schema import Moment
from keras_pvec.runs.writing import write_atomically

_FIELDS = [field.name for field in dataclasses.fields(PVector)]
_ARRAYS = ("vectors", "singular_values", "error_deg")
_PER_SAMPLE = ("row_norms", "centered_vector")
_NUMBERS = (
    "frobenius_norm",
    "centered_error_deg",
    "centered_singular_value",
    "centered_frobenius_norm",
)
_TEXTS = ("layer", "samples_name", "samples_sha256")
# Entry of the moment; files of earlier versions have none.
_MOMENT = "moment"
# Checksum of all other arrays; files of earlier versions have none.
_SHA256 = "sha256"


def save_p_vectors(
    path: str | os.PathLike,
    p_vectors: Mapping[str, PVector],
    *,
    moment: Moment | None = None,
) -> None:
    """Writes P-vectors by layer to one `.npz` file, atomically.

    The file holds plain arrays, named `<index>/<field>`, with the names of the layers
    in `layers`; `numpy.load` can read it.

    Args:
        path: Path of the file.
        p_vectors: P-vectors by layer.
        moment: The moment of a training that they belong to.

    Raises:
        OSError: The file cannot be written.
    """
    arrays: dict[str, Any] = {"layers": np.array(list(p_vectors), dtype=str)}
    if moment is not None:
        arrays[_MOMENT] = np.array(moment, dtype=np.int64)
    for i, p in enumerate(p_vectors.values()):
        for name in _FIELDS:
            value = getattr(p, name)
            if value is not None:
                arrays[f"{i}/{name}"] = value
    arrays[_SHA256] = np.array(_checksum(arrays))
    with write_atomically(Path(path)) as file:
        np.savez(file, **arrays)


def load_p_vectors(
    path: str | os.PathLike, moment: Moment | None = None
) -> dict[str, PVector]:
    """Reads what `save_p_vectors` wrote: P-vectors by layer.

    Args:
        path: Path of the file.
        moment: The moment that it should be of, if it says so.

    Raises:
        RunNotFoundError: There is no such file.
        DamagedRunError: The file is damaged, keras_pvec did not write it, or it is of
            another moment.
    """
    return _p_vectors_at(Path(path), read_arrays(path), moment)


def parse_p_vectors(
    path: Path, content: bytes, moment: Moment | None = None
) -> dict[str, PVector]:
    """The P-vectors in the content of a file; see `load_p_vectors`.

    Args:
        path: Path of the file, for errors.
        content: Its content.
        moment: The moment that it should be of, if it says so.
    """
    return _p_vectors_at(path, parse_arrays(path, content), moment)


def _p_vectors_at(
    path: Path, arrays: Mapping[str, np.ndarray], moment: Moment | None
) -> dict[str, PVector]:
    stored = arrays.get(_MOMENT)
    if moment is not None and stored is not None and stored.tolist() != [*moment]:
        raise DamagedRunError(path, f"it holds the P-vectors of {stored.tolist()}")
    return p_vectors_of(path, arrays)


def p_vectors_of(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, PVector]:
    """P-vectors by layer from the arrays of a file.

    Raises:
        DamagedRunError: The arrays are not those of P-vectors.
    """
    p_vectors: dict[str, PVector] = {}
    layer = None
    try:
        layers = arrays["layers"]
        if layers.ndim != 1 or layers.dtype.kind != "U":
            raise ValueError("`layers` holds no names")
        if len(set(layers.tolist())) < len(layers):
            raise ValueError("two layers have the same name")
        for i, layer in enumerate(layers.tolist()):
            stored = {
                name: _scalar_or_array(arrays[f"{i}/{name}"])
                for name in _FIELDS
                if f"{i}/{name}" in arrays
            }
            p = PVector(**stored)
            _check_fields(p)
            p_vectors[layer] = p
        layer = None
        if _SHA256 in arrays and arrays[_SHA256].tolist() != _checksum(arrays):
            raise ValueError("its arrays do not match their checksum")
    # What is raised depends on which array is wrong.
    except Exception as error:
        where = "" if layer is None else f" of layer {layer!r}"
        reason = f"it holds no intact P-vector{where} ({error!r})"
        raise DamagedRunError(path, reason) from error
    return p_vectors


def _checksum(arrays: Mapping[str, Any]) -> str:
    """SHA-256 over names, types, shapes and values of arrays, in hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted({*arrays} - {_SHA256}):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _scalar_or_array(array: np.ndarray) -> Any:
    return array.item() if array.ndim == 0 else array


def _check_fields(p: PVector) -> None:
    """Raises a `ValueError` if stored fields cannot be those of one P-vector."""
    n_samples, k = p.vectors.shape
    arrays = {name: getattr(p, name) for name in (*_ARRAYS, *_PER_SAMPLE)}
    for name, array in arrays.items():
        if array is None and name in _PER_SAMPLE:
            continue
        if array.dtype.kind != "f" or not np.isfinite(array).all() or not array.size:
            raise ValueError(f"`{name}` holds values that are not finite numbers")
        if name in _PER_SAMPLE and array.shape != (n_samples,):
            raise ValueError(f"`{name}` has shape {array.shape}")
    values = p.singular_values
    if values.ndim != 1 or p.error_deg.shape != (k,) or not values[0] > 0:
        raise ValueError("its arrays do not match")
    for name in _NUMBERS:
        number = getattr(p, name)
        is_missing = number is None and name.startswith("centered_")
        if not is_missing and not (isinstance(number, float) and np.isfinite(number)):
            raise ValueError(f"`{name}` is {number!r}")
    if not p.frobenius_norm > 0:
        raise ValueError(f"`frobenius_norm` is {p.frobenius_norm!r}")
    if not isinstance(p.n_features, int) or p.n_features < 1:
        raise ValueError(f"`n_features` is {p.n_features!r}")
    certified = p.certified_error_deg
    if certified is not None and np.shape(certified) != (k,):
        raise ValueError(f"`certified_error_deg` has shape {np.shape(certified)}")
    for name in _TEXTS:
        text = getattr(p, name)
        if text is not None and not isinstance(text, str):
            raise ValueError(f"`{name}` is {text!r}")
