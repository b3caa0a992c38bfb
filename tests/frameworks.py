"""Tests that run on some Keras backends only, and tensors of any backend."""

import keras
import numpy as np
import pytest

BACKEND = keras.backend.backend()
needs_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="uses operations of TensorFlow"
)
needs_jax = pytest.mark.skipif(BACKEND != "jax", reason="is about JAX")
needs_torch = pytest.mark.skipif(BACKEND != "torch", reason="is about PyTorch")


def as_numpy(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)
