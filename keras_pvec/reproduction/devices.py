"""Set-up of a training process: its device and its log filters."""

from __future__ import annotations

import logging

import keras

DEVICES = ("auto", "cpu", "gpu")


class DeviceUnavailableError(RuntimeError):
    """This machine does not have the requested device."""


def prepare_process(device: str = "auto", *, shared: bool = False) -> None:
    """Chooses the device of this process. Call it before the first model is built.

    Args:
        device: `"auto"`, `"cpu"`, or `"gpu"`.
        shared: Whether other processes use the same device. Its memory is then
            allocated as needed instead of all at once.

    Raises:
        ValueError: `device` is none of these.
        DeviceUnavailableError: This machine does not have that device.
    """
    if device not in DEVICES:
        raise ValueError(f"`device` must be one of {DEVICES}. Received: {device!r}")
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    tf.get_logger().addFilter(_is_no_retracing_warning)
    logging.getLogger("absl").addFilter(_is_no_retracing_warning)
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return
    accelerators = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not accelerators:
        raise DeviceUnavailableError(
            "The device 'gpu' was requested, but TensorFlow finds no GPU. Use 'auto' "
            "or 'cpu', or install TensorFlow with GPU support."
        )
    if shared:
        for accelerator in accelerators:
            tf.config.experimental.set_memory_growth(accelerator, True)


def _is_no_retracing_warning(record: logging.LogRecord) -> bool:
    # TensorFlow counts traces over all models of the process, each of which is traced
    # once.
    return "triggered tf.function retracing" not in record.getMessage()
