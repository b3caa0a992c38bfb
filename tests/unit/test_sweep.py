"""The parts of a sweep that train nothing."""

from pathlib import Path

import pytest

from keras_pvec.reproduction.runner import RunFailure, train_jobs
from keras_pvec.reproduction.runner.workers import share_cores


@pytest.mark.parametrize(
    ("n_workers", "cores"),
    [
        (1, [[1, 3, 5, 7, 9]]),
        (2, [[1, 5, 9], [3, 7]]),
        (5, [[1], [3], [5], [7], [9]]),
        (7, [[1], [3], [5], [7], [9], [1], [3]]),
    ],
)
def test_cores_are_shared(n_workers, cores):
    assert share_cores(n_workers, available={9, 1, 3, 5, 7}) == cores


def test_by_default_all_cores_of_this_process_are_shared():
    (cores,) = share_cores(1)
    assert len(cores) >= 1
    assert [[core] for core in sorted(cores)] == share_cores(len(cores))


def test_less_than_one_worker():
    with pytest.raises(ValueError, match="0"):
        train_jobs([], workers=0)


def test_cores_for_another_number_of_workers():
    with pytest.raises(ValueError, match="3"):
        train_jobs([], workers=3, cores=[[0]])


def test_no_runs_are_a_sweep_as_well():
    assert train_jobs([]) == ({}, [])


def test_a_failure_names_the_run_and_where_to_read_on():
    failure = RunFailure(Path("runs/a"), "ValueError: b", Path("runs/a_error.txt"))
    assert all(word in str(failure) for word in ("runs/a", "b", "runs/a_error.txt"))
