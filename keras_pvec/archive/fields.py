"""The fields of a `PVector` as arrays that can be stacked over moments, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.runs import p_vectors_of

# Every layer has these.
_REQUIRED = (
    "vectors",
    "singular_values",
    "error_deg",
    "frobenius_norm",
    "n_features",
    "centered_error_deg",
)
# A P-vector may lack these; NaN stands for what is missing.
_OPTIONAL = (
    "certified_error_deg",
    "row_norms",
    "centered_vector",
    "centered_singular_value",
    "centered_frobenius_norm",
)
FIELDS = (*_REQUIRED, *_OPTIONAL)


def arrays_of(p: PVector) -> dict[str, np.ndarray]:
    """The fields of a P-vector as arrays; NaN for what it lacks."""
    lacking = {
        "certified_error_deg": np.full(p.k, np.nan),
        "row_norms": np.full(p.n_samples, np.nan),
        "centered_vector": np.full(p.n_samples, np.nan),
        "centered_singular_value": np.array(np.nan),
        "centered_frobenius_norm": np.array(np.nan),
    }
    arrays = {}
    for name in FIELDS:
        value = getattr(p, name)
        arrays[name] = lacking[name] if value is None else np.asarray(value)
    return arrays


def p_vector_of(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    layer: str,
    samples_name: str | None,
    samples_sha256: str | None,
) -> PVector:
    """A P-vector from its fields as arrays.

    Args:
        path: Path of the archive, for errors.
        arrays: The fields at one moment.
        layer: Name of the layer.
        samples_name: Name of the sample set.
        samples_sha256: Its fingerprint.

    Raises:
        DamagedRunError: The arrays are not those of a P-vector.
    """
    texts = {"samples_name": samples_name, "samples_sha256": samples_sha256}
    entries: dict[str, Any] = {
        f"0/{name}": array
        for name, array in arrays.items()
        if name not in _OPTIONAL or not np.isnan(array).all()
    }
    entries |= {f"0/{k}": np.array(v) for k, v in texts.items() if v is not None}
    entries |= {"layers": np.array([layer]), "0/layer": np.array(layer)}
    return p_vectors_of(path, entries)[layer]
