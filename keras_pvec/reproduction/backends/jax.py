"""Training on JAX; see `keras_pvec.reproduction.backends.Backend`."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Mapping
from typing import Any

import jax
import keras
import numpy as np

from keras_pvec.reproduction.backends import UnsupportedOnBackendError

TITLE = "JAX"
DISTRIBUTION = "data_parallel"
FUSES_BATCH_NORM = False  # XLA fuses the operations of Keras's own

_DETERMINISM_FLAG = "--xla_gpu_deterministic_ops=true"


def prepare() -> None:
    # It tells which accelerators it has no library for.
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)


def use_cpu() -> None:
    jax.config.update("jax_platforms", "cpu")


def has_gpu() -> bool:
    try:
        return bool(jax.devices("gpu"))
    except RuntimeError:
        return False


def allocate_as_needed() -> None:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def enable_determinism() -> None:
    # XLA reads its flags once, when it starts.
    if has_gpu() and _DETERMINISM_FLAG not in os.environ.get("XLA_FLAGS", ""):
        raise UnsupportedOnBackendError(
            "On a GPU, JAX is deterministic only if the environment says so from the "
            f"start: XLA_FLAGS={_DETERMINISM_FLAG}"
        )


def jit_option(jit_compile: bool) -> bool | str:
    # Without XLA, Keras would run every operation on its own.
    return True if jit_compile else "auto"


def build_scope(distribute: str) -> contextlib.AbstractContextManager[Any]:
    if distribute == "none":
        return contextlib.nullcontext()
    return _data_parallel().scope()


def fit_scope(distribute: str) -> contextlib.AbstractContextManager[Any]:
    return build_scope(distribute)


def n_shares(distribute: str) -> int:
    return 1 if distribute == "none" else len(keras.distribution.list_devices())


def random_state() -> dict[str, np.ndarray]:
    return {}


def set_random_state(state: Mapping[str, np.ndarray]) -> None:
    pass


def fused_batch_norm(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
    raise NotImplementedError


@functools.cache
def _data_parallel() -> keras.distribution.DataParallel:
    # The batches are the same in each process, so Keras is not to split them again.
    return keras.distribution.DataParallel(
        devices=keras.distribution.list_devices(), auto_shard_dataset=False
    )
