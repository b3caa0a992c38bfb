"""Set-up of a training process: its device and its log filters."""

from __future__ import annotations

from keras_pvec.reproduction.backends import backend

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
    framework = backend()
    framework.prepare()
    if device == "cpu":
        framework.use_cpu()
        return
    if shared:
        framework.allocate_as_needed()
    if device == "gpu" and not framework.has_gpu():
        raise DeviceUnavailableError(
            f"The device 'gpu' was requested, but {framework.TITLE} finds no GPU. Use "
            f"'auto' or 'cpu', or install {framework.TITLE} with GPU support."
        )
