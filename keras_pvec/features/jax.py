"""Feature extraction on JAX; see `keras_pvec.features.backends.Adapter`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

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

    with _restored(model) as attributes:
        try:
            compiled.trace([variable.value for variable in variables], inputs)
        except _NEEDS_VALUES:  # Keras trains such a model with `run_eagerly`
            return eager_forward(model, forward)
        if any(attribute.is_changed() for attribute in attributes):
            # A compiled pass would see the arrays of the trace.
            return eager_forward(model, forward)
    return PreparedForward(run, restores_state=False)


def eager_forward(model: keras.Model, forward: Forward) -> PreparedForward:
    def eager(inputs: Any) -> dict[str, Any]:
        with _restored(model):
            return forward(inputs)

    return PreparedForward(eager, restores_state=True)


class _ArrayAttribute(NamedTuple):
    """An array that is an attribute of a layer, which Keras does not track."""

    layer: keras.layers.Layer
    name: str
    value: jax.Array

    def is_changed(self) -> bool:
        return vars(self.layer).get(self.name) is not self.value


@contextlib.contextmanager
def _restored(model: keras.Model) -> Iterator[list[_ArrayAttribute]]:
    """Sets back arrays that a pass replaces among the attributes of layers."""
    attributes = [
        _ArrayAttribute(layer, name, value)
        for layer in model._flatten_layers()
        for name, value in vars(layer).items()
        if isinstance(value, jax.Array)
    ]
    try:
        yield attributes
    finally:
        for attribute in attributes:
            if attribute.is_changed():
                # Past `Layer.__setattr__`, which is for new attributes.
                vars(attribute.layer)[attribute.name] = attribute.value
