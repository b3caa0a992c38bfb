"""Training on TensorFlow; see `keras_pvec.reproduction.backends.Backend`."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

TITLE = "TensorFlow"
DISTRIBUTION = "mirrored"
FUSES_BATCH_NORM = True


def prepare() -> None:
    tf.get_logger().addFilter(_is_no_retracing_warning)
    logging.getLogger("absl").addFilter(_is_no_retracing_warning)


def use_cpu() -> None:
    tf.config.set_visible_devices([], "GPU")


def has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def allocate_as_needed() -> None:
    for accelerator in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(accelerator, True)


def enable_determinism() -> None:
    tf.config.experimental.enable_op_determinism()


def jit_option(jit_compile: bool) -> bool:
    return jit_compile


def build_scope(distribute: str) -> contextlib.AbstractContextManager[Any]:
    if distribute == "none":
        return contextlib.nullcontext()
    return mirrored_strategy().scope()


def fit_scope(distribute: str) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext()  # a model knows its strategy


def n_shares(distribute: str) -> int:
    return 1  # the strategy splits batches of any size


def random_state() -> dict[str, np.ndarray]:
    return {}


def set_random_state(state: Mapping[str, np.ndarray]) -> None:
    pass


def fused_batch_norm(
    inputs: Any,
    *,
    scale: Any,
    offset: Any,
    epsilon: float,
    moments: tuple[Any, Any] | None = None,
) -> tuple[Any, Any, Any]:
    mean, variance = (None, None) if moments is None else moments
    return tf.compat.v1.nn.fused_batch_norm(
        inputs,
        scale,
        offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=moments is None,
    )


@functools.cache
def mirrored_strategy() -> tf.distribute.MirroredStrategy:
    """One strategy for all runs of a process, since each occupies its devices.

    `keras.distribution` is not ready for TensorFlow.
    """
    return tf.distribute.MirroredStrategy()


def _is_no_retracing_warning(record: logging.LogRecord) -> bool:
    # TensorFlow counts traces over all models of the process, each of which is traced
    # once.
    return "triggered tf.function retracing" not in record.getMessage()
