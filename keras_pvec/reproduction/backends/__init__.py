"""What training needs of a Keras backend and Keras has no common name for.

There is one module for each backend, named for its framework. It is imported only where
that backend is in use.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import keras
import numpy as np

# Ways to share each batch among devices; each backend has at most one.
DISTRIBUTIONS = ("none", "mirrored", "data_parallel")

_MODULES = ("tensorflow", "jax", "torch")


class UnsupportedOnBackendError(ValueError):
    """The Keras backend in use does not have what was requested."""


class Backend(Protocol):
    """What training requires of a backend.

    Attributes:
        TITLE: Name of the framework, for messages.
        DISTRIBUTION: The way in which it shares batches among devices, of
            `DISTRIBUTIONS`; `"none"` if there is none.
        FUSES_BATCH_NORM: Whether `fused_batch_norm` is available.
    """

    TITLE: str
    DISTRIBUTION: str
    FUSES_BATCH_NORM: bool

    def prepare(self) -> None:
        """Sets up what every process needs, such as log filters."""
        ...

    def use_cpu(self) -> None:
        """Computes on the CPU for the rest of the process."""
        ...

    def has_gpu(self) -> bool:
        """Whether the framework finds a GPU."""
        ...

    def allocate_as_needed(self) -> None:
        """Allocates memory of a GPU as needed instead of all at once; to be called
        before the GPU is used."""
        ...

    def enable_determinism(self) -> None:
        """Restricts the process to deterministic operations.

        Raises:
            UnsupportedOnBackendError: It is too late, or not possible.
        """
        ...

    def jit_option(self, jit_compile: bool) -> bool | str:
        """The argument `jit_compile` of `keras.Model.compile`."""
        ...

    def build_scope(self, distribute: str) -> AbstractContextManager[Any]:
        """Context in which a model is built whose batches are shared."""
        ...

    def fit_scope(self, distribute: str) -> AbstractContextManager[Any]:
        """Context in which such a model is trained."""
        ...

    def n_shares(self, distribute: str) -> int:
        """Number by which the size of each batch must be divisible."""
        ...

    def random_state(self) -> Mapping[str, np.ndarray]:
        """State of the framework's own random generators that layers draw from, beside
        those of Keras; empty if there are none."""
        ...

    def set_random_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Restores what `random_state` returned."""
        ...

    def fused_batch_norm(
        self,
        inputs: Any,
        *,
        scale: Any,
        offset: Any,
        epsilon: float,
        moments: tuple[Any, Any] | None = None,
    ) -> tuple[Any, Any, Any]:
        """Batch normalization of images, channels last, as one operation.

        Args:
            inputs: Images, shape `(n, height, width, channels)`.
            scale: Shape `(channels,)`.
            offset: Shape `(channels,)`.
            epsilon: Added to the variance.
            moments: Means and variances to normalize with, shape `(channels,)` each;
                default: those of the batch.

        Returns:
            The outputs, and the means and unbiased variances that were used.
        """
        ...


def backend() -> Backend:
    """The module of the Keras backend in use.

    Raises:
        UnsupportedOnBackendError: There is none for that backend.
    """
    name = keras.backend.backend()
    if name not in _MODULES:
        raise UnsupportedOnBackendError(
            f"Networks are trained on one of the backends {', '.join(_MODULES)}. "
            f"Received: {name!r}. Set KERAS_BACKEND before keras is imported."
        )
    module: Any = importlib.import_module(f"{__name__}.{name}")
    return module


def check_distribution(distribute: str) -> None:
    """Raises an error unless the backend in use shares batches in that way.

    Raises:
        UnsupportedOnBackendError: It does not.
    """
    there = backend()
    possible = list(dict.fromkeys(["none", there.DISTRIBUTION]))
    if distribute not in possible:
        raise UnsupportedOnBackendError(
            f"`distribute` must be {' or '.join(map(repr, possible))} on "
            f"{there.TITLE}. Received: {distribute!r}"
        )
