"""PyTorch tensors and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from keras_pvec.solver.arrays.base import RowProducts, TopFactors, device_parts

# Devices without float64; their tensors are multiplied on the CPU.
_WITHOUT_FLOAT64 = ("mps",)
# Types that NumPy has as well.
_TYPES_OF_NUMPY = (
    torch.float16,
    torch.float32,
    torch.float64,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.complex64,
    torch.complex128,
)


def is_on_accelerator(array: Any) -> bool:
    return array.device.type not in ("cpu", *_WITHOUT_FLOAT64)


def to_numpy(array: Any) -> np.ndarray:
    tensor = array.detach()
    if tensor.dtype not in _TYPES_OF_NUMPY:
        tensor = tensor.to(torch.float32)
    return tensor.cpu().resolve_conj().resolve_neg().numpy()


def from_numpy(array: np.ndarray) -> torch.Tensor:
    # A copy, since PyTorch warns of arrays that must not be written to.
    return torch.tensor(array, device="cuda" if torch.cuda.is_available() else "cpu")


def flattened(array: Any, n_features: int) -> torch.Tensor:
    return array.detach().reshape(array.shape[0], n_features)


def largest_magnitude(array: Any) -> float:
    return float(array.detach().abs().max())


@torch.no_grad()
def products(block: Any, v: np.ndarray, scale: float) -> RowProducts:
    directions = torch.tensor(v, dtype=torch.float64, device=block.device)
    z = torch.zeros_like(directions)
    sums = torch.zeros(block.shape[1], dtype=torch.float64, device=block.device)
    y, squares = [], []
    for rows in device_parts(block.shape):
        x = block[rows].to(torch.float64) * scale
        y.append(directions @ x.T)
        z += y[-1] @ x
        sums += x.sum(dim=0)
        squares.append((x * x).sum(dim=1))
    found = torch.cat(y, dim=1), z, sums, torch.cat(squares)
    return RowProducts(*(product.cpu().numpy() for product in found))


@torch.no_grad()
def top_factors(
    matrix: Any, k: int, scale: float, mean: np.ndarray | None = None
) -> TopFactors:
    x = matrix.to(torch.float64) * scale
    if mean is not None:
        x -= torch.tensor(mean, device=x.device)
    u, values, vt = torch.linalg.svd(x, full_matrices=False)
    return TopFactors(*(a.cpu().numpy() for a in (u[:, :k], vt[:k].T, values)))
