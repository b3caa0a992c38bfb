"""Damaged run folders: each fault is a `RunError` that names the file."""

import dataclasses
import errno
import io
import json
import os
import pickle
import resource
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from run_folders import MOMENTS, N, p_vectors_of_features, write_run

import keras_pvec as kp
from keras_pvec.diagnostics import Kind, diagnose
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import Break, Failure, LoggedWith, Moment, RunFolder, reading

SETTINGS = {"model": "mlp_8x3", "seed": 0, "layers": ["features"]}


@pytest.fixture
def made(rng):
    return p_vectors_of_features(rng, 4)


@pytest.fixture
def run(made, tmp_path):
    """A finished run without checksums, as earlier versions left it."""
    path = write_run(tmp_path / "run", made[:3], {"data": made[3]})
    RunFolder(path).note(settings=SETTINGS)
    return path


def read_all(path):
    """Everything that an analysis reads."""
    run = kp.open_run(path)
    TrainingRecord.of(run)
    assert len(run.log) > 0
    assert len(run.metrics) > 0
    assert run.samples
    assert run.layers
    run.p_vector("final", "features")
    return run.angles(layer="features")


def vectors(run, moment=MOMENTS[1]):
    return RunFolder(run).moment_path(moment)


def kinds(path):
    return {finding.kind for finding in diagnose(path).findings}


def error_of(path, file):
    """The error that reading the run gives, which names the file and a remedy."""
    with pytest.raises(kp.RunError, match=file) as error:
        read_all(path)
    assert isinstance(error.value, kp.DamagedRunError)
    assert error.value.remedy in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)
    return error.value


def test_a_whole_run_is_read(run):
    assert len(read_all(run)) == 3


FILES = (
    "log.csv",
    "metrics.csv",
    "run.json",
    "samples.npz",
    "pvectors/epoch_0000_step_00000010.npz",
)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "damage", ["empty", "cut", "binary", "folder", "dangling", "looping", "pipe"]
)
def test_a_file_that_is_none(damage, file, run):
    path = run / file
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "empty":
            path.touch()
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "binary":
            path.write_bytes(b"\xff\xfe\x00\x01" * 99)
        case "folder":
            path.mkdir()
        case "dangling":
            path.symlink_to(run / "nowhere")
        case "looping":
            path.symlink_to(path)
        case "pipe":
            os.mkfifo(path)
    error_of(run, path.name)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_may_not_be_read(file, run, monkeypatch):
    class Guarded:
        def __getattr__(self, name):
            return getattr(os, name)

        def open(self, path, *arguments):
            if os.fspath(path) == str(run / file):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return os.open(path, *arguments)

    monkeypatch.setattr(reading, "os", Guarded())
    assert "Permission" in error_of(run, file).reason


