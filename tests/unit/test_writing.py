"""Writes that fail half-way: nothing is glued together, nothing passes unnoticed."""

import ast
import errno
import os
from pathlib import Path

import numpy as np
import pytest

import keras_pvec as kp
from keras_pvec.runs import (
    RunFolder,
    log_row,
    remove_partial_files,
    replace_atomically,
    replace_file,
    save_p_vectors,
    write_atomically,
    writing,
)

PACKAGE = Path(kp.__file__).parent
MOMENTS = [(-1, 0), (0, 10), (1, 20)]


@pytest.fixture
def p_vectors(rng):
    return {x: kp.p_vector(rng.random((30, 8)), layer=x) for x in ("a", "b")}


class Disk:
    """Stands in for `os`: takes a few bytes of each write, then fails if it is full."""

    def __init__(self, at_once, room=None):
        self.at_once = at_once
        self.room = room

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, descriptor, content):
        content = bytes(content)[: self.at_once]
        if self.room is not None:
            if self.room == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            content = content[: self.room]
            self.room -= len(content)
        return os.write(descriptor, content)


def write(folder, moment, p_vectors):
    rows = [
        log_row(moment, p, "a", kp.compare(p, p_vectors["a"]))
        for p in p_vectors.values()
    ]
    folder.write_moment(moment, p_vectors, rows)
    folder.write_metrics(*moment, {"loss": 0.5})


def files_of(folder):
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def test_short_writes_lose_nothing(tmp_path, p_vectors, monkeypatch):
    for name, disk in (("whole", os), ("short", Disk(at_once=7))):
        monkeypatch.setattr(writing, "os", disk)
        folder = RunFolder(tmp_path / name)
        for moment in MOMENTS:
            write(folder, moment, p_vectors)
        folder.note(status="running")
        folder.write_samples(np.arange(30), {})
        folder.seal()
    assert files_of(tmp_path / "short") == files_of(tmp_path / "whole")


@pytest.mark.parametrize("room", [0, 1, 100, 300])
def test_a_full_disk_leaves_whole_rows(room, tmp_path, p_vectors, monkeypatch):
    """The training may go on once there is room."""
    folder = RunFolder(tmp_path)
    write(folder, MOMENTS[0], p_vectors)
    before = (tmp_path / "log.csv").read_bytes()
    rows = [log_row(MOMENTS[1], p, "a", kp.compare(p, p)) for p in p_vectors.values()]
    save = writing.replace_file
    full = Disk(at_once=50, room=room)

    def save_then_fill(path, content):  # the P-vectors still fit
        save(path, content)
        monkeypatch.setattr(writing, "os", full)

    monkeypatch.setattr(writing, "replace_file", save_then_fill)
    with pytest.raises(OSError, match="space"):
        folder.write_moment(MOMENTS[1], p_vectors, rows)
    monkeypatch.undo()
    assert (tmp_path / "log.csv").read_bytes() == before
    folder.write_moment(MOMENTS[1], p_vectors, rows)
    assert kp.open_run(tmp_path).moments == MOMENTS[:2]
    assert len(kp.open_run(tmp_path).log) == 4


def test_a_full_disk_leaves_the_old_file(tmp_path, p_vectors, monkeypatch):
    path = tmp_path / "p.npz"
    save_p_vectors(path, p_vectors)
    before = path.read_bytes()
    for save in (
        lambda: save_p_vectors(path, p_vectors),
        lambda: replace_file(path, b"x" * 200),
    ):
        monkeypatch.setattr(writing, "os", Disk(at_once=50, room=100))
        with pytest.raises(OSError, match="space"):
            save()
        monkeypatch.undo()
        assert files_of(tmp_path) == {"p.npz": before}


@pytest.mark.parametrize("torn", ["HEADER-1,0,a,d", "epoch,st", "HEADER", ""])
def test_rows_are_not_glued_to_a_torn_one(torn, tmp_path, p_vectors):
    whole = RunFolder(tmp_path / "whole")
    write(whole, MOMENTS[0], p_vectors)
    header = whole.log_path.read_text().splitlines(keepends=True)[0]
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "log.csv").write_text(torn.replace("HEADER", header))
    write(RunFolder(tmp_path / "torn"), MOMENTS[0], p_vectors)
    assert files_of(tmp_path / "torn") == files_of(tmp_path / "whole")


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path):
    left = ("log.csv.17.partial", "model.keras.4.partial.keras", "x.json.123.partial")
    own = ("notes.partial.txt", "partial", "a.partial", "run.json", "7.partial")
    for name in (*left, *own):
        (tmp_path / name).touch()
    remove_partial_files(tmp_path, older_than_s=3600)
    assert len([*tmp_path.iterdir()]) == len(left) + len(own)
    remove_partial_files(tmp_path)
    remove_partial_files(tmp_path / "nowhere")
    assert {path.name for path in tmp_path.iterdir()} == {*own}


def test_a_save_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "model.keras"

    def save(name):
        Path(name).write_text("half")
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        replace_atomically(path, save)
    with pytest.raises(RuntimeError), write_atomically(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", ["runs", "diagnostics", "reproduction/training"])
def test_all_files_are_written_in_one_place(room):
    for path in (PACKAGE / room).glob("*.py"):
        if path.name == "writing.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert not called.endswith(("write_text", "write_bytes", "os.write"))
            if called == "open" and len(node.args) > 1:
                assert ast.literal_eval(node.args[1]) == "rb", path
