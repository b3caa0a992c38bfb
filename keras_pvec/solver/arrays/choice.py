"""Which library an array belongs to."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from keras_pvec.solver.arrays.base import ArrayLibrary

_NUMPY = "numpy"
# The module for arrays of each package, by the root of the name that their type has.
_MODULE_OF_PACKAGE = {
    "tensorflow": "tensorflow",
    "jax": "jax",
    "jaxlib": "jax",
    "torch": "torch",
}


def library_of(array: Any) -> ArrayLibrary:
    """The library of an array, by its type; NumPy if it is of none of the frameworks.

    Subclasses count as what they derive from.
    """
    for base in type(array).__mro__:
        package = base.__module__.partition(".")[0]
        if package in _MODULE_OF_PACKAGE:
            return _library(_MODULE_OF_PACKAGE[package])
    return _library(_NUMPY)


def keras_library() -> ArrayLibrary:
    """The library of the Keras backend; NumPy where Keras has none of the frameworks,
    or cannot be imported for want of one."""
    try:
        import keras
    except ImportError:
        return _library(_NUMPY)
    return _library(_MODULE_OF_PACKAGE.get(keras.backend.backend(), _NUMPY))


def to_numpy(array: Any) -> np.ndarray:
    """An array or tensor in NumPy, wherever it is; bfloat16 becomes float32."""
    return library_of(array).to_numpy(array)


def _library(name: str) -> ArrayLibrary:
    module: Any = importlib.import_module(f"keras_pvec.solver.arrays.{name}")
    return module
