"""P-vectors of the model that a training left, apart from those of its moments."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from keras_pvec.comparison import angle
from keras_pvec.pvector import PVector
from keras_pvec.runs.files import save_p_vectors
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.schema import AfterFit

if TYPE_CHECKING:
    from keras_pvec.runs.recorder import Measured

# The name of that model where an epoch is asked for.
AFTER_FIT = "after_fit"


def after_fit_path(folder: RunFolder) -> Path:
    """Path of the P-vectors of the model that a training left."""
    return folder.pvectors_path / f"{AFTER_FIT}.npz"


def write_after_fit(
    folder: RunFolder,
    weights_sha256: str,
    measured: Measured | None,
    last: Mapping[str, PVector],
) -> None:
    """Stores the model that a training left: its P-vectors, and how far it is from the
    last moment.

    Args:
        folder: The run.
        weights_sha256: Fingerprint of its weights.
        measured: Its P-vectors; `None` if its weights are those of the last moment.
        last: The P-vectors of the last moment.
    """
    after_fit = AfterFit(weights_sha256)
    if measured is None:
        after_fit_path(folder).unlink(missing_ok=True)
    else:
        for layer, error in measured.failures.items():
            warnings.warn(
                f"Layer {layer!r} has no P-vector in the model that `fit` leaves. "
                f"{error}",
                stacklevel=5,
            )
        after_fit = AfterFit(
            weights_sha256,
            differs=True,
            angles_deg={
                layer: angle(p, last[layer])
                for layer, p in measured.p_vectors.items()
                if layer in last
            },
            failures={x: str(error) for x, error in measured.failures.items()},
        )
        folder.pvectors_path.mkdir(parents=True, exist_ok=True)
        save_p_vectors(after_fit_path(folder), measured.p_vectors)
    folder.update_info(after_fit=after_fit)


def remove_after_fit(folder: RunFolder) -> None:
    """Forgets the model that a training left, because the training goes on."""
    if folder.read_info().after_fit is not None:
        folder.update_info(after_fit=None)
    after_fit_path(folder).unlink(missing_ok=True)