def test_paths_that_cannot_exist(tmp_path, run):
    for path in (tmp_path / ("x" * 300), tmp_path / "a\0b", run / "log.csv" / "deeper"):
        with pytest.raises(kp.RunError):
            kp.open_run(path)
    with pytest.raises(kp.RunNotFoundError):
        kp.load_p_vectors(tmp_path / "nowhere.npz")
    with pytest.raises(kp.RunError):
        kp.load_p_vectors(tmp_path / ("x" * 300 + ".npz"))


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("epoch", "total"),
        ("epoch", ""),
        ("epoch", "1.5"),
        ("epoch", "-2"),
        ("epoch", str(10**12)),
        ("step", "9" * 30),
        ("step", "nan"),
        ("angle_deg", "12;5"),
        ("sigma1", "#REF!"),
    ],
)
def test_cells_that_are_no_numbers(column, cell, run):
    log = pd.read_csv(run / "log.csv").astype(object)
    log.loc[1, column] = cell
    log.to_csv(run / "log.csv", index=False)
    error_of(run, r"log\.csv")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("epoch,step", "time,value"),
        lambda text: text.replace("angle_deg,", "angle,", 1),
        lambda text: text.replace(",", ",,", 1),
        lambda text: text.replace("sigma1", "angle_deg", 1),
        lambda text: text + '"' + "x" * 200_000 + "\n",
        lambda text: text + "1,2\n",
        lambda text: text + "1," * 50 + "\n",
        lambda text: text.replace("data", "da\0ta"),
        lambda text: text[:-1],
    ],
)
def test_logs_that_are_no_tables(change, run):
    text = (run / "log.csv").read_text()
    (run / "log.csv").write_text(change(text))
    error_of(run, r"log\.csv")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("version", "1"),
        ("version", True),
        ("failures", {}),
        ("failures", [{"epoch": 1}]),
        ("failures", [{"epoch": "1", "step": 2, "layer": "a", "reason": "b"}]),
        ("breaks", 7),
        ("versions", []),
        ("versions", {"keras": 3}),
        ("p_vectors", []),
        ("settings", []),
        ("settings", {"seed": "0"}),
        ("settings", {"model": 7}),
        ("settings", {"layers": "features"}),
        ("evaluation", {"train": 0.5}),
        ("evaluation", {"train": {"accuracy": "high"}}),
        ("n_parameters", "many"),
        ("wall_time_s", None),
        *(
            ("p_vectors", {name: value})
            for name, value in (
                ("layers", "features"),
                ("layers", [1]),
                ("references", {}),
                ("n_samples", "200"),
                ("n_samples", True),
                ("k", 1.5),
                ("complete", "yes"),
                ("complete", 1),
                ("log_freq", "epoch"),
                ("samples_sha256", 12),
                ("last_moment", [1]),
                ("last_moment", "end"),
            )
        ),
    ],
)
def test_entries_of_wrong_types(entry, value, run):
    entries = json.loads((run / "run.json").read_text())
    entries[entry] = value
    (run / "run.json").write_text(json.dumps(entries))
    error_of(run, r"run\.json")


def test_nesting_without_end(run):
    (run / "run.json").write_text("[" * 100_000)
    error_of(run, r"run\.json")


def save_arrays(path, arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    "name", ["vectors", "singular_values", "error_deg", "row_norms", "centered_vector"]
)
def test_p_vectors_that_are_not_finite(name, run):
    arrays = dict(np.load(vectors(run)))
    for value in (np.nan, np.inf):
        arrays[f"0/{name}"] = np.full_like(arrays[f"0/{name}"], value)
        save_arrays(vectors(run), arrays)
        assert "'features'" in error_of(run, vectors(run).name).reason
    assert Kind.VECTORS_UNREADABLE in kinds(run)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", np.arange(3)),
        ("layers", np.array("features")),
        ("layers", np.array(["features", "features"])),
        ("layers", np.array(["features", "other"])),
        ("0/vectors", np.ones((N, 2), complex)),
        ("0/vectors", np.array([["a"]] * N)),
        ("0/vectors", np.full((N, 2), 1.0)),
        ("0/n_features", np.array(1.5)),
        ("0/n_features", np.array(0)),
        ("0/frobenius_norm", np.array(np.nan)),
        ("0/centered_error_deg", np.array(["x"])),
        ("0/samples_sha256", np.array(7)),
        ("0/samples_sha256", np.array("of other samples")),
        ("0/certified_error_deg", np.ones(7)),
        ("moment", np.array([7, 7])),
    ],
)
def test_arrays_of_another_kind(name, value, run):
    arrays = dict(np.load(vectors(run)))
    arrays[name] = value
    save_arrays(vectors(run), arrays)
    error_of(run, vectors(run).name)


def test_files_of_other_runs(run, made, rng, tmp_path):
    """Of other samples, of fewer, or of another moment."""
    info = RunFolder(run).read_info().logged_with
    settings = dataclasses.replace(
        info, n_samples=N, samples_sha256=made[0].samples_sha256
    )
    RunFolder(run).update_info(logged_with=settings)
    read_all(run)
    before = vectors(run).read_bytes()
    few = kp.p_vector(rng.random((7, 3)), layer="features")
    for foreign in (few, p_vectors_of_features(rng, 1)[0]):
        kp.save_p_vectors(vectors(run), {"features": foreign})
        error_of(run, vectors(run).name)
    shutil.copy(vectors(run, MOMENTS[0]), vectors(run))
    error_of(run, vectors(run).name)
    vectors(run).write_bytes(before)
    save_arrays(run / "samples.npz", {"labels": np.arange(N - 1)})
    error_of(run, r"samples\.npz")


def test_a_missing_file_of_p_vectors(run):
    vectors(run).unlink()
    error_of(run, vectors(run).name)


