"""Run folders: whole files, repairable logs, and reading without TensorFlow."""

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

import keras_pvec as kp
from keras_pvec.runs import (
    LOG_COLUMNS,
    LoggedWith,
    RunFolder,
    log_row,
    write_atomically,
)


@pytest.fixture
def p_vectors(rng):
    samples = kp.SampleSet(rng.random((30, 4)), name="s")
    return {
        layer: kp.p_vector(rng.random((30, 8)), layer=layer, samples=samples)
        for layer in ("a", "b")
    }


def write(folder, epoch, step, p_vectors):
    rows = [
        log_row((epoch, step), p, "a", kp.compare(p, p_vectors["a"]))
        for p in p_vectors.values()
    ]
    folder.write_moment((epoch, step), p_vectors, rows)
    folder.write_metrics(epoch, step, {"loss": 1.0 / (step + 1)})


def test_log_has_the_published_header_and_reads_with_pandas(tmp_path, p_vectors):
    folder = RunFolder(tmp_path)
    write(folder, -1, 0, p_vectors)
    write(folder, 0, 10, p_vectors)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == (
        "epoch,step,layer,reference,n_samples,n_features,angle_deg,angle_error_deg,"
        "centered_angle_deg,null_angle_deg,z,cos_ones,cos_ones_reference,sigma1,"
        "sigma2_over_sigma1,energy1,participation,samples_sha256"
    )
    table = pd.read_csv(tmp_path / "log.csv")
    assert list(table["layer"]) == ["a", "b", "a", "b"]
    assert table["angle_deg"][0] == 0
    assert table["angle_deg"][1] == kp.angle(p_vectors["b"], p_vectors["a"])


def test_p_vectors_survive_the_disk_bit_for_bit(tmp_path, p_vectors):
    kp.save_p_vectors(tmp_path / "p.npz", p_vectors)
    loaded = kp.load_p_vectors(tmp_path / "p.npz")
    assert list(loaded) == ["a", "b"]
    for layer, p in p_vectors.items():
        q = loaded[layer]
        np.testing.assert_array_equal(q.vectors, p.vectors)
        np.testing.assert_array_equal(q.centered_vector, p.centered_vector)
        assert kp.compare(q, p_vectors["a"]) == kp.compare(p, p_vectors["a"])
        assert (q.layer, q.samples_name) == (layer, "s")
    constant = {"c": kp.p_vector(np.ones((5, 2)))}
    kp.save_p_vectors(tmp_path / "c.npz", constant)
    assert kp.load_p_vectors(tmp_path / "c.npz")["c"].centered_vector is None


