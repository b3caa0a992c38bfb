"""Trains runs as tasks of a Ray cluster. Only this module imports Ray.

The same contract as `WorkerPool`: runs are distributed, lost workers are replaced, and
progress is reported. Workers send nothing but the outcome of a run: what they have
trained is in the run folders, where the progress is read as well.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import pickle
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import keras

from keras_pvec.reproduction.failures import error_text
from keras_pvec.reproduction.runner.cluster import ClusterError, RayCluster
from keras_pvec.reproduction.runner.job import Job, RunFailure
from keras_pvec.reproduction.runner.progress import (
    Finished,
    Progress,
    RunWatch,
)
from keras_pvec.reproduction.runner.ray_task import (
    Busy,
    Order,
    OtherVersion,
    Outcome,
    data_arrays,
    train_attempt,
)
from keras_pvec.reproduction.runner.stored import needs_training
from keras_pvec.reproduction.runner.versions import versions
from keras_pvec.reproduction.runner.workers import THREAD_VARIABLES
from keras_pvec.runs import RunError

_POLL_S = 1.0
# Tasks that wait for each run that is trained, so that no worker waits for the driver.
_QUEUED_PER_SLOT = 2
_CONNECT_S = 10.0
# Of a Ray that is started here, besides the data sets.
_OBJECT_STORE_BYTES = 512 << 20
_STOP_S = 15.0
_TOKEN_PATH = "~/.ray/auth_token"


class RayPool:
    """Distributes runs among the workers of a Ray cluster.

    Connects to the cluster at once, so that its errors come first.

    Args:
        cluster: The cluster, and the resources of one run.

    Raises:
        ClusterError: Ray is not installed, there is no cluster at the address, or no
            node has the resources of a run.
    """

    def __init__(self, cluster: RayCluster) -> None:
        self._cluster = cluster
        self._ray = _import_ray()
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            _connect(self._ray, cluster)
        self._data: dict[tuple[str, str | None], Any] = {}
        self._running: dict[Any, Job] = {}
        self._waiting: collections.deque[Job] = collections.deque()
        # Runs that other workers are training, and when to look at them again.
        self._busy: collections.deque[tuple[float, Job]] = collections.deque()
        self._watch = RunWatch()
        self._failures: list[RunFailure] = []

    def __enter__(self) -> RayPool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            self._ray.shutdown()

    @property
    def slots(self) -> int:
        """Number of runs that the cluster trains at the same time.

        Raises:
            ClusterError: No node has the resources of a run.
        """
        n = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                n += _slots_of(node["Resources"], self._cluster)
        if n < 1:
            raise ClusterError(
                f"No node of the Ray cluster has {self._cluster.num_cpus} CPUs and "
                f"{self._cluster.num_gpus:g} GPUs for a run. Ask for less with "
                "--num_cpus and --num_gpus, or add a node."
            )
        return n

    def run(
        self,
        jobs: Sequence[Job],
        device: str,
        report: Callable[[Job, Progress | Finished], None],
    ) -> list[RunFailure]:
        """Trains all runs, and returns those that failed.

        Args:
            jobs: The runs, in the order in which they are started.
            device: As in `prepare_process`.
            report: Receives the progress of the runs, and their ends.

        Raises:
            ClusterError: A worker has another version of a package.
        """
        self._waiting.extend(jobs)
        task = self._task()
        try:
            while self._waiting or self._running or self._busy:
                for job in self._requeue():
                    report(job, Finished(None))
                limit = self._n_submitted()
                while self._waiting and len(self._running) < limit:
                    job = self._waiting.popleft()
                    self._running[self._submit(task, job, device)] = job
                for job, end in self._receive():
                    report(job, end)
                for job in [*self._running.values(), *(job for _, job in self._busy)]:
                    if (progress := self._watch.progress(job)) is not None:
                        report(job, progress)
        finally:
            self._stop()
        return self._failures

    def _task(self) -> Any:
        """The remote function: that of the package which is installed on the node."""
        cluster = self._cluster
        threads = dict.fromkeys(THREAD_VARIABLES, str(max(cluster.num_cpus, 1)))
        variables = {**threads, "KERAS_BACKEND": keras.backend.backend()}
        return self._ray.remote(
            num_cpus=cluster.num_cpus,
            num_gpus=cluster.num_gpus,
            max_calls=1,  # TensorFlow does not give memory back
            max_retries=cluster.max_retries,
            retry_exceptions=False,
            runtime_env={"env_vars": variables},
        )(train_attempt)

    def _submit(self, task: Any, job: Job, device: str) -> Any:
        self._watch.add(job)
        order = Order(
            job,
            device,
            not float(self._cluster.num_gpus).is_integer(),
            self._cluster.lease_s,
        )
        return task.remote(versions(), pickle.dumps(order), self._data_of(job))

    def _data_of(self, job: Job) -> Any:
        """Reference to a data set, which each node fetches once."""
        key = (job.data.name, job.data.data_dir)
        if key not in self._data:
            self._data[key] = self._ray.put(data_arrays(job.data.load_whole()))
        return self._data[key]

    def _n_submitted(self) -> int:
        with contextlib.suppress(ClusterError):  # nodes may come back
            return (1 + _QUEUED_PER_SLOT) * self.slots
        return 1

    def _receive(self) -> list[tuple[Job, Finished]]:
        """Waits for outcomes, for a moment; returns the runs that have ended."""
        if not self._running:
            time.sleep(_POLL_S)
            return []
        refs = list(self._running)
        # All that are there after the first one.
        done, _ = self._ray.wait(refs, num_returns=1, timeout=_POLL_S)
        if done:
            done, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        ended = []
        for ref in done:
            job = self._running.pop(ref)
            try:
                end = self._settle(job, self._ray.get(ref))
            # Lost to the worker, before the task began.
            except self._ray.exceptions.ObjectLostError as error:
                end = _lost(job, error)
            except self._ray.exceptions.RayTaskError as error:
                # The task returns its errors, so it has not begun.
                raise ClusterError(
                    f"The worker{_address_in(error)} cannot run keras_pvec "
                    f"{versions()['keras-pvec']} ({_last_line(error)}). Install the "
                    "same versions on all nodes of the cluster."
                ) from error
            except self._ray.exceptions.RayError as error:
                end = _lost(job, error)
            if end is not None:
                ended.append((job, end))
                if end.failure is not None:
                    self._failures.append(end.failure)
        return ended

    def _settle(self, job: Job, outcome: Outcome) -> Finished | None:
        """The end of a run, unless another worker is training it."""
        if isinstance(outcome, OtherVersion):
            raise ClusterError(
                f"The worker on {outcome.host} {outcome.difference}. Install the same "
                "versions on all nodes of the cluster."
            )
        if isinstance(outcome, Busy):
            # Its folder is looked at again later.
            self._busy.append((time.monotonic() + self._cluster.lease_s / 4, job))
            return None
        return Finished(outcome.failure)

    def _requeue(self) -> list[Job]:
        """Takes up the runs that other workers were training a while ago.

        Returns:
            Those that have been finished meanwhile.
        """
        finished = []
        while self._busy and self._busy[0][0] <= time.monotonic():
            _, job = self._busy.popleft()
            with contextlib.suppress(RunError):
                if not needs_training(job):
                    finished.append(job)
                    continue
            self._waiting.append(job)
        return finished

    def _stop(self) -> None:
        """Cancels what is still running; its workers give up their leases."""
        refs = list(self._running)
        self._running.clear()
        if not refs:
            return
        with contextlib.suppress(self._ray.exceptions.RayError):
            for ref in refs:
                self._ray.cancel(ref)
            self._ray.wait(refs, num_returns=len(refs), timeout=_STOP_S)


def _lost(job: Job, error: Exception) -> Finished:
    """The end of a run whose worker, or its data, was lost too often."""
    return Finished(RunFailure(job.path, f"its worker was lost: {error_text(error)}"))


def _import_ray() -> ModuleType:
    _use_token()
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ClusterError(
            "--cluster=ray needs Ray, which is not installed: "
            "pip install 'keras-pvec[ray]'."
        ) from error
    return ray


def _use_token() -> None:
    """Lets Ray use the token of this machine, if there is one and nothing else is set.

    `ray start` asks for it by then, but `ray.init` sends it to an address only if it is
    told so before Ray is imported. A cluster that asks for no token ignores it.
    """
    if "ray" in sys.modules:  # its servers would ask for what it does not send
        return
    path = os.environ.get("RAY_AUTH_TOKEN_PATH", _TOKEN_PATH)
    if "RAY_AUTH_TOKEN" in os.environ or os.path.exists(os.path.expanduser(path)):
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _connect(ray: ModuleType, cluster: RayCluster) -> None:
    """Connects to the cluster, or starts one on this machine."""
    address = cluster.address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {}
    if address == "local":
        options = {
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
    elif address != "auto":
        _check_address(address)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            **options,
        )
    # Ray raises errors of many types, with long texts.
    except Exception as error:
        where = "on this machine" if address in ("auto", "local") else f"at {address}"
        verb = "started" if address == "local" else "reached"
        raise ClusterError(
            f"A Ray cluster {where} cannot be {verb} ({error_text(error)}). Start one "
            "with `ray start --head`, or omit --ray_address."
        ) from error


def _check_address(address: str) -> None:
    """Checks that something listens at an address; Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ClusterError(
            "`ray_address` must be 'auto' or '<host>:<port>' of the head node. "
            f"Received: {address!r}"
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"There is no Ray cluster at {address} ({error_text(error)}). Start one "
            "with `ray start --head`, or omit --ray_address."
        ) from error


def _slots_of(resources: Mapping[str, float], cluster: RayCluster) -> int:
    """Number of runs that a node trains at the same time."""
    wanted = {"CPU": cluster.num_cpus, "GPU": cluster.num_gpus}
    shares = [
        int(resources.get(name, 0) / amount)
        for name, amount in wanted.items()
        if amount > 0
    ]
    return min(shares, default=1)


def _address_in(error: Exception) -> str:
    """The address in the text of an error of a task, as a phrase; the error itself does
    not have it."""
    match = re.search(r"\bip=([\w.:]+)", str(error))
    return f" on {match[1]}" if match else ""


def _last_line(error: Exception) -> str:
    """The last line of an error that holds a traceback: its type and message."""
    return str(error).strip().splitlines()[-1].strip()
