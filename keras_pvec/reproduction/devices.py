"""What a process that trains is set up with: its device, and quiet logs."""

from __future__ import annotations

import logging

import keras

DEVICES = ("auto", "cpu", "gpu")


class DeviceUnavailableError(RuntimeError):
    """The device that was asked for is not there."""


def prepare_process(device: str = "auto", *, shared: bool = False) -> None:
    """Chooses where this process computes; to be called before its first model.

    Args:
        device: `"auto"`, `"cpu"`, or `"gpu"`.
        shared: Whether other processes use the same device, so that its memory is to
            be taken as needed and not all at once.

    Raises:
        ValueError: Another name.
        DeviceUnavailableError: There is no such device.
    """
    if device not in DEVICES:
        raise ValueError(f"`device` must be one of {DEVICES}. Received: {device!r}")
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    tf.get_logger().addFilter(_is_worth_telling)
    logging.getLogger("absl").addFilter(_is_worth_telling)
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return
    accelerators = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not accelerators:
        raise DeviceUnavailableError(
            "--device=gpu was asked for, but TensorFlow sees no GPU."
        )
    if shared:
        for accelerator in accelerators:
            tf.config.experimental.set_memory_growth(accelerator, True)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    # Every model is traced once; TensorFlow counts over all of them.
    return "triggered tf.function retracing" not in record.getMessage()
