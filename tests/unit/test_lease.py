"""The lease of a run: one holder at a time, and nothing lost when it changes hands."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from keras_pvec.runs import (
    LeaseLostError,
    RunBusyError,
    RunConflictError,
    RunFolder,
    bring_home,
    current_folder,
    hold_lease,
)
from keras_pvec.runs.attempts import attempts_folder, stored_attempts

LEASE_S = 0.4


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seed_0"


def die_holding(path, monkeypatch, content=None, name="run.json"):
    """An attempt whose process is killed; returns its lease."""
    with hold_lease(path, LEASE_S) as lease:
        if content is not None:
            lease.folder.mkdir(exist_ok=True)
            (lease.folder / name).write_text(content)
        monkeypatch.setattr(lease, "is_current", lambda: False)
        lease._stop_renewing()
    monkeypatch.undo()
    return lease


def test_a_second_holder_is_refused_while_the_first_one_lives(path):
    with hold_lease(path, LEASE_S):
        for _ in range(2):
            with pytest.raises(RunBusyError, match="seed_0"), hold_lease(path):
                pass


def test_a_holder_that_is_slow_is_not_dead(path):
    """Its thread renews the lease for many times its length."""
    with hold_lease(path, LEASE_S) as lease:
        time.sleep(3 * LEASE_S)
        with pytest.raises(RunBusyError), hold_lease(path, LEASE_S):
            pass
        lease.check()


def test_a_released_lease_is_free_at_once(path):
    with hold_lease(path, lease_s=1000):
        pass
    began = time.monotonic()
    with hold_lease(path, lease_s=1000) as lease:
        assert lease.token == 2
    assert time.monotonic() - began < 100


def test_a_lease_that_was_not_released_is_free_after_its_length(path, monkeypatch):
    die_holding(path, monkeypatch)
    began = time.monotonic()
    # The length that counts is that of the lease which has to run out.
    with hold_lease(path, lease_s=1000) as lease:
        assert lease.token == 2
    assert time.monotonic() - began >= LEASE_S


def test_an_owner_is_named_in_its_attempt(path):
    with hold_lease(path, LEASE_S):
        (attempt,) = stored_attempts(path)
        (owner,) = attempt.path.glob("owner-*.json")
        assert json.loads(owner.read_text())["pid"] == os.getpid()


def test_of_many_that_ask_at_once_one_gets_it(path, monkeypatch):
    die_holding(path, monkeypatch, "{}")
    start = threading.Barrier(8)
    tokens, refused = [], []
    stay = threading.Event()

    def ask():
        start.wait()
        try:
            with hold_lease(path, LEASE_S) as lease:
                tokens.append(lease.token)
                stay.wait()
        except RunConflictError as error:
            refused.append(error)
            if len(refused) == 7:
                stay.set()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert tokens == [2]
    assert all(isinstance(error, RunBusyError) for error in refused)


def test_the_next_attempt_goes_on_with_the_files_of_the_last(path, monkeypatch):
    die_holding(path, monkeypatch, "first")
    # It was killed before it had copied anything.
    die_holding(path, monkeypatch)
    with hold_lease(path, LEASE_S) as lease:
        assert (lease.folder / "run.json").read_text() == "first"
        assert current_folder(path) == lease.folder


@pytest.mark.parametrize("has_links", [True, False])
def test_what_the_last_attempt_still_writes_does_not_arrive(
    path, monkeypatch, has_links
):
    first = die_holding(path, monkeypatch, "row\n", name="log.csv").folder
    (first / "metrics.csv").write_text("old")
    if not has_links:

        def no_link(source, target):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_link)
    with open(first / "log.csv", "r+b") as log, hold_lease(path, LEASE_S) as lease:
        # The log grows, and shrinks, in place; other files are replaced.
        log.truncate(0)
        log.write(b"late\n")
        log.flush()
        (first / "new").write_text("late")
        os.replace(first / "new", first / "metrics.csv")
        assert (lease.folder / "log.csv").read_text() == "row\n"
        assert (lease.folder / "metrics.csv").read_text() == "old"


def test_files_that_keep_changing_are_not_copied(path, monkeypatch):
    first = die_holding(path, monkeypatch, "0").folder
    link = os.link

    def changing_link(source, target):
        link(source, target)
        (first / "other").write_text(str(time.monotonic_ns()))
        os.replace(first / "other", first / "run.json")

    monkeypatch.setattr(os, "link", changing_link)
    with pytest.raises(RunConflictError, match="seed_0"), hold_lease(path, LEASE_S):
        pass
    monkeypatch.undo()
    # Released, and nothing is left of the copy.
    with hold_lease(path, 1000) as lease:
        assert [p.name for p in lease.folder.iterdir()] == ["run.json"]


def test_a_finished_run_moves_to_its_folder(path):
    with hold_lease(path, LEASE_S) as lease:
        lease.folder.mkdir()
        (lease.folder / "run.json").write_text("done")
        lease.publish()
    assert (path / "run.json").read_text() == "done"
    assert not attempts_folder(path).exists()


def test_a_holder_that_was_replaced_can_neither_go_on_nor_publish(path, monkeypatch):
    first = die_holding(path, monkeypatch, "first")
    with hold_lease(path, LEASE_S):
        assert not first.is_current()
        monkeypatch.setattr(first, "_renewed", time.monotonic() - LEASE_S)
        with pytest.raises(LeaseLostError):
            first.check()
        with pytest.raises(LeaseLostError):
            first.publish()
        assert not path.exists()


def test_a_run_that_is_there_is_not_replaced(path, monkeypatch):
    """Not even by a holder that looked a moment ago, and believes to be the last."""
    first = die_holding(path, monkeypatch, "late")
    with hold_lease(path, LEASE_S) as second:
        (second.folder / "run.json").unlink()  # it is a link
        (second.folder / "run.json").write_text("done")
        second.publish()
    first.folder.mkdir(parents=True)
    (first.folder / "run.json").write_text("late")
    monkeypatch.setattr(first, "is_current", lambda: True)
    with pytest.raises(LeaseLostError):
        first.publish()
    assert (path / "run.json").read_text() == "done"


def test_a_run_of_one_machine_goes_on_on_a_cluster_and_back(path):
    RunFolder(path).note(here=1)
    with hold_lease(path, LEASE_S) as lease:
        assert not path.exists()
        assert RunFolder(lease.folder).read_info().notes == {"here": 1}
        with pytest.raises(RunBusyError):
            bring_home(path)
        # A process of one machine leaves a run alone that a cluster trains.
        with pytest.raises(RunConflictError, match="seed_0"), RunFolder(path).lock():
            pass
        assert not path.exists()
    bring_home(path)
    assert RunFolder(path).read_info().notes == {"here": 1}
    assert current_folder(path) == path
    assert not attempts_folder(path).exists()
    bring_home(path)
    with RunFolder(path).lock():
        pass


def test_an_attempt_that_has_written_nothing_leaves_nothing(path):
    with hold_lease(path, LEASE_S):
        pass
    bring_home(path)
    assert not path.exists()
    assert not attempts_folder(path).exists()


def test_a_run_that_a_process_of_this_machine_writes_is_left_alone(path):
    RunFolder(path).note(here=1)
    with RunFolder(path).lock():
        with pytest.raises(RunConflictError, match="seed_0"), hold_lease(path, LEASE_S):
            pass
        assert RunFolder(path).read_info().notes == {"here": 1}
    with hold_lease(path, LEASE_S) as lease:
        assert RunFolder(lease.folder).read_info().notes == {"here": 1}


def test_files_in_two_places_are_an_error_that_names_both(path, monkeypatch):
    first = die_holding(path, monkeypatch, "cluster").folder
    path.mkdir()
    (path / "run.json").write_text("copied back by hand")
    with pytest.raises(RunConflictError) as caught, hold_lease(path, LEASE_S):
        pass
    assert str(path) in str(caught.value)
    assert str(first) in str(caught.value)


def test_a_folder_with_nothing_but_a_lock_is_in_nobody_s_way(path):
    with hold_lease(path, LEASE_S) as lease:
        lease.folder.mkdir()
        (lease.folder / "run.json").write_text("done")
        path.mkdir()
        (path / ".lock").touch()
        lease.publish()
    assert (path / "run.json").read_text() == "done"


def test_temporary_files_and_locks_are_not_inherited(path, monkeypatch):
    first = die_holding(path, monkeypatch, "first").folder
    (first / ".lock").touch()
    (first / "run.json.123.partial").touch()
    (first / "test").mkdir()
    (first / "test" / "log.csv").write_text("row\n")
    with hold_lease(path, LEASE_S) as lease:
        names = {
            p.relative_to(lease.folder).as_posix() for p in lease.folder.rglob("*")
        }
        assert names == {"run.json", "test", "test/log.csv"}


def test_storage_that_is_out_of_reach_does_not_end_a_lease(path, monkeypatch):
    with hold_lease(path, LEASE_S) as lease:
        iterdir = Path.iterdir

        def failing(folder):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Path, "iterdir", failing)
        time.sleep(LEASE_S)
        lease.check()
        monkeypatch.setattr(Path, "iterdir", iterdir)
        time.sleep(LEASE_S / 2)
        lease.check()
        with pytest.raises(RunBusyError), hold_lease(path, LEASE_S):
            pass
