"""Whether the features of a model are random in inference mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

# Passes that are not random may differ by rounding, more so in half precision.
_RELATIVE_DIFFERENCE = 1e-3
_ROUNDINGS = 8
_HALF_PRECISION_EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def drawn_seeds(
    scope: keras.StatelessScope, given: Mapping[int, Any]
) -> dict[int, Any]:
    """The new states of the seed generators from which a forward pass has drawn.

    Args:
        scope: The scope of the forward pass, after it.
        given: The state mapping of the scope before it.

    Returns:
        A dict from the identity of a variable to its new value.
    """
    return {
        key: value
        for key, value in scope.state_mapping.items()
        if value is not given.get(key)
        and tuple(value.shape) == (2,)
        and "int" in keras.backend.standardize_dtype(value.dtype)
    }


def random_layers(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The layers whose features differ between two passes over the same samples."""
    return [
        label for label, features in first.items() if differ(features, second[label])
    ]


def differ(a: Any, b: Any) -> bool:
    """Whether two tensors differ by more than rounding."""
    if a.shape != b.shape:
        return True
    eps = _HALF_PRECISION_EPS.get(keras.backend.standardize_dtype(a.dtype), 0.0)
    a, b = (keras.ops.cast(x, "float32") for x in (a, b))
    difference, largest = (
        float(keras.ops.convert_to_numpy(keras.ops.max(keras.ops.abs(x))))
        for x in (a - b, a)
    )
    # Features that are not finite are left to the solver, which names the samples.
    return difference > max(_RELATIVE_DIFFERENCE, _ROUNDINGS * eps) * largest
