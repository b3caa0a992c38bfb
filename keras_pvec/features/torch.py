"""Feature extraction on PyTorch; see `keras_pvec.features.backends.Adapter`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import torch

from keras_pvec.features.backends import Forward, PreparedForward

COMPILES = False


def is_tensor(value: Any) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not value.is_nested
    )


def is_reachable(tensor: Any) -> bool:
    return True


def snapshot(value: Any) -> Any:
    # A later layer, such as torch.nn.ReLU(inplace=True), may change it in place.
    return keras.tree.map_structure(
        lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, value
    )


def unwrapped(call: Any) -> Any:
    return call  # `_uncompiled` sees to it


def compile_forward(
    model: keras.Model, forward: Forward, inputs: Any
) -> PreparedForward:
    # Keras does not compile its own passes either, unless asked for it.
    return eager_forward(model, forward)


def eager_forward(model: keras.Model, forward: Forward) -> PreparedForward:
    def eager(inputs: Any) -> dict[str, torch.Tensor]:
        with torch.no_grad(), _uncompiled(), _restored(model), _own_random_numbers():
            return forward(_as_tensors(inputs))

    return PreparedForward(eager, restores_state=True)


@contextlib.contextmanager
def _restored(model: keras.Model) -> Iterator[None]:
    """Sets back what Keras does not track: modes and buffers of modules, and tensors
    that are plain attributes."""
    modules = {
        id(module): module
        for layer in model._flatten_layers()
        for module in layer.modules()
    }.values()
    modes = [(module, module.training) for module in modules]
    buffers = [
        (buffer, buffer.clone())
        for module in modules
        for buffer in module.buffers(recurse=False)
    ]
    # Buffers and parameters are not in `vars`, but in dicts of the module.
    attributes = [
        (module, name, value, value.detach().clone())
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    ]
    try:
        yield
    finally:
        for module, mode in modes:
            if module.training != mode:
                module.training = mode
        for buffer, before in buffers:
            buffer.copy_(before)
        for module, name, value, before in attributes:
            vars(module)[name] = value
            if not torch.equal(value, before):
                value.detach().copy_(before)


@contextlib.contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Keeps operations such as `torch.randn` from using up random numbers of the
    training."""
    devices = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
    with torch.random.fork_rng(devices):
        torch.random.default_generator.manual_seed(0)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(0)
        yield


def _uncompiled() -> contextlib.AbstractContextManager[Any]:
    """Runs compiled functions as plain Python, in which layers can be recorded. Their
    compiled code is kept for the training."""
    set_stance = getattr(torch.compiler, "set_stance", None)  # since PyTorch 2.6
    return contextlib.nullcontext() if set_stance is None else set_stance("force_eager")


def _as_tensors(inputs: Any) -> Any:
    # Copies, because a tensor shares the memory of its array, which a layer may change.
    return keras.tree.map_structure(
        lambda array: keras.ops.convert_to_tensor(np.array(array)), inputs
    )
