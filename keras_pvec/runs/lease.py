"""The lease of a run that workers on several machines may train.

A file lock does not hold between a worker that a cluster has lost sight of and the
worker that takes its place. So each attempt at a run has a folder of its own, and only
a finished run moves to the folder of the run:

```
seed_0/                       the run, once it is finished
.seed_0.attempts/
    000001/                   made by `mkdir`, which only one process can do
        owner-<id>.json       its host, its process id, and the length of the lease
        heartbeat             a number that grows while the attempt lives
        run-<id>/             the files of the run so far
    000002/                   the attempt that took over; it starts from a copy
```

The attempt with the highest number, its *fencing token*, holds the lease. Its heartbeat
is renewed several times per lease. Another process may take over once it has seen the
same heartbeat for as long as the lease, on its own clock; clocks are never compared.

An attempt that was taken for dead and wakes up writes to its own folder, which nobody
reads any more. It cannot replace the run either: a folder is not renamed to one that
holds files. It notices that it has lost the lease, and stops.

What is required of the file system: `mkdir` and `rename` are atomic, as on any local
disk and on NFS version 3 or later; and a file that one machine has closed is read as
written by another that opens it within the lease.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from keras_pvec.runs.attempts import (
    HEARTBEAT,
    RELEASED,
    attempts_folder,
    latest_attempt,
    remove_attempts,
    stored_attempts,
)
from keras_pvec.runs.errors import RunConflictError
from keras_pvec.runs.lock import LOCK_FILE, lock_folder
from keras_pvec.runs.snapshot import take_snapshot
from keras_pvec.runs.writing import replace_file, write_all

LEASE_S = 120.0
# Renewals per lease. Several may come late before the lease is lost.
_RENEWALS = 6
_DIGITS = 20


class RunBusyError(RunConflictError):
    """Another worker holds the lease of a run."""


class LeaseLostError(RunConflictError):
    """This worker has lost the lease of its run to another one."""


class RunLease:
    """The right to train a run, held by one process at a time; see `hold_lease`.

    Args:
        path: Folder of the run.
        attempt: Folder of this attempt, which this process has made.
        lease_s: Length of the lease, in seconds.

    Attributes:
        path: Folder of the run.
        folder: Where this attempt writes the files of the run.
        token: The fencing token; later attempts have higher ones.
    """

    def __init__(self, path: Path, attempt: Path, lease_s: float) -> None:
        name = uuid.uuid4().hex[:12]
        self.path = path
        self.folder = attempt / f"run-{name}"
        self.token = int(attempt.name)
        self._attempt = attempt
        self._owner = attempt / f"owner-{name}.json"
        self._lease_s = lease_s
        self._beats = 0
        self._renewed = time.monotonic()
        self._is_lost = False
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, daemon=True)

    def start(self) -> None:
        """Writes down who holds the lease, and renews it from now on."""
        owner = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "lease_s": self._lease_s,
        }
        replace_file(self._owner, (json.dumps(owner) + "\n").encode())
        self._write_heartbeat(self._beats)
        self._thread.start()

    def is_current(self) -> bool:
        """Whether no other process has taken over, or has published the run."""
        latest = latest_attempt(self.path)
        return (
            latest is not None
            and latest.token == self.token
            and self._owner.exists()
            and not (self.path / "run.json").exists()
        )

    def check(self) -> None:
        """Checks that the lease is held; cheap enough for every step of a training.

        A process that was suspended for long looks at the storage before it goes on.

        Raises:
            LeaseLostError: Another worker has taken over.
        """
        if time.monotonic() > self._renewed + self._lease_s / 2:
            self._try_to_renew()
        if self._is_lost:
            raise LeaseLostError(f"Another worker has taken over {self.path}.")

    def publish(self) -> None:
        """Moves the files of this attempt to the folder of the run, and ends the lease.

        Raises:
            LeaseLostError: Another worker has taken over, or has published the run.
        """
        if not self.is_current():
            raise LeaseLostError(f"Another worker has taken over {self.path}.")
        _remove_unused(self.path)
        try:
            os.rename(self.folder, self.path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise LeaseLostError(f"Another worker has finished {self.path}.") from error
        self._stop_renewing()
        remove_attempts(self.path)

    def release(self) -> None:
        """Lets another process take over at once."""
        self._stop_renewing()
        with contextlib.suppress(OSError):
            if self.is_current():
                self._write_heartbeat(RELEASED)

    def _keep_renewing(self) -> None:
        while not self._is_ended.wait(self._lease_s / _RENEWALS):
            self._try_to_renew()

    def _stop_renewing(self) -> None:
        self._is_ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _try_to_renew(self) -> None:
        # The storage may be out of reach for a while. What is written then without a
        # lease does no harm.
        with contextlib.suppress(OSError):
            if self._is_lost or not self.is_current():
                self._is_lost = True
                return
            self._beats += 1
            self._write_heartbeat(self._beats)
            self._renewed = time.monotonic()

    def _write_heartbeat(self, value: int) -> None:
        # In place: NFS shows a file with a new inode late, and this content at once.
        path = self._attempt / HEARTBEAT
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            write_all(descriptor, f"{value:>{_DIGITS}}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def hold_lease(path: str | os.PathLike, lease_s: float = LEASE_S) -> Iterator[RunLease]:
    """Waits until the lease of a run is free, and holds it in the context.

    The files of the run are then in `folder` of the lease: those of the attempt before,
    or those that a process of one machine has left in the folder of the run.

    Args:
        path: Folder of the run.
        lease_s: Length of the new lease, in seconds. If the lease before it was not
            released, the wait is as long as that one.

    Raises:
        RunBusyError: Another process holds the lease and is alive.
        RunConflictError: A process of this machine is writing to the folder of the run,
            or its files are in two places.
    """
    path = Path(path)
    attempt = attempts_folder(path) / f"{_wait_until_free(path) + 1:06d}"
    try:
        attempts_folder(path).mkdir(parents=True, exist_ok=True)
        attempt.mkdir()
    except (FileExistsError, FileNotFoundError):
        raise RunBusyError(f"Another worker has just started {path}.") from None
    lease = RunLease(path, attempt, lease_s)
    lease.start()
    try:
        _inherit(lease)
        yield lease
    finally:
        lease.release()


def bring_home(path: str | os.PathLike) -> None:
    """Moves an unfinished run that a cluster has left to the folder of the run, where
    processes of one machine continue it. Nothing happens if there is none.

    Raises:
        RunBusyError: A worker of a cluster is training the run.
    """
    path = Path(path)
    if not attempts_folder(path).exists():
        return
    with hold_lease(path) as lease:
        if lease.folder.exists():
            lease.publish()
        else:  # nothing was written yet
            remove_attempts(path)


def _wait_until_free(path: Path) -> int:
    """The token of the last attempt, once it is known to have ended; 0 if there is
    none."""
    attempt = latest_attempt(path)
    if attempt is None:
        return 0
    seen = (attempt.token, attempt.heartbeat())
    lease_s = attempt.lease_s(LEASE_S)
    deadline = time.monotonic() + lease_s
    while attempt.heartbeat() != RELEASED and time.monotonic() < deadline:
        time.sleep(lease_s / _RENEWALS / 4)
        attempt = latest_attempt(path)
        if attempt is None or (attempt.token, attempt.heartbeat()) != seen:
            raise RunBusyError(f"A worker of a cluster is training {path}.")
    return attempt.token


def _inherit(lease: RunLease) -> None:
    """Gives an attempt the files that the run has so far."""
    earlier = [a for a in stored_attempts(lease.path) if a.token < lease.token]
    folders = [folder for a in earlier if (folder := a.run_folder()) is not None]
    is_home = lease.path.is_dir() and any(lease.path.iterdir())
    if folders and is_home:
        raise RunConflictError(
            f"Files of one run are in {lease.path} and in {folders[-1]}. Delete one of "
            "these folders."
        )
    if folders:
        take_snapshot(folders[-1], lease.folder)
    elif is_home:
        # Of a training on one machine, which holds this lock.
        with lock_folder(lease.path):
            os.rename(lease.path, lease.folder)


def _remove_unused(path: Path) -> None:
    """Removes the folder of a run in which there is nothing but a lock."""
    with contextlib.suppress(OSError):
        if {entry.name for entry in path.iterdir()} == {LOCK_FILE}:
            (path / LOCK_FILE).unlink()
