"""What a sweep shows of its runs: counts, and the time left."""

import io
import types
from pathlib import Path

import pytest

from keras_pvec.reproduction.runner import RunFailure, displays
from keras_pvec.reproduction.runner.displays import SweepDisplay
from keras_pvec.reproduction.runner.progress import Finished, Forecast, Progress
from keras_pvec.reproduction.runner.sweep_state import Counts, SweepState


def job(name):
    return types.SimpleNamespace(path=Path(name), name=f"{name}, seed 0")


FORECASTS = {
    Path("a"): Forecast(100.0, 0.0),
    Path("b"): Forecast(300.0, 0.5),
    Path("c"): Forecast(200.0, 0.0),
}
FAILED = Finished(RunFailure(Path("b"), "no"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(
        displays, "time", types.SimpleNamespace(monotonic=lambda: clock.now)
    )
    return clock


def test_counts_and_time_left():
    state = SweepState(FORECASTS, workers=2)
    assert state.counts == Counts(3, 0, 0, 0)
    assert state.total_s == 300  # 600 seconds of work for two
    assert state.seconds_left(0) == 300
    state.update(job("a"), Progress(0.5, {}))
    state.update(job("b"), Progress(0.75, {}))  # half of the half that was left
    assert state.counts == Counts(3, 0, 2, 0)
    assert state.counts.queued == 1
    assert state.done_s == (50 + 150) / 2
    # Twice as slow as was expected, so far.
    assert 200 < state.seconds_left(200) < 400
    state.update(job("a"), Finished(None))
    state.update(job("b"), FAILED)
    state.update(job("c"), Progress(0.0, {}))
    assert state.counts == Counts(3, 1, 1, 1)
    assert state.done_s == 200
    state.update(job("c"), Finished(None))
    assert state.counts == Counts(3, 2, 0, 1)
    assert state.seconds_left(500) == 0


def test_the_speed_of_long_work_counts():
    day = 86400.0
    state = SweepState({Path("a"): Forecast(day, 0.0)}, workers=1)
    state.update(job("a"), Progress(0.5, {}))
    assert state.seconds_left(day) == pytest.approx(day, rel=1e-3)
    # A start of 20 seconds says little.
    state.update(job("a"), Progress(1e-6, {}))
    assert state.seconds_left(20) < 2 * day


def test_work_that_a_run_repeats_is_not_done():
    state = SweepState(FORECASTS, workers=1)
    state.update(job("b"), Progress(0.4, {}))
    assert state.done_s == 0


def test_a_log_has_lines_and_no_carriage_returns(clock):
    log = io.StringIO()
    with SweepDisplay(FORECASTS, 2, log) as display:
        for second in range(100):
            clock.now = float(second)
            display.update(job("a"), Progress(second / 100, {"epoch": "1/2"}))
        display.update(job("a"), Finished(None))
        display.update(job("b"), FAILED)
    text = log.getvalue()
    assert "\r" not in text and "\x1b" not in text
    lines = text.splitlines()
    assert len(lines) == 3 + 2  # every half minute, and each end
    assert "epoch 1/2" in lines[0]
    assert lines[-2].startswith("1 of 3 runs done, 0 running,")
    assert "1 queued" in lines[-1] and "1 failed" in lines[-1]
    assert "b, seed 0" in lines[-1]


def test_a_terminal_has_one_bar():
    terminal = Terminal()
    with SweepDisplay(FORECASTS, 1, terminal) as display:
        display.update(job("a"), Finished(None))
        display.update(job("b"), FAILED)
    shown = terminal.getvalue()
    assert shown.count("\n") == 1  # at its end
    last = shown.rstrip("\n").split("\r")[-1]
    assert "1 of 3 runs done" in last and "1 failed" in last
    assert " 67%" in last  # 400 of 600 seconds


def test_nothing_to_train_shows_nothing():
    for stream in (io.StringIO(), Terminal()):
        with SweepDisplay({}, 1, stream):
            pass
        assert stream.getvalue() == ""
