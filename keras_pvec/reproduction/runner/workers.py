"""Worker processes that train one run after another."""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from multiprocessing.connection import Connection, wait

from keras_pvec.reproduction.devices import prepare_process
from keras_pvec.reproduction.runner.execution import train_job
from keras_pvec.reproduction.runner.job import Job, RunFailure
from keras_pvec.reproduction.runner.progress import Finished, Progress

# Environment variables that limit threads; TensorFlow has its own.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NPROC",  # threads of XLA, on JAX
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


class Worker:
    """A process that trains the runs that are sent to it.

    Args:
        cores: Ids of its cores.
        device: As in `prepare_process`.

    Attributes:
        cores: Ids of its cores.
        connection: Delivers `Progress` and `Finished` messages.
    """

    def __init__(self, cores: Sequence[int], device: str) -> None:
        self.cores = list(cores)
        context = multiprocessing.get_context("spawn")
        self.connection, other_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other_end, self.cores, device), daemon=True
        )
        with _thread_limit(max(len(self.cores), 1)), _ignored_interrupts():
            self._process.start()
        other_end.close()

    def send(self, job: Job) -> None:
        """Sends a run to train."""
        # If the process is dead, the next receive detects it.
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def wait_for_exit(self) -> int | None:
        """Waits until the process ends, and returns its exit code."""
        self._process.join()
        return self._process.exitcode

    def stop(self) -> None:
        """Ends the process. Its run can be resumed."""
        self._process.terminate()
        self._process.join()
        self.connection.close()


class WorkerPool:
    """Distributes runs among workers, and replaces workers that die.

    Args:
        jobs: The runs, in the order in which they are started.
        cores: Ids of the cores of each worker.
        device: As in `prepare_process`.
        report: Receives the progress and the end of each run.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        cores: Sequence[Sequence[int]],
        device: str,
        report: Callable[[Job, Progress | Finished], None],
    ) -> None:
        self._waiting = collections.deque(jobs)
        self._cores = cores
        self._device = device
        self._report = report
        self._workers: list[Worker] = []
        self._running: dict[Worker, Job] = {}
        self._failures: list[RunFailure] = []

    def run(self) -> list[RunFailure]:
        """Trains all runs, and returns those that failed."""
        try:
            for cores in self._cores:
                self._start_worker(cores)
            while self._running:
                ready = wait([worker.connection for worker in self._running])
                for worker in list(self._running):
                    if worker.connection in ready:
                        self._receive(worker)
        finally:
            for worker in self._workers:
                worker.stop()
        return self._failures

    def _start_worker(self, cores: Sequence[int]) -> None:
        worker = Worker(cores, self._device)
        self._workers.append(worker)
        self._assign(worker)

    def _assign(self, worker: Worker) -> None:
        """Sends the next run to a worker, if there is one."""
        self._running.pop(worker, None)
        if self._waiting:
            job = self._waiting.popleft()
            self._running[worker] = job
            worker.send(job)
            self._report(job, Progress(0.0, {}))

    def _receive(self, worker: Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        job = self._running[worker]
        if isinstance(message, Finished):
            if message.failure is not None:
                self._failures.append(message.failure)
            # First, so that the report counts the run that begins.
            self._assign(worker)
        self._report(job, message)

    def _replace(self, worker: Worker) -> None:
        """Records that a worker died, and starts another one if runs are left."""
        job = self._running.pop(worker)
        code = worker.wait_for_exit()
        reason = f"its process ended with exit code {code}"
        if code == -signal.SIGKILL:
            reason += ", as happens when the system runs out of memory"
        failure = RunFailure(job.path, reason)
        self._failures.append(failure)
        self._workers.remove(worker)
        worker.stop()
        if self._waiting:
            self._start_worker(worker.cores)
        self._report(job, Finished(failure))


def share_cores(
    n_workers: int, available: Collection[int] | None = None
) -> list[list[int]]:
    """Distributes cores among workers.

    Args:
        n_workers: Number of workers.
        available: Ids of the cores; default: the cores that this process may use.

    Returns:
        The ids of the cores of each worker. Workers share cores if there are too few.
    """
    if available is None:
        available = _available_cores()
    cores = sorted(available)
    if len(cores) < n_workers:
        return [[cores[i % len(cores)]] for i in range(n_workers)]
    return [cores[i::n_workers] for i in range(n_workers)]


def _available_cores() -> Collection[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _serve(connection: Connection, cores: Sequence[int], device: str) -> None:
    """The main function of a worker process: trains the jobs that it receives."""
    # Ctrl-C reaches all processes of a terminal; the parent stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    prepare_process(device, shared=True)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        failure = train_job(job, connection.send)
        connection.send(Finished(failure))


def _exit_with_parent() -> None:
    """Ends this process when its parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Processes started in this context ignore Ctrl-C from the beginning."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _thread_limit(n: int) -> Iterator[None]:
    """In processes started in this context, libraries use `n` threads each."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update({name: str(n) for name in THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
