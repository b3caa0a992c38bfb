"""Training on PyTorch; see `keras_pvec.reproduction.backends.Backend`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import torch

TITLE = "PyTorch"
DISTRIBUTION = "none"
FUSES_BATCH_NORM = False

# Memory for deterministic products on a GPU, which cuBLAS asks for.
_CUBLAS_WORKSPACE = ":4096:8"


def prepare() -> None:
    pass


def use_cpu() -> None:
    # Keras has chosen its default device when it was imported.
    keras.device("cpu").__enter__()


def has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def allocate_as_needed() -> None:
    pass  # PyTorch always does


def enable_determinism() -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
    torch.use_deterministic_algorithms(True)


def jit_option(jit_compile: bool) -> bool:
    return jit_compile


def build_scope(distribute: str) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext()


def fit_scope(distribute: str) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext()


def n_shares(distribute: str) -> int:
    return 1


def random_state() -> dict[str, np.ndarray]:
    # Keras's dropout draws from PyTorch's generators, not from its own.
    state = {"cpu": torch.get_rng_state().numpy()}
    if torch.cuda.is_available():
        for i, of_device in enumerate(torch.cuda.get_rng_state_all()):
            state[f"cuda_{i}"] = of_device.numpy()
    return state


def set_random_state(state: Mapping[str, np.ndarray]) -> None:
    for name, values in state.items():
        if name == "cpu":
            torch.set_rng_state(torch.from_numpy(values))
        elif int(name.removeprefix("cuda_")) < torch.cuda.device_count():
            torch.cuda.set_rng_state(torch.from_numpy(values), name.replace("_", ":"))


def fused_batch_norm(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
    raise NotImplementedError
