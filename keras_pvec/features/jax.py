"""Feature extraction on JAX; see `keras_pvec.features.backends.Adapter`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras

from keras_pvec.features.backends import Forward, PreparedForward

COMPILES = True
# Errors of Python code that needs the values of tensors, which a trace does not have.
_NEEDS_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def is_tensor(value: Any) -> bool:
    return isinstance(value, jax.Array)


def is_reachable(tensor: Any) -> bool:
    if not isinstance(tensor, jax.core.Tracer):
        return True
    # Under a trace, every operation returns a tracer of it. JAX has no public name for
    # the trace of a tracer, and tells only at the end of a trace that one has leaked.
    here = jnp.zeros(())
    return getattr(here, "_trace", None) is getattr(tensor, "_trace", None)


def snapshot(value: Any) -> Any:
    return value  # arrays are immutable


def unwrapped(call: Any) -> Any:
    return call


def compile_forward(
    model: keras.Model, forward: Forward, inputs: Any
) -> PreparedForward:
    variables = list(model.variables)
    # Dicts come out of a compiled function with their keys sorted.
    labels: list[str] = []

    def features_of(values: list[Any], inputs: Any) -> list[Any]:
        features = forward(inputs, tuple(zip(variables, values, strict=True)))
        labels[:] = features
        return list(features.values())

    compiled = jax.jit(features_of)

    def run(inputs: Any) -> dict[str, Any]:
        # Arguments, because weights would be compiled in as constants.
        values = [variable.value for variable in variables]
        return dict(zip(labels, compiled(values, inputs), strict=True))

    try:
        compiled.trace([variable.value for variable in variables], inputs)
    except _NEEDS_VALUES:  # Keras trains such a model with `run_eagerly`
        return eager_forward(model, forward)
    return PreparedForward(run, restores_state=False)


def eager_forward(model: keras.Model, forward: Forward) -> PreparedForward:
    return PreparedForward(forward, restores_state=False)