def test_rewinding_drops_what_came_later_and_repairs_a_torn_row(tmp_path, p_vectors):
    folder = RunFolder(tmp_path)
    for epoch, step in ((-1, 0), (0, 10), (1, 20)):
        write(folder, epoch, step, p_vectors)
    before = (tmp_path / "log.csv").read_bytes()
    with open(tmp_path / "log.csv", "ab") as file:
        file.write(b"2,30,a,da")  # as a kill in the middle of a write leaves it
    (tmp_path / "pvectors" / "epoch_0002_step_00000030.npz.17.partial").write_bytes(
        b"half"
    )
    assert folder.moments() == [(-1, 0), (0, 10), (1, 20)]
    assert len(kp.open_run(tmp_path).log) == 6

    (tmp_path / "notes.partial.txt").write_text("the user's own")
    (tmp_path / "pvectors" / "own.npz").write_bytes(b"the user's own")
    folder.rewind(2)
    assert (tmp_path / "log.csv").read_bytes() == before
    folder.rewind(1)
    assert folder.moments() == [(-1, 0), (0, 10)]
    assert list(kp.open_run(tmp_path).metrics["step"]) == [0, 10]
    left = {path.name for path in (tmp_path / "pvectors").iterdir()}
    names = {"epoch_-001_step_00000000.npz", "epoch_0000_step_00000010.npz"}
    assert left == names | {"own.npz"}
    assert (tmp_path / "notes.partial.txt").exists()
    write(folder, 1, 20, p_vectors)
    assert (tmp_path / "log.csv").read_bytes() == before


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), write_atomically(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_metrics_get_a_column_and_old_rows_stay(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_metrics(0, 5, {"loss": 0.5})
    folder.write_metrics(1, 10, {"loss": 0.25, "val_loss": 1.5})
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert list(table) == ["epoch", "step", "loss", "val_loss"]
    np.testing.assert_array_equal(table["val_loss"], [np.nan, 1.5])


def test_only_one_process_may_write(tmp_path):
    with (
        RunFolder(tmp_path).lock(),
        pytest.raises(kp.RunConflictError, match=tmp_path.name),
        RunFolder(tmp_path).lock(),
    ):
        pass


def test_the_layer_that_was_asked_for_first_leads(tmp_path, p_vectors):
    """Even if it was dead at the first moment."""
    folder = RunFolder(tmp_path)
    folder.update_info(logged_with=LoggedWith(layers=("b", "a", "never")))
    write(folder, -1, 0, {"a": p_vectors["a"]})
    write(folder, 0, 10, p_vectors)
    run = kp.open_run(tmp_path)
    assert run.layers == ["b", "a", "never"]
    assert list(run.angles(to="final", layer="b")["epoch"]) == [0]


def test_reading_a_run(tmp_path, p_vectors):
    folder = RunFolder(tmp_path)
    write(folder, -1, 0, p_vectors)
    later = {k: kp.p_vector(np.diag(np.arange(30.0)), layer=k) for k in ("a", "b")}
    write(folder, 0, 10, later)
    run = kp.open_run(tmp_path)
    assert run.moments == [(-1, 0), (0, 10)]
    assert run.layers == ["a", "b"]
    assert kp.angle(run.p_vector(-1, "b"), p_vectors["b"]) == 0
    angles = run.angles(to="final", layer="b")
    assert list(angles.columns) == list(LOG_COLUMNS)
    assert angles["angle_deg"][1] == 0
    assert angles["angle_deg"][0] == kp.angle(p_vectors["b"], later["b"])
    assert run.angles(to=-1, layer="b")["angle_deg"][0] == 0
    assert run.angles(to=later["a"], layer="a")["angle_deg"][1] == 0


def test_errors_name_what_there_is(tmp_path, p_vectors):
    with pytest.raises(kp.RunNotFoundError, match=r"log\.csv"):
        kp.open_run(tmp_path)
    write(RunFolder(tmp_path), 0, 10, p_vectors)
    run = kp.open_run(tmp_path)
    with pytest.raises(kp.RunNotFoundError, match=r"7.*\[0\]"):
        run.p_vector(7, "a")
    with pytest.raises(kp.RunNotFoundError, match=r"\['a', 'b'\]"):
        run.p_vector(0)
    with pytest.raises(kp.RunNotFoundError, match="'c'"):
        run.p_vector(0, "c")


def test_a_second_writer_is_noticed(tmp_path, p_vectors):
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    write(first, -1, 0, p_vectors)
    write(second, 0, 10, p_vectors)
    with pytest.raises(kp.RunConflictError, match=r"log\.csv"):
        write(first, 0, 10, p_vectors)


def test_files_that_are_not_ours_are_named(tmp_path):
    (tmp_path / "run.json").write_text("")
    with pytest.raises(kp.DamagedRunError, match=r"run\.json"):
        RunFolder(tmp_path).read_info()
    (tmp_path / "run.json").unlink()
    (tmp_path / "log.csv").write_text("time,value\n1,2\n")
    with pytest.raises(kp.DamagedRunError, match=r"log\.csv"):
        print(kp.open_run(tmp_path).moments)


def test_an_earlier_vector_does_not_pass_for_the_last(tmp_path, p_vectors):
    folder = RunFolder(tmp_path)
    write(folder, -1, 0, p_vectors)
    folder.write_moment((0, 10), {"a": p_vectors["a"]}, [])
    write(folder, 0, 10, {"a": p_vectors["a"]})
    folder.note_failure((0, 10), "b", "All features are zero.")
    run = kp.open_run(tmp_path)
    assert kp.angle(run.p_vector("final", "a"), p_vectors["a"]) == 0
    for epoch in ("final", 0):
        with pytest.raises(kp.RunNotFoundError, match=r"0.*10"):
            run.p_vector(epoch, "b")
    assert list(run.angles(to=-1, layer="b")["epoch"]) == [-1]
    folder.rewind(0)
    assert kp.angle(run.p_vector("final", "b"), p_vectors["b"]) == 0


def test_reading_comparing_and_drawing_need_no_tensorflow(tmp_path, p_vectors):
    folder = RunFolder(tmp_path)
    write(folder, -1, 0, p_vectors)
    write(folder, 0, 10, p_vectors)
    program = f"""
        import sys
        import numpy as np
        import keras_pvec as kp
        from keras_pvec.reproduction import analysis, figures

        run = kp.open_run({str(tmp_path)!r})
        run.log, run.metrics, run.info, run.angles(layer="b")
        kp.compare(run.p_vector(-1, "a"), run.p_vector("final", "b"))
        kp.principal_angles(run.p_vector(-1, "a"), run.p_vector("final", "b"))
        kp.p_vector(np.eye(3) + np.ones((3, 3)))
        angles = analysis.angles_to_final([run])
        figures.save_figure(
            figures.angle_to_final_figure(angles, "t"), run.path / "figure"
        )
        loaded = {{m.split(".")[0] for m in sys.modules}}
        assert not loaded & {{"tensorflow", "keras", "sklearn"}}, loaded
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
