"""TensorFlow tensors and variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_pvec.solver.arrays import numpy as numpy_library
from keras_pvec.solver.arrays.base import RowProducts, TopFactors, device_parts


def is_on_accelerator(array: Any) -> bool:
    return "CPU" not in getattr(array, "device", "CPU")


def to_numpy(array: Any) -> np.ndarray:
    return numpy_library.to_numpy(array)


def from_numpy(array: np.ndarray) -> tf.Tensor:
    return tf.convert_to_tensor(array)


def flattened(array: Any, n_features: int) -> tf.Tensor:
    return tf.reshape(array, (array.shape[0], n_features))


def largest_magnitude(array: Any) -> float:
    return float(tf.reduce_max(tf.abs(array)))


def products(block: Any, v: np.ndarray, scale: float) -> RowProducts:
    with tf.device(block.device):
        directions = tf.constant(v, tf.float64)
        z = tf.zeros_like(directions)
        sums = tf.zeros(block.shape[1], tf.float64)
        y, squares = [], []
        for rows in device_parts(block.shape):
            x = tf.cast(block[rows], tf.float64) * scale
            y.append(tf.matmul(directions, x, transpose_b=True))
            z += y[-1] @ x
            sums += tf.reduce_sum(x, axis=0)
            squares.append(tf.reduce_sum(x * x, axis=1))
        found = tf.concat(y, axis=1), z, sums, tf.concat(squares, axis=0)
    return RowProducts(*(product.numpy() for product in found))


def top_factors(
    matrix: Any, k: int, scale: float, mean: np.ndarray | None = None
) -> TopFactors:
    with tf.device(matrix.device):
        x = tf.cast(matrix, tf.float64) * scale
        if mean is not None:
            x -= mean
        values, u, v = tf.linalg.svd(x, full_matrices=False)
    return TopFactors(u[:, :k].numpy(), v[:, :k].numpy(), values.numpy())
