"""The task of a worker of a Ray cluster: one attempt at one run. Imports no Ray."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import SPLITS, ImageData, ImageSplit
from keras_pvec.reproduction.devices import prepare_process
from keras_pvec.reproduction.failures import remove_traceback
from keras_pvec.reproduction.runner.execution import save_failure
from keras_pvec.reproduction.runner.job import Job, RunFailure
from keras_pvec.reproduction.runner.stored import needs_training
from keras_pvec.reproduction.runner.versions import version_difference, versions
from keras_pvec.runs import (
    LeaseLostError,
    RunBusyError,
    RunConflictError,
    RunFolder,
    RunLease,
    hold_lease,
)

# The note in `run.json` on who trained the run.
ATTEMPTS_NOTE = "attempts"


class Ended(NamedTuple):
    """A run is finished, or has failed.

    Attributes:
        failure: The failure, or `None`.
    """

    failure: RunFailure | None = None


class Busy(NamedTuple):
    """Another worker is training the run."""


class OtherVersion(NamedTuple):
    """The worker has other versions than the program.

    Attributes:
        host: Its host.
        difference: The first difference, as a clause.
    """

    host: str
    difference: str


Outcome = Ended | Busy | OtherVersion


class Order(NamedTuple):
    """What a worker is to do.

    Attributes:
        job: The run.
        device: As in `prepare_process`.
        shares_device: Whether other processes use the same device.
        lease_s: Length of the lease of the run, in seconds.
    """

    job: Job
    device: str
    shares_device: bool
    lease_s: float


def train_attempt(
    expected: Mapping[str, str], order: bytes, arrays: Mapping[str, Any]
) -> Outcome:
    """Trains a run, or goes on with it where another worker was lost.

    Args:
        expected: The versions of the program.
        order: A pickled `Order`; it can be read only with the same version.
        arrays: The data set, from `data_arrays`.
    """
    difference = version_difference(expected, versions())
    if difference is not None:
        return OtherVersion(socket.gethostname(), difference)
    job, device, shares_device, lease_s = pickle.loads(order)
    _heed_cancellation()
    try:
        prepare_process(device, shared=shares_device)
        if not needs_training(job):
            return Ended()
        with hold_lease(job.path, lease_s) as lease:
            return _train(job, data_from_arrays(arrays), lease)
    except (RunBusyError, LeaseLostError):
        return Busy()
    except Exception as error:
        if isinstance(error, RunConflictError) and _is_finished(job):
            return Ended()  # another worker was faster
        return Ended(save_failure(job, error))


def _heed_cancellation() -> None:
    """Lets Ray interrupt this process, even if Ray was started with `nohup`."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _train(job: Job, whole: ImageData, lease: RunLease) -> Outcome:
    try:
        _note_attempt(lease)
        training.train(
            job.settings,
            job.data.select_from(whole),
            lease.folder,
            reference=job.reference,
            callbacks=[LeaseCheck(lease)],
        )
    except Exception as error:
        # Whoever takes over may remove the files under our hands.
        if isinstance(error, LeaseLostError) or not lease.is_current():
            return Busy()
        return Ended(save_failure(job, error))
    lease.publish()
    # The report of an earlier failure is outdated.
    remove_traceback(job.traceback_path)
    return Ended()


def _is_finished(job: Job) -> bool:
    try:
        return not needs_training(job)
    except RunConflictError:
        return False


def _note_attempt(lease: RunLease) -> None:
    """Records in `run.json` which worker trains the run from which epoch on."""
    folder = RunFolder(lease.folder)
    entry = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "token": lease.token,
        "epochs_done": training.epochs_done(lease.folder),
    }
    earlier = folder.read_info().notes.get(ATTEMPTS_NOTE, [])
    folder.note(**{ATTEMPTS_NOTE: [*earlier, entry]})


class LeaseCheck(keras.callbacks.Callback):
    """Stops a training whose run another worker has taken over.

    Args:
        lease: The lease of the run.
    """

    def __init__(self, lease: RunLease) -> None:
        super().__init__()
        self._lease = lease

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._lease.check()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._lease.check()


def data_arrays(data: ImageData) -> dict[str, Any]:
    """A data set as plain arrays and numbers, which any version can receive."""
    arrays: dict[str, Any] = {
        "name": data.name,
        "n_classes": data.n_classes,
        "augment": data.augment,
    }
    for split in SPLITS:
        images = getattr(data, split)
        arrays[f"{split}_largest"] = images.largest
        # Not memory maps, whose files the workers may not have.
        arrays[f"{split}_images"] = np.asarray(images.images)
        arrays[f"{split}_labels"] = np.asarray(images.labels)
    return arrays


def data_from_arrays(arrays: Mapping[str, Any]) -> ImageData:
    """The data set that `data_arrays` took apart."""
    splits = {
        split: ImageSplit(
            arrays[f"{split}_images"],
            arrays[f"{split}_labels"],
            arrays[f"{split}_largest"],
        )
        for split in SPLITS
    }
    return ImageData(
        arrays["name"],
        **splits,
        n_classes=arrays["n_classes"],
        augment=arrays["augment"],
    )
