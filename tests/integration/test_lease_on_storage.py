"""The lease of a run on shared storage, as two machines see it.

    SHARED_FOLDERS=/mnt/a:/mnt/b SHARED_LEASE_S=8 pytest -m slow <this file>

`SHARED_FOLDERS` names one folder twice: as two mounts with caches of their own show it.
`SHARED_LEASE_S` must exceed the time for which they cache; default: 120 seconds.
"""

import multiprocessing
import os
import shutil
import signal
import time
import uuid
from pathlib import Path

import pytest
from lease_training import EPOCHS, content, train

from keras_pvec.runs import (
    LeaseLostError,
    RunBusyError,
    RunConflictError,
    RunFolder,
    hold_lease,
    latest_attempt,
)

FOLDERS = os.environ.get("SHARED_FOLDERS", "")
LEASE_S = float(os.environ.get("SHARED_LEASE_S", "120"))
DONE, BUSY, LOST = 0, 3, 4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FOLDERS.count(":") != 1, reason="needs SHARED_FOLDERS"),
]


def train_run(path, suspended_at=None, waits=0.0, starts=0.0):
    """A worker: trains a run under a lease, and ends with what became of it."""
    time.sleep(max(starts - time.time(), 0.0))

    def check():
        nonlocal epoch
        epoch += 1
        time.sleep(waits)
        if epoch == suspended_at:
            os.kill(os.getpid(), signal.SIGSTOP)
        lease.check()

    epoch = 0
    try:
        with hold_lease(path, LEASE_S) as lease:
            train(lease.folder, check)
            if suspended_at == "publication":
                os.kill(os.getpid(), signal.SIGSTOP)
            lease.publish()
    except RunBusyError:
        os._exit(BUSY)
    except (LeaseLostError, RunConflictError, OSError):
        os._exit(LOST)
    os._exit(DONE)


def started(path, **options):
    process = multiprocessing.get_context("fork").Process(
        target=train_run, args=(path,), kwargs=options
    )
    process.start()
    return process


def outcome(process):
    process.join(20 * LEASE_S)
    return process.exitcode


@pytest.fixture
def paths():
    """The folder of a run, as each of the mounts shows it."""
    name = f"lease-{uuid.uuid4().hex[:8]}"
    first, second = (Path(folder) / name for folder in FOLDERS.split(":"))
    first.mkdir()
    deadline = time.monotonic() + LEASE_S
    while not second.is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield first / "seed_0", second / "seed_0"
    shutil.rmtree(first, ignore_errors=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "seed_0"
    train(path)
    return content(path)


def assert_published(paths, expected):
    """Both mounts show the run, as soon as their caches are old."""
    for path in paths:
        deadline = time.monotonic() + LEASE_S
        while not path.joinpath("run.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert RunFolder(path).read_info().complete
        assert content(path) == expected


@pytest.mark.parametrize("attempt", range(5))
def test_of_two_workers_that_start_at_once_one_trains(paths, undisturbed, attempt):
    start = time.time() + 0.5
    workers = [started(path, starts=start) for path in paths]
    assert sorted(map(outcome, workers)) == [DONE, BUSY]
    assert_published(paths, undisturbed)


def test_a_worker_that_is_alive_keeps_its_run(paths, undisturbed):
    """For much longer than the lease."""
    first, second = paths
    holder = started(first, waits=LEASE_S)
    time.sleep(LEASE_S / 4)
    while holder.is_alive():
        other = started(second)
        assert outcome(other) in (BUSY, LOST if first.exists() else BUSY)
    assert outcome(holder) == DONE
    assert_published(paths, undisturbed)


def test_a_run_that_was_given_up_is_taken_over_at_once(paths, undisturbed):
    first, second = paths
    with hold_lease(first, LEASE_S) as lease:
        train(lease.folder, until=EPOCHS - 1)
    began = time.monotonic()
    with hold_lease(second, LEASE_S) as lease:
        assert time.monotonic() - began < LEASE_S
        train(lease.folder, lease.check)
        lease.publish()
    assert_published(paths, undisturbed)


@pytest.mark.parametrize("suspended_at", [1, 2, 3, "publication"])
def test_a_worker_that_is_suspended_is_replaced_and_changes_nothing(
    paths, undisturbed, suspended_at
):
    first, second = paths
    late = started(first, suspended_at=suspended_at)
    _, status = os.waitpid(late.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    try:
        began = time.monotonic()
        while (found := latest_attempt(second)) is None or found.heartbeat() is None:
            assert time.monotonic() - began < LEASE_S
            time.sleep(0.1)
        with hold_lease(second, LEASE_S) as lease:
            assert lease.token == 2
            train(lease.folder, lease.check)
            lease.publish()
    finally:
        os.kill(late.pid, signal.SIGCONT)
    assert outcome(late) == LOST
    assert_published(paths, undisturbed)
