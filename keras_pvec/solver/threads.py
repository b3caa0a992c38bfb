"""Cores, worker threads, and NumPy's BLAS on a single thread."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from threadpoolctl import ThreadpoolController


@functools.cache
def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def multiplies_small_matrices() -> bool:
    """Whether NumPy's BLAS multiplies small float32 matrices in place, that is, without
    copying them into shape first: OpenBLAS does where it uses AVX-512."""
    with_kernels = ("SkylakeX", "Cooperlake", "SapphireRapids")
    return any(
        library.internal_api == "openblas" and library.architecture in with_kernels
        for library in ThreadpoolController().lib_controllers
    )


def worker_pool() -> ThreadPoolExecutor:
    """Threads for all cores but the caller's; a forked process gets its own."""
    return _pool_of(os.getpid())


@functools.cache
def _pool_of(process: int) -> ThreadPoolExecutor:
    n_others = max(available_cores() - 1, 1)
    return ThreadPoolExecutor(n_others, thread_name_prefix="keras_pvec_solver")


class SingleThreadedBlas(contextlib.ContextDecorator):
    """Context manager and decorator that keeps NumPy's BLAS on one thread.

    The solver multiplies with threads of its own. OpenBLAS's threads and those of
    TensorFlow wait for each other: on two cores the eigenvectors of a 256 x 256 matrix
    took half a second instead of 10 ms.

    The limit holds for the whole process. Overlapping uses, in any threads, share
    it: the first to enter sets it and the last to leave restores what was before.

    Args:
        controller: Sets the limits, as `threadpoolctl.ThreadpoolController` does;
            `None` for one that is made on first use.
    """

    def __init__(self, controller: Any = None) -> None:
        self._controller = controller
        self._lock = threading.Lock()
        self._n_users = 0
        self._limit = contextlib.ExitStack()

    def __enter__(self) -> SingleThreadedBlas:
        with self._lock:
            if self._controller is None:
                self._controller = ThreadpoolController()
            if self._n_users == 0:
                self._limit.enter_context(
                    self._controller.limit(limits=1, user_api="blas")
                )
            self._n_users += 1
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                self._limit.close()


single_threaded_blas = SingleThreadedBlas()
