"""A short campaign of faults, and proof that the campaign sees what it looks for.

`benchmarks/faults.py` runs longer ones.
"""

import contextlib
import os
import sys

import numpy as np
import pytest
from fault_campaign.campaign import choose, table_of, try_cases, wrong_ones
from fault_campaign.cases import Workshop
from fault_campaign.disk import Disk, Effect, Fault, Killed, active, applies
from fault_campaign.judge import Verdict, differences, judge_error, same
from fault_campaign.small_run import train

from keras_pvec.runs import checked, folder, writing

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="pathlib of Python 3.10 bypasses the fake disk"
)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("campaign"))


@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_no_fault_gives_a_wrong_answer(count, workshop):
    kinds = {**workshop.disk_cases(), **workshop.damage_cases(seed=0)}
    cases = choose([kinds[kind] for kind in sorted(kinds)], count, seed=0)
    tried = try_cases(cases, workshop)
    assert len({one.case.id for one in tried}) == count
    wrong = [(one.case.id, one.outcome.detail) for one in wrong_ones(tried)]
    assert not wrong, table_of(tried)


def test_a_short_write_that_goes_unnoticed_is_found(workshop, monkeypatch):
    def write(descriptor, content):
        os.write(descriptor, content)

    monkeypatch.setattr(writing, "write_all", write)
    assert Verdict.WRONG in verdicts_of_writes(workshop, Effect.SHORT_WRITE)


def test_an_error_that_is_swallowed_is_found(workshop, monkeypatch):
    def append(path, lines, *, header=b""):
        with contextlib.suppress(OSError):
            carefully(path, lines, header=header)

    carefully = writing.append_lines
    monkeypatch.setattr(folder, "append_lines", append)
    assert Verdict.WRONG in verdicts_of_writes(workshop, Effect.FULL_ONCE)


def verdicts_of_writes(workshop, effect):
    """What becomes of an effect at the writes of the log."""
    return [
        workshop.try_case(f"training/{effect.value}/{i}").verdict
        for i, operation in enumerate(workshop.operations["training"])
        if operation == ("write", "log.csv") and applies(effect, operation)
    ]


def test_damage_that_no_checksum_tells_is_found(workshop, monkeypatch):
    monkeypatch.setattr(checked, "check_content", lambda path, content, expected: None)
    outcome = workshop.try_case("finished/log.csv/replace_by_other_run/study/0")
    assert outcome.verdict is Verdict.WRONG


def test_after_a_kill_nothing_is_written(tmp_path):
    (tmp_path / "a").write_text("before")
    disk = Disk(tmp_path, Fault(1, Effect.KILL_BEFORE))
    with active(disk), pytest.raises(Killed):
        try:
            with open(tmp_path / "b", "w") as file:
                file.write("never")
        finally:
            os.unlink(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "before"
    assert (tmp_path / "b").read_text() == ""


@pytest.mark.parametrize("is_synced", [False, True])
def test_a_power_cut_loses_what_is_not_synchronized(is_synced, tmp_path):
    """At some seed a file is torn or a replacement is lost; never after `fsync`."""
    seen = set()
    for seed in range(40):
        path = tmp_path / str(seed)
        path.mkdir()
        (path / "a").write_text("old")
        # open, write, perhaps fsync, replace
        disk = Disk(path, Fault(3 + 2 * is_synced, Effect.POWER_CUT, seed))
        with active(disk), pytest.raises(Killed):
            with open(path / "b", "wb", buffering=0) as file:
                file.write(b"new content")
                if is_synced:
                    os.fsync(file.fileno())
            os.replace(path / "b", path / "a")
            with open(path / "c", "wb", buffering=0) as file:
                if is_synced:
                    os.fsync(file.fileno())
            os.unlink(path / "c")
        seen.add((path / "a").read_text())
    assert "new content" in seen
    assert (len(seen) > 2) is not is_synced


def test_a_full_disk_fills_and_a_short_write_is_short(tmp_path):
    for effect, expected in ((Effect.SHORT_WRITE, None), (Effect.FULL, OSError)):
        path = tmp_path / effect.value
        path.mkdir()
        with active(Disk(path, Fault(1, effect))):
            file = open(path / "a", "wb", buffering=0)  # noqa: SIM115
            if expected is None:
                assert file.write(b"0123456789") < 10
                assert file.write(b"x") == 1
            else:
                for _ in range(2):
                    with pytest.raises(expected):
                        file.write(b"x")
            file.close()


def test_errors_are_told_only_with_a_documented_type_and_a_file(tmp_path):
    def verdict(error):
        return judge_error(error, tmp_path).verdict

    assert verdict(ValueError(f"{tmp_path}/log.csv is damaged")) is Verdict.TOLD
    assert verdict(OSError(28, "No space left on device")) is Verdict.WRONG
    assert verdict(OSError(28, "No space", f"{tmp_path}/log.csv")) is Verdict.TOLD
    assert verdict(MemoryError("log.csv")) is Verdict.WRONG
    assert verdict(KeyError("log.csv")) is Verdict.WRONG


def test_answers_are_compared_bit_for_bit():
    a = np.array([1.0, np.nan])
    assert same(a, a.copy())
    assert not same(a, np.nextafter(a, 2))
    assert not same({"a": 1}, {"a": 1.0})
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert differences({"a": 1, "c": 1}, {"a": 2, "b": 1}) == [
        "a",
        "b (missing)",
        "c (left over)",
    ]


def test_the_small_run_is_the_same_every_time(tmp_path):
    for name in ("a", "b"):
        train(tmp_path / name)
    log = [(tmp_path / name / "log.csv").read_bytes() for name in ("a", "b")]
    assert log[0] == log[1]
    assert len(log[0].splitlines()) > 15
