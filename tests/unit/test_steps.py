"""Steps of a long analysis show themselves."""

import io
import itertools
import time

import pytest

from keras_pvec.reproduction.steps import show_steps


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Each look at the clock is ten seconds after the one before."""
    times = itertools.count(0.0, 10.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(times))


def steps_shown(stream, n_steps=10):
    return list(show_steps(range(n_steps), "rating", str, stream))


def test_a_log_has_a_line_each_half_minute(clock):
    stream = io.StringIO()
    assert steps_shown(stream) == list(range(10))
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["2", "5", "8"]
    assert "\r" not in stream.getvalue()


def test_short_work_has_no_line():
    stream = io.StringIO()
    assert steps_shown(stream) == list(range(10))
    assert stream.getvalue() == ""


def test_a_terminal_shows_a_bar_that_goes():
    stream = Terminal()
    assert steps_shown(stream) == list(range(10))
    assert "rating" in stream.getvalue()
    assert stream.getvalue().endswith("\r")


def test_a_bar_goes_when_the_work_fails():
    stream = Terminal()
    with pytest.raises(ZeroDivisionError):
        for step in show_steps([1, 0], "rating", str, stream):
            1 / step
    assert stream.getvalue().endswith("\r")
