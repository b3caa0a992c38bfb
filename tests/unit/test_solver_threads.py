"""Overlapping limits of the BLAS's threads, and the number of cores."""

import contextlib
import os
import threading

import pytest

from keras_pvec.solver.threads import SingleThreadedBlas, available_cores


class ProcessWideBlas:
    """A BLAS whose number of threads is one number for all of the process."""

    def __init__(self):
        self.n_threads = 2

    @contextlib.contextmanager
    def limit(self, limits, user_api):
        assert user_api == "blas"
        before, self.n_threads = self.n_threads, limits
        yield
        self.n_threads = before


def test_overlapping_callers_share_the_limit():
    """The first to enter leaves first: the other must neither lose the limit then nor
    restore the limited number afterwards."""
    blas = ProcessWideBlas()
    single_threaded = SingleThreadedBlas(blas)
    second_entered, first_left = threading.Event(), threading.Event()
    seen = []

    @single_threaded
    def second():
        second_entered.set()
        first_left.wait(10)
        seen.append(blas.n_threads)

    thread = threading.Thread(target=second)
    with single_threaded:
        thread.start()
        assert second_entered.wait(10)
    first_left.set()
    thread.join()
    assert seen == [1]
    assert blas.n_threads == 2


def test_an_error_lifts_the_limit():
    blas = ProcessWideBlas()
    with pytest.raises(ZeroDivisionError), SingleThreadedBlas(blas):
        assert blas.n_threads == 1
        _ = 1 / 0
    assert blas.n_threads == 2


def test_nested_calls_keep_the_limit():
    blas = ProcessWideBlas()
    single_threaded = SingleThreadedBlas(blas)
    with single_threaded:
        with single_threaded:
            pass
        assert blas.n_threads == 1
    assert blas.n_threads == 2


def test_available_cores():
    assert 1 <= available_cores() <= os.cpu_count()
