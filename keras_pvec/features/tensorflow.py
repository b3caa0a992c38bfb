"""Feature extraction on TensorFlow; see `keras_pvec.features.backends.Adapter`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_pvec.features.backends import Forward


def is_tensor(value: Any) -> bool:
    # Rows of ragged and sparse tensors do not have the same features.
    return tf.is_tensor(value) and not isinstance(
        value, (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)
    )


def is_reachable(tensor: Any) -> bool:
    if tf.executing_eagerly() or not hasattr(tensor, "graph"):
        return True
    return tensor.graph is tf.compat.v1.get_default_graph()


def compile_forward(model: keras.Model, forward: Forward, inputs: Any) -> Forward:
    # Traced once, as a graph without AutoGraph, as Keras does with its own steps.
    traced = tf.function(forward, autograph=False)
    traced = traced.get_concrete_function(_as_tensors(inputs))
    of_keras = {id(variable.value) for variable in model.variables}
    # A `StatelessScope` protects the variables of Keras, but not others.
    others = [v for v in traced.graph.variables if id(v) not in of_keras]

    def compiled(inputs: Any) -> dict[str, tf.Tensor]:
        before = [tf.identity(variable) for variable in others]
        try:
            return traced(_as_tensors(inputs))
        finally:
            for variable, value in zip(others, before, strict=True):
                variable.assign(value)

    return compiled


def _as_tensors(inputs: Any) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, inputs)
