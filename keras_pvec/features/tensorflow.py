"""Feature extraction on TensorFlow; see `keras_pvec.features.backends.Adapter`."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager import context

from keras_pvec.features.backends import Forward, PreparedForward

COMPILES = True


def is_tensor(value: Any) -> bool:
    # Rows of ragged and sparse tensors do not have the same features.
    return tf.is_tensor(value) and not isinstance(
        value, (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)
    )


def is_reachable(tensor: Any) -> bool:
    if tf.executing_eagerly() or not hasattr(tensor, "graph"):
        return True
    return tensor.graph is tf.compat.v1.get_default_graph()


def snapshot(value: Any) -> Any:
    return value  # tensors are immutable


def unwrapped(call: Any) -> Any:
    return getattr(call, "python_function", call)


def compile_forward(
    model: keras.Model, forward: Forward, inputs: Any
) -> PreparedForward:
    # Traced once, as a graph without AutoGraph, as Keras does with its own steps.
    traced = tf.function(lambda inputs: forward(inputs), autograph=False)
    traced = traced.get_concrete_function(_as_tensors(inputs))
    of_keras = {id(variable.value) for variable in model.variables}
    # A `StatelessScope` protects the variables of Keras, but not others.
    others = [v for v in traced.graph.variables if id(v) not in of_keras]

    def compiled(inputs: Any) -> dict[str, tf.Tensor]:
        with _restored(others):
            return traced(_as_tensors(inputs))

    return PreparedForward(compiled, restores_state=bool(others))


def eager_forward(model: keras.Model, forward: Forward) -> PreparedForward:
    def eager(inputs: Any) -> dict[str, tf.Tensor]:
        others = [
            variable
            for layer in model._flatten_layers()
            for value in vars(layer).values()
            for variable in _own_variables(value)
        ]
        with _restored(others), _other_seeds():
            return forward(inputs)

    return PreparedForward(eager, restores_state=True)


@contextlib.contextmanager
def _restored(variables: Sequence[tf.Variable]) -> Iterator[None]:
    before = [tf.identity(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def _other_seeds() -> Iterator[None]:
    """Keeps eager operations such as `tf.random.normal` from using up seeds of the
    training. TensorFlow has no public access to the generator of these seeds."""
    state = context.context()
    seeds = getattr(state, "_rng", None)
    if seeds is None:
        yield
        return
    state._rng = random.Random(0)
    try:
        yield
    finally:
        state._rng = seeds


def _own_variables(value: Any) -> Iterator[tf.Variable]:
    """Variables among the attributes of a layer that are not Keras's."""
    if isinstance(value, tf.Variable):
        yield value
    elif isinstance(value, tf.random.Generator):
        yield value.state
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _own_variables(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _own_variables(part)


def _as_tensors(inputs: Any) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, inputs)
