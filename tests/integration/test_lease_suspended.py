"""A worker that is suspended at any of its writes, replaced, and wakes up again."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time

import pytest
from lease_training import EPOCHS, content, train

from keras_pvec.runs import LeaseLostError, RunConflictError, RunFolder, hold_lease

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGSTOP") or sys.platform == "darwin", reason="needs Linux"
)

LEASE_S = 0.3
# Calls of the system that change files, in the order of a training; the writes of the
# thread that renews the lease are not counted.
CALLS = ("open", "write", "ftruncate", "replace", "rename", "unlink", "mkdir", "link")
LOST, FINISHED = 3, 0


def worker(path, suspended_at=None):
    """Trains a run, and suspends itself before one of its calls of the system."""
    count = 0
    main = threading.main_thread()

    def counted(call):
        def counting(*args, **options):
            nonlocal count
            if threading.current_thread() is main:
                count += 1
                if count == suspended_at:
                    os.kill(os.getpid(), signal.SIGSTOP)
            return call(*args, **options)

        return counting

    os.fsync = lambda descriptor: None
    try:
        with hold_lease(path, LEASE_S) as lease:
            for name in CALLS:
                setattr(os, name, counted(getattr(os, name)))
            train(lease.folder, lease.check)
            lease.publish()
    except (LeaseLostError, RunConflictError, OSError):
        os._exit(LOST)
    if suspended_at is None:
        (path.parent / "n_calls").write_text(str(count))
    os._exit(FINISHED)


def started(path, suspended_at=None):
    process = multiprocessing.get_context("fork").Process(
        target=worker, args=(path, suspended_at)
    )
    process.start()
    return process


def wait_until_suspended(process):
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run, and the number of calls that its training takes."""
    path = tmp_path_factory.mktemp("undisturbed") / "seed_0"
    process = started(path)
    process.join()
    assert process.exitcode == FINISHED
    return content(path), int((path.parent / "n_calls").read_text())


def resume(process):
    os.kill(process.pid, signal.SIGCONT)
    process.join(timeout=60)
    return process.exitcode


def take_over(path, meanwhile=lambda: None):
    """Finishes a run whose worker is suspended.

    Returns:
        What `meanwhile` returns, which is called in the course of the training.
    """
    deadline = time.monotonic() + 60
    results = []
    while not path.exists():
        assert time.monotonic() < deadline
        # Its files may just be changing.
        with (
            contextlib.suppress(RunConflictError),
            hold_lease(path, LEASE_S) as lease,
        ):
            train(lease.folder, lease.check, until=EPOCHS - 1)
            if not results:
                results.append(meanwhile())
            train(lease.folder, lease.check)
            lease.publish()
    return results[0]


@pytest.mark.slow
@pytest.mark.parametrize("wakes", ["during the retry", "after the retry"])
def test_a_worker_that_wakes_up_changes_nothing(
    tmp_path, monkeypatch, undisturbed, wakes
):
    """It is suspended before each of its writes in turn, for longer than its lease."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    expected, n_calls = undisturbed
    assert n_calls > 30
    for k in range(1, n_calls + 1):
        path = tmp_path / str(k) / "seed_0"
        path.parent.mkdir()
        process = started(path, suspended_at=k)
        wait_until_suspended(process)
        if path.exists():
            # It was suspended after it had published the run.
            code, may_have_finished = resume(process), True
        elif wakes == "during the retry":
            code = take_over(path, lambda process=process: resume(process))
            # It is not stopped between its last look at the lease and the renaming.
            may_have_finished = True
        else:
            take_over(path)
            code, may_have_finished = resume(process), False
        assert code == LOST or (code == FINISHED and may_have_finished), k
        assert content(path) == expected, k
        assert RunFolder(path).read_info().complete