def member(shape, content=b""):
    """An array of the `.npy` format that claims to have a shape."""
    file = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


def test_arrays_are_not_allocated_by_what_they_claim(run):
    """A few bytes that claim 8 TB, and zeros that were compressed a thousandfold."""
    path = run / "samples.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", member((10**12,)))
    error_of(run, r"samples\.npz")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("labels.npy", "w", force_zip64=True) as file,
    ):
        file.write(member((2**28 // 8,)))
        for _ in range(2**8):
            file.write(bytes(2**20))
    assert path.stat().st_size < 10**6
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error_of(run, r"samples\.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 2**16  # KiB
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", member((-1,), bytes(8)))
    error_of(run, r"samples\.npz")
    save_arrays(path, {"labels": np.array([{}], dtype=object)})
    error_of(run, r"samples\.npz")


def test_huge_files_are_not_read(run):
    with open(run / "run.json", "ab") as file:
        file.truncate(2**40)  # takes no space on the disk
    error_of(run, r"run\.json")
    (run / "run.json").unlink()
    with open(run / "log.csv", "ab") as file:
        file.truncate(2**40)
    error_of(run, r"log\.csv")


@pytest.mark.parametrize("n_left", [0, 1, 2])
def test_a_finished_run_without_its_last_rows(n_left, run):
    lines = (run / "log.csv").read_text().splitlines(keepends=True)
    (run / "log.csv").write_text("".join(lines[: 1 + n_left]))
    assert "rows" in error_of(run, r"log\.csv").reason if n_left else True
    for read in (
        lambda r: r.log,
        lambda r: r.moments,
        lambda r: r.p_vector("final", "features"),
        lambda r: r.angles(layer="features"),
    ):
        with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
            read(kp.open_run(run))
    assert Kind.LOG_SHORTENED in kinds(run) or Kind.EMPTY_LOG in kinds(run)
    (run / "log.csv").write_bytes(b"")
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        print(kp.open_run(run).moments)


def test_last_rows_that_are_gone_with_their_vectors(run):
    """`metrics.csv` or `run.json` tells."""
    lines = (run / "log.csv").read_text().splitlines(keepends=True)
    (run / "log.csv").write_text("".join(lines[:-1]))
    vectors(run, MOMENTS[2]).unlink()
    error_of(run, r"log\.csv")
    (run / "metrics.csv").write_text("epoch,step,loss\n0,10,1.0\n")
    assert kp.open_run(run).moments == MOMENTS[:2]  # nothing else tells
    info = RunFolder(run).read_info().logged_with
    settings = dataclasses.replace(info, last_moment=Moment(*MOMENTS[2]))
    RunFolder(run).update_info(logged_with=settings)
    error_of(run, r"log\.csv")
    assert Kind.LOG_SHORTENED in kinds(run)


def test_a_log_that_lost_the_rows_of_a_layer_or_a_reference(made, tmp_path):
    references = {"data": made[3], "first": made[0]}
    path = write_run(tmp_path / "run", made[:3], references, ("features", "block"))
    log = pd.read_csv(path / "log.csv")
    of_block = log.layer.eq("block") & log.epoch.eq(1)
    of_first = log.reference.eq("first") & log.epoch.eq(0)
    for lost, named in ((of_first, "first"), (of_block, "block")):
        log[~lost].to_csv(path / "log.csv", index=False)
        assert named in error_of(path, r"log\.csv").reason
    # A failure that is recorded explains it.
    log[~(log.layer.eq("block") & log.epoch.eq(1))].to_csv(
        path / "log.csv", index=False
    )
    RunFolder(path).note_failure(Moment(*MOMENTS[2]), "block", "All features are zero.")
    assert kp.open_run(path).moments == MOMENTS


def test_a_running_training_is_read_as_it_is(made, tmp_path):
    path = write_run(tmp_path / "run", made[:3], {"data": made[3]}, complete=False)
    with open(path / "log.csv", "r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 40)
    assert kp.open_run(path).moments == MOMENTS[:2]


@pytest.mark.parametrize("file", FILES)
def test_a_changed_digit_after_the_end(file, run):
    """Checksums find what no other file can tell."""
    RunFolder(run).seal()
    read_all(run)
    path = run / file
    content = path.read_bytes()
    place = next(
        i
        for i in range(len(content) // 2, len(content))
        if content[i : i + 1].isdigit()
    )
    other = b"3" if content[place : place + 1] != b"3" else b"4"
    path.write_bytes(content[:place] + other + content[place + 1 :])
    error_of(run, path.name)
    found = kinds(run)
    assert found & {Kind.FILES_CHANGED, Kind.FILE_DAMAGED}
    (run / "SHA256SUMS").write_bytes(b"\xff\xfe")
    error_of(run, "SHA256SUMS|run.json")


def test_a_finished_run_does_not_pass_for_an_unfinished_one(run):
    RunFolder(run).seal()
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace('"complete"', '"c0mplete"'))
    error_of(run, r"run\.json")


def test_checksums_follow_what_the_package_writes(run):
    folder = RunFolder(run)
    folder.seal()
    folder.note(more=1)
    read_all(run)
    lines = (run / "SHA256SUMS").read_text().splitlines()
    names = {line.split("  ")[1] for line in lines}
    assert names == {
        "log.csv",
        "metrics.csv",
        "run.json",
        "samples.npz",
        *(f"pvectors/{vectors(run, m).name}" for m in MOMENTS),
    }
    run_object = kp.open_run(run)
    assert len(run_object.log) == 3
    # A training that goes on removes them, and a run that is open notices.
    folder.unseal()
    (run / "metrics.csv").write_text("epoch,step,loss\n0,10,1.0\n1,20,0.5\n")
    assert list(run_object.metrics["loss"]) == [1.0, 0.5]


def test_metrics_keep_their_own_columns(tmp_path):
    """Another callback may log `epoch` and `step`."""
    folder = RunFolder(tmp_path)
    folder.write_metrics(0, 10, {"loss": 0.5, "epoch": 7.0, "step": -1.5})
    folder.write_metrics(1, 20, {"loss": 0.25, "epoch": 8.0})
    assert folder.epoch_ends() == {0: 10, 1: 20}
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert list(table["epoch"]) == [0, 1]
    assert list(table["logs_epoch"]) == [7.0, 8.0]
    folder.rewind(1)
    assert folder.epoch_ends() == {0: 10}


def test_what_run_json_keeps(tmp_path):
    folder = RunFolder(tmp_path)
    settings = LoggedWith(("a",), complete=True, last_moment=Moment(3, 40))
    entries = (Failure(0, 1, "a", "zero"),), (Break(0, 1, "a", 12.5),)
    folder.update_info(logged_with=settings, failures=entries[0], breaks=entries[1])
    info = folder.read_info()
    assert (info.logged_with, info.failures, info.breaks) == (settings, *entries)
    with pytest.raises(kp.RunNotFoundError):
        kp.open_run(tmp_path / "nowhere")
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        kp.open_run(tmp_path)


def test_the_diagnosis_sees_the_whole_folder(made, run):
    write_run(run / "test", made[:3], {"data": made[3]})
    settings = {**SETTINGS, "num_samples": {"train": N, "test": N}}
    RunFolder(run).note(settings=settings, status="finished")

    def missing():
        found = diagnose(run).findings
        return {f.file for f in found if f.kind is Kind.FILE_MISSING}

    assert missing() == {"model.keras"}
    with zipfile.ZipFile(run / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}" * 99)
    assert diagnose(run).findings == ()
    content = (run / "model.keras").read_bytes()
    (run / "model.keras").write_bytes(content.replace(b"{}{}", b"{}[]", 1))
    (damaged,) = diagnose(run).findings
    assert (damaged.kind, damaged.file) == (Kind.FILE_DAMAGED, "model.keras")
    (run / "model.keras").write_bytes(content)
    (run / "metrics.csv").unlink()
    (run / "test" / "log.csv").unlink()
    assert missing() == {"metrics.csv", "test/log.csv"}
    shutil.rmtree(run / "test")
    assert missing() == {"metrics.csv", "test"}
    left = run / "pvectors" / "epoch_0002_step_00000030.npz.17.partial"
    left.touch()
    (found,) = (f for f in diagnose(run).findings if f.kind is Kind.PARTIAL_FILES)
    assert (found.file, found.count) == (left.relative_to(run).as_posix(), 1)
