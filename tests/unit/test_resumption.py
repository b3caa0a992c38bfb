"""Trainings that resume in a damaged folder: no P-vector is lost, no row is made up."""

import contextlib
import dataclasses
import errno
import os
import warnings

import numpy as np
import pytest

import keras_pvec as kp
from keras_pvec.runs import (
    LoggedWith,
    LogSchedule,
    Moment,
    Recorder,
    RunFolder,
    complete_log,
    partial_files,
    writing,
)

N, STEPS = 30, 4
LAYERS = ("a", "bb")


@dataclasses.dataclass
class Measured:
    p_vectors: dict
    failures: dict = dataclasses.field(default_factory=dict)


def features(layer, step):
    return np.random.default_rng([len(layer), step]).random((N, 4))


def measure_at(step):
    return lambda layers: Measured(
        {x: kp.p_vector(features(x, step), layer=x) for x in layers}
    )


def train(
    path,
    epochs,
    start=0,
    references=None,
    resume=True,
    killed=False,
    before_end=lambda epoch: None,
    after_end=lambda epoch: None,
):
    """Records epochs `start` to `epochs`; a killed training is not marked as ended.
    Other callbacks run before and after the end of an epoch is recorded."""
    if references is None:
        references = {"data": kp.p_vector(features("zzz", 0)), "before": "previous"}
    schedule = LogSchedule.parse({"first_epoch": 2}, "first")
    recorder = Recorder(path, references=references, schedule=schedule, resume=resume)
    step = recorder.steps_before(start, start * STEPS)
    settings = LoggedWith(LAYERS, tuple(references), n_samples=N)
    recorder.begin(start, step, measure_at(step)(LAYERS), settings)
    for epoch in range(start, epochs):
        for step in range(epoch * STEPS + 1, (epoch + 1) * STEPS + 1):
            if schedule.is_due(epoch, step - 1, step):
                moment = Moment(epoch, step)
                recorder.record(moment, measure_at(step), within_epoch=True)
        before_end(epoch)
        angles = recorder.record(Moment(epoch, step), measure_at(step))
        recorder.end_epoch(epoch, step, {"loss": 1 / step, **angles})
        after_end(epoch)
    if not killed:
        recorder.end()


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch):
    """No power cut is simulated, so nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def whole(tmp_path):
    """A training of four epochs that was not interrupted."""
    train(tmp_path / "whole", 4)
    return tmp_path / "whole"


@pytest.fixture
def killed(tmp_path):
    """The same training, killed after its third epoch."""
    train(tmp_path / "killed", 3, killed=True)
    return tmp_path / "killed"


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.[cn]*")}


def lines_of(path):
    return path.read_text().splitlines(keepends=True)


def keep_lines(path, n):
    path.write_text("".join(lines_of(path)[:n]))


@pytest.mark.parametrize("damage", ["shortened", "emptied", "missing", "middle", "cut"])
def test_rows_are_computed_again_from_the_vectors(damage, killed, whole):
    log = killed / "log.csv"
    lines = lines_of(log)
    match damage:
        case "shortened":
            keep_lines(log, 7)
        case "emptied":
            log.write_bytes(b"")
        case "missing":
            log.unlink()
        case "middle":
            log.write_text("".join([*lines[:3], *lines[9:]]))
        case "cut":  # some rows of a moment
            log.write_text("".join([*lines[:8], *lines[9:]]))
    with pytest.warns(UserWarning, match=r"log\.csv"):
        train(killed, 4, start=3)
    assert files_of(killed) == files_of(whole)


def test_rows_of_other_references_are_not_made_up(killed):
    """Nothing is left that shows that the rows would be the same, or something shows
    that they would not be."""
    log, metrics = killed / "log.csv", killed / "metrics.csv"
    keep_lines(log, 9)
    before = files_of(killed)
    other = {"data": kp.p_vector(features("other", 0)), "before": "previous"}
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        train(killed, 4, start=3, references=other)
    assert files_of(killed) == before
    log.unlink()
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        train(killed, 4, start=3, references=other)
    metrics.unlink()
    with pytest.raises(kp.DamagedRunError, match=r"metrics\.csv"):
        train(killed, 4, start=3)
    (killed / "progress.json").unlink()
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        train(killed, 4, start=3)
    vectors = {name for name in before if name.endswith(".npz")}
    assert {name for name in files_of(killed) if name.endswith(".npz")} == vectors


def test_rows_that_were_changed_are_not_overwritten(killed):
    log = killed / "log.csv"
    lines = lines_of(log)
    cells = lines[2].split(",")
    cells[6] = "12.5"
    log.write_text("".join([lines[0], lines[1], ",".join(cells)]))
    before = files_of(killed)
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        train(killed, 4, start=3)
    assert files_of(killed) == before


@pytest.mark.parametrize("damage", ["shortened", "emptied", "missing"])
def test_lost_metrics_stop_the_training(damage, killed):
    metrics = killed / "metrics.csv"
    if damage == "missing":
        metrics.unlink()
    else:
        keep_lines(metrics, 2 if damage == "shortened" else 0)
    before = files_of(killed)
    with pytest.raises(kp.DamagedRunError, match=r"metrics\.csv"):
        train(killed, 4, start=3)
    assert files_of(killed) == before


def test_a_kill_between_the_log_and_the_metrics(killed, whole):
    """The angles are known; a later resumption does not stumble over the gap."""
    keep_lines(killed / "metrics.csv", 3)
    (killed / "progress.json").unlink()  # not there while an epoch ends
    train(killed, 4, start=3, killed=True)
    metrics = kp.open_run(killed).metrics
    expected = kp.open_run(whole).metrics
    assert list(metrics["epoch"]) == [0, 1, 2, 3]
    assert list(metrics["step"]) == list(expected["step"])
    np.testing.assert_array_equal(metrics["loss"].isna(), [False, False, True, False])
    names = [name for name in expected if "angle" in name]
    np.testing.assert_array_equal(metrics[names], expected[names])
    train(killed, 5, start=4)
    assert (
        (killed / "log.csv").read_bytes().startswith((whole / "log.csv").read_bytes())
    )


@pytest.mark.parametrize("n_bytes", [0, 20, 200, 400, 700])
@pytest.mark.parametrize("start", [0, 1, 3])
def test_a_torn_append_is_written_again(start, n_bytes, tmp_path, whole):
    """At the moment with which the training resumes; the file of its P-vectors was
    written before."""
    path = tmp_path / "killed"
    train(path, start, killed=True)
    (path / "progress.json").unlink(missing_ok=True)  # not there while an epoch ends
    log = path / "log.csv"
    lines = lines_of(log)
    last = "".join(lines[-4:]).encode()
    rest = "".join(lines[: -4 if start else 0]).encode()
    header = b"" if start else lines[0].encode()
    log.write_bytes(rest + header + last[:n_bytes])
    train(path, 4, start=start)
    assert files_of(path) == files_of(whole)


@pytest.mark.parametrize("resume", [True, False])
def test_vectors_without_a_log_are_a_run(resume, killed):
    (killed / "log.csv").unlink()
    before = files_of(killed)
    if resume:
        (killed / "metrics.csv").unlink()
        before.pop("metrics.csv")
    with pytest.raises(kp.RunError, match="log" if resume else "resume=True"):
        train(killed, 4, start=3, resume=resume)
    assert files_of(killed) == before


def test_a_lost_file_of_the_last_moment_is_written_again(killed, whole):
    RunFolder(killed).moment_path(Moment(2, 12)).unlink()
    train(killed, 4, start=3)
    assert files_of(killed) == files_of(whole)


def test_a_finished_log_is_sealed_and_unsealed(killed):
    train(killed, 4, start=3)
    assert (killed / "SHA256SUMS").exists()
    assert kp.open_run(killed).info.logged_with.last_moment == (3, 16)
    train(killed, 5, start=4, killed=True)
    assert not (killed / "SHA256SUMS").exists()
    assert kp.open_run(killed).moments[-1] == (4, 20)


def test_a_run_that_was_killed_after_its_last_epoch(killed):
    folder = RunFolder(killed)
    left = killed / "pvectors" / "epoch_0002_step_00000012.npz.17.partial"
    left.touch()
    assert not complete_log(folder, epochs=4)
    assert not kp.open_run(killed).info.complete
    assert complete_log(folder, epochs=3)
    assert not left.exists()
    assert kp.open_run(killed).info.complete
    assert kp.open_run(killed).moments[-1] == (2, 12)


def test_another_model_is_recorded(killed):
    recorder = Recorder(
        killed,
        references={"data": kp.p_vector(features("zzz", 0)), "before": "previous"},
        schedule=LogSchedule.parse({"first_epoch": 2}, "first"),
        resume=True,
    )
    settings = LoggedWith(LAYERS, ("data", "before"), n_samples=N)
    with pytest.warns(UserWarning, match="epoch 2"):
        recorder.begin(3, 12, measure_at(99)(LAYERS), settings)
    breaks = kp.open_run(killed).info.breaks
    assert {entry.layer for entry in breaks} == {*LAYERS}
    assert all(entry.moment == (2, 12) for entry in breaks)
    p, q = (kp.p_vector(features("a", step)) for step in (12, 99))
    assert breaks[0].angle_deg == pytest.approx(kp.angle(p, q), abs=1e-6)
    recorder.folder.rewind(2)
    assert kp.open_run(killed).info.breaks == ()


def test_runs_of_earlier_versions_resume(killed, whole):
    """Their files do not say which moment they are of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for moment in RunFolder(killed).stored_moments():
            path = RunFolder(killed).moment_path(moment)
            kp.save_p_vectors(path, kp.load_p_vectors(path))
        train(killed, 4, start=3)
    assert (killed / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()
    assert kp.open_run(killed).moments == kp.open_run(whole).moments


class Killed(BaseException):
    """The process is dead; nothing that it does later reaches the disk."""


class KilledAt:
    """Stands in for `os`: the process is killed at a call that changes the disk."""

    def __init__(self, call):
        self.left = call
        self.calls = 0

    def __getattr__(self, name):
        function = getattr(os, name)
        if name not in ("write", "fsync", "replace", "ftruncate", "open"):
            return function

        def counted(*arguments):
            self.calls += 1
            if self.calls == self.left and name == "write":
                function(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            if self.left and self.calls >= self.left:
                raise Killed
            return function(*arguments)

        return counted


def train_until_killed(path, call, monkeypatch, hook):
    """Trains two epochs, with a checkpoint before or after the logger of each epoch.

    Returns:
        How many epochs the last checkpoint has, and how many calls were made.
    """
    disk, saved = KilledAt(call), [0]
    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(writing, "os", disk)
        patched.setattr(writing, "_discard", lambda path: None)
        train(path, 2, **{hook: lambda epoch: saved.append(epoch + 1)})
    return saved[-1], disk.calls


@pytest.mark.parametrize("hook", ["before_end", "after_end"])
def test_a_kill_at_any_point(hook, tmp_path, monkeypatch):
    """At each write, fsync and rename; the run ends as if nothing had happened. What
    Keras logged is lost if the checkpoint is older than the logger's row."""
    train(tmp_path / "whole", 2)
    expected = files_of(tmp_path / "whole")
    _, calls = train_until_killed(tmp_path / "counted", 0, monkeypatch, hook)
    assert calls > 50
    for call in range(1, calls + 1):
        path = tmp_path / str(call)
        done, _ = train_until_killed(path, call, monkeypatch, hook)
        if done == 2 and complete_log(RunFolder(path), epochs=2):
            continue
        train(path, 3 if done == 2 else 2, start=done)
        files = files_of(path)
        if hook == "before_end" or done == 2:
            assert list(kp.open_run(path).metrics["epoch"])[:2] == [0, 1]
            files["metrics.csv"] = expected["metrics.csv"]
        if done == 2:
            moments = kp.open_run(tmp_path / "whole").moments
            assert kp.open_run(path).moments == [*moments, (2, 3 * STEPS)]
            assert files["log.csv"].startswith(expected["log.csv"])
        else:
            assert files == expected
        assert not partial_files(path)
        assert not partial_files(path / "pvectors")


@pytest.mark.parametrize("name", ["log.csv", "metrics.csv"])
def test_a_changed_digit_stops_the_training(name, killed):
    """The checksums of the last finished epoch tell."""
    path = killed / name
    text = path.read_text()
    at = text.rindex("0.")
    path.write_text(text[:at] + "1." + text[at + 2 :])
    before = files_of(killed)
    with pytest.raises(kp.DamagedRunError) as caught:
        train(killed, 4, start=3)
    assert caught.value.file == str(path)
    assert files_of(killed) == before


def test_damaged_checksums_stop_the_training(killed):
    (killed / "progress.json").write_text('{"log.csv": 3}')
    with pytest.raises(kp.DamagedRunError, match=r"progress\.json"):
        train(killed, 4, start=3)


def test_a_finished_run_is_checked_before_it_is_continued(whole):
    path = whole / "metrics.csv"
    path.write_text(path.read_text().replace("0.125", "0.25"))
    before = files_of(whole)
    with pytest.raises(kp.DamagedRunError, match=r"metrics\.csv"):
        train(whole, 5, start=4)
    assert files_of(whole) == before


def test_a_log_that_begins_late_is_announced(tmp_path):
    """Resuming where there is nothing to resume, for example in a lost folder."""
    with pytest.warns(UserWarning, match="epoch 3"):
        train(tmp_path / "new", 4, start=3)


def test_errors_of_a_full_disk_name_the_file(killed, monkeypatch):
    def write(descriptor, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)
    for put in (writing.append_lines, writing.replace_file):
        with pytest.raises(OSError) as caught:
            put(killed / "log.csv", b"x\n")
        assert caught.value.filename == str(killed / "log.csv")
        assert caught.value.errno == errno.ENOSPC
