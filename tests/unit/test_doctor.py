"""The doctor finds what was done to a log, and nothing in a sound one; the command line
gives one sentence for a mistake."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import keras_pvec as kp
from keras_pvec.__main__ import main
from keras_pvec.doctor import ERROR, NOTE, WARNING, angle_table, compare_files, examine
from keras_pvec.runs import LoggedWith, RunFolder, log_row, save_p_vectors

N = 200
MOMENTS = [(-1, 0), (0, 10), (1, 20)]


@pytest.fixture
def samples(rng):
    return kp.SampleSet(rng.random((N, 3)).astype("float32"), name="made up")


def features(rng, share=0.3):
    """Two leanings: to the constant vector, and to a direction of the samples."""
    direction = np.linspace(-1, 1, N)
    x = np.outer(1 + share * direction, rng.random(20) + 0.5)
    return x + 0.05 * rng.standard_normal(x.shape)


def write_run(path, p_vectors, reference, complete=True):
    """A run folder with these P-vectors, one for each moment."""
    folder = RunFolder(path)
    folder.update_info(logged_with=LoggedWith(complete=complete))
    for moment, p in zip(MOMENTS, p_vectors, strict=True):
        row = log_row(moment, p, "data", kp.compare(p, reference))
        folder.write_moment(moment, {"features": p}, [row])
    return path


@pytest.fixture
def made(rng, samples):
    return [
        kp.p_vector(features(rng), layer="features", samples=samples, k=2)
        for _ in range(4)
    ]


def levels(findings):
    return {f.level for f in findings}


def text(findings, level):
    return " ".join(f.text for f in findings if f.level == level)


def test_nothing_is_wrong_with_a_sound_run(made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], made[3])
    findings = examine(run)
    assert levels(findings) == {NOTE}
    assert "Closer than chance" in findings[0].text
    assert levels(examine(run / "log.csv")) == {NOTE}


def test_angles_that_chance_explains(made, rng, samples, tmp_path):
    """The reference has its samples in another order."""
    shuffled = dataclasses.replace(made[3], vectors=rng.permutation(made[3].vectors))
    findings = examine(write_run(tmp_path / "run", made[:3], shuffled))
    assert "shows nothing" in text(findings, WARNING)
    # The leanings are opposite ones.
    x = 2 - features(rng)
    opposite = kp.p_vector(x, layer="features", samples=samples)
    findings = examine(write_run(tmp_path / "other", made[:3], opposite))
    assert "Further apart than random orders" in text(findings, WARNING)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda log: pd.concat([log, log[:1]]), "1 rows are doubled"),
        (lambda log: log[log["epoch"] != 0], "Epochs are missing: 0"),
        (
            lambda log: log.assign(samples_sha256=["a", "a", "b"]),
            "2 different sample sets",
        ),
        (lambda log: log[:0], "no rows"),
        (lambda log: log.assign(angle_deg=[1, 400, 1]), "1 values of `angle_deg`"),
        (lambda log: log.assign(n_samples=0), "3 values of `n_samples`"),
        (
            lambda log: pd.concat([log, log[log["epoch"] != 0].assign(reference="b")]),
            "features to b: rows of epochs 0 are missing",
        ),
    ],
)
def test_damaged_logs(change, message, made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], made[3])
    change(pd.read_csv(run / "log.csv")).to_csv(tmp_path / "log.csv", index=False)
    assert message in text(examine(tmp_path / "log.csv"), ERROR)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("angle_deg", "12,5", "row 3: '12,5' is not a number, as `angle_deg` has to"),
        ("z", "#REF!", "row 3: '#REF!' is not a number, as `z` has to be"),
        ("epoch", "total", "row 3: 'total' is not a whole number, as `epoch` has to"),
        ("step", "", "row 3: an empty cell is not a whole number, as `step` has to be"),
    ],
)
def test_cells_that_a_spreadsheet_spoilt(column, value, message, made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], made[3])
    log = pd.read_csv(run / "log.csv").astype(object)
    log.loc[1, column] = value
    log.to_csv(run / "log.csv", index=False)
    for path in (run, run / "log.csv"):
        with pytest.raises(ValueError, match="row 3") as error:
            examine(path)
        assert message in str(error.value)


def test_a_byte_order_mark_is_no_part_of_a_log(made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], made[3])
    text = (run / "log.csv").read_text()
    (run / "log.csv").write_text(text, encoding="utf-8-sig")
    assert levels(examine(run)) == levels(examine(run / "log.csv")) == {NOTE}


def test_what_cannot_be_said_is_told(made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], made[3])
    log = pd.read_csv(run / "log.csv")
    log.assign(angle_deg=np.nan).to_csv(tmp_path / "log.csv", index=False)
    assert "3 rows have no angle" in text(examine(tmp_path / "log.csv"), WARNING)
    log.assign(z=np.nan).to_csv(tmp_path / "log.csv", index=False)
    assert "no null to compare it with" in text(examine(tmp_path / "log.csv"), WARNING)
    log.assign(samples_sha256=np.nan).to_csv(tmp_path / "log.csv", index=False)
    assert "have no fingerprint" in text(examine(tmp_path / "log.csv"), WARNING)
    # The error of the second reference alone is large.
    other = log.assign(reference="b", angle_error_deg=60.0)
    pd.concat([log, other]).to_csv(tmp_path / "log.csv", index=False)
    assert "ambiguous at 3 of 3" in text(examine(tmp_path / "log.csv"), WARNING)
    few = log.assign(participation=[3.9, 4.1, 100.0])  # 2% of 200
    few.to_csv(tmp_path / "log.csv", index=False)
    told = text(examine(tmp_path / "log.csv"), WARNING)
    assert "at 1 of 3 moments a few samples" in told
    (run / "run.json").unlink()
    assert "There is no run.json" in text(examine(run), WARNING)


def test_the_last_angle_of_each_layer_is_judged(made, tmp_path):
    """The features at the last moment; a block that died before, at its own last."""
    run = write_run(tmp_path / "run", made[:3], made[3])
    log = pd.read_csv(run / "log.csv")
    block = log[log["epoch"] < 1].assign(layer="block", z=[0.0, 50.0])
    log["z"] = [0.0, 0.0, 40.0]
    pd.concat([log, block]).to_csv(tmp_path / "log.csv", index=False)
    findings = examine(tmp_path / "log.csv")
    told = text(findings, NOTE)
    assert "features to data, last moment" in told and "z = 40.0" in told
    assert "block to data, epoch 0, step 10, the last it was measured at" in told
    assert "z = 50.0" in told
    assert "Some of the 2 layers have no row at the end of epochs 1" in text(
        findings, WARNING
    )


def test_rows_and_vectors_that_do_not_belong_together(made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], made[3])
    folder = RunFolder(run)
    save_p_vectors(folder.moment_path(MOMENTS[0]), {"features": made[1]})
    save_p_vectors(folder.moment_path(MOMENTS[1]), {"other": made[1]})
    errors = text(examine(run), ERROR)
    assert "epoch -1, step 0: the stored P-vector is another one" in errors
    assert "sigma1" in errors
    assert "features at epoch 0, step 10 has a row, but no P-vector" in errors


def test_vectors_to_be_read_with_care(made, rng, samples, with_spectrum, tmp_path):
    def of(x):
        return kp.p_vector(x, layer="features", samples=samples)

    with pytest.warns(kp.AmbiguousPVectorWarning):
        ambiguous = of(with_spectrum(N, 30, [1.0, 1.0, 0.1]))
    constant = of(np.ones((N, 4)) + 1e-4 * rng.random((N, 4)))
    spike = features(rng)
    spike[7] *= 1e3
    run = write_run(tmp_path / "run", [ambiguous, constant, of(spike)], made[3])
    told = text(examine(run), WARNING)
    for words in (
        "the P-vector is ambiguous at 1 of 3",
        "at 1 of 3 moments the P-vector is the constant vector",
        "at 1 of 3 moments a few samples own",
    ):
        assert words in told


def test_run_folders_that_do_not_hold_what_they_log(made, samples, rng, tmp_path):
    run = write_run(tmp_path / "run", made[:3], made[3], complete=False)
    folder = RunFolder(run)
    folder.note_failure((1, 20), "dead", "All features are zero.")
    folder.moment_path(MOMENTS[0]).unlink()
    folder.moment_path(MOMENTS[1]).write_bytes(b"not an archive")
    damaged = dataclasses.replace(
        made[2], vectors=2 * made[2].vectors, samples_sha256="other"
    )
    save_p_vectors(folder.moment_path(MOMENTS[2]), {"features": damaged})
    findings = examine(run)
    errors, warnings = text(findings, ERROR), text(findings, WARNING)
    assert "holds no P-vectors of epoch -1" in errors
    assert "epoch_0000_step_00000010.npz cannot be read" in errors
    assert "is of other samples than the log says" in errors
    assert "has length 2 and not 1" in errors
    assert "did not come to its end" in warnings
    assert "dead had no P-vector at epoch 1, step 20" in warnings


def test_comparing_files(made, rng, samples, tmp_path):
    a, b, c = (tmp_path / name for name in ("a.npz", "b.npz", "c.npz"))
    save_p_vectors(a, {"x": made[0], "y": made[1]})
    save_p_vectors(b, {"y": made[2]})
    save_p_vectors(c, {"z": made[3]})
    table = compare_files(a, b)
    assert list(table["layer"]) == ["y"]
    np.testing.assert_allclose(table["angle_deg"], [kp.angle(made[1], made[2])])
    table = compare_files(b, c)  # one layer each
    np.testing.assert_allclose(table["angle_deg"], [kp.angle(made[2], made[3])])
    with pytest.raises(ValueError, match="No layer to compare"):
        compare_files(a, c)
    others = kp.SampleSet(rng.random((N, 3)).astype("float32"))
    save_p_vectors(c, {"y": kp.p_vector(features(rng), samples=others)})
    with pytest.raises(kp.SampleMismatchError):
        compare_files(a, c)


def test_the_table_of_all_angles(made, tmp_path):
    run = kp.open_run(write_run(tmp_path / "run", made[:3], made[3]))
    table = angle_table(run)
    to_final = table[table["reference"] == "final"]["angle_deg"]
    expected = [kp.angle(p, made[2]) for p in made[:3]]
    np.testing.assert_allclose(to_final, expected, atol=1e-9)
    assert len(table) == 6


def test_the_command_line(made, tmp_path, capsys):
    run = write_run(tmp_path / "run", made[:3], made[3])
    assert main(["doctor", str(run)]) == 0
    assert "0 errors, 0 warnings, 1 notes" in capsys.readouterr().out
    assert main(["export", str(run)]) == 0
    pd.testing.assert_frame_equal(
        pd.read_csv(run / "angles.csv"), angle_table(kp.open_run(run))
    )
    files = sorted(str(path) for path in (run / "pvectors").glob("*.npz"))
    assert main(["compare", *files[:2]]) == 0
    assert f"angle_deg: {kp.angle(made[0], made[1])}" in capsys.readouterr().out
    (tmp_path / "empty.npz").touch()
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "half.npz", layers=np.array(["features"]))
    for name, file, content in (
        ("list", "run.json", "[]"),
        ("blank", "log.csv", ""),
    ):
        shutil.copytree(run, tmp_path / name)
        (tmp_path / name / file).write_text(content)
    for arguments, words in (
        (["doctor", "nowhere"], "no run folder and no log at nowhere"),
        (["doctor", __file__], "is not a"),
        (["export", str(tmp_path)], "there is no log.csv"),
        (["export", str(run), "--out=no/where.csv"], "There is no folder no"),
        (["compare", files[0], "nowhere.npz"], "There is no file nowhere.npz"),
        (["export", str(run), f"--out={run / 'log.csv'}"], "is there already"),
        (["compare", files[0], __file__], __file__),
        (
            ["compare", files[0], str(tmp_path / "empty.npz")],
            str(tmp_path / "empty.npz"),
        ),
        (
            ["compare", files[0], str(tmp_path / "array.npy")],
            str(tmp_path / "array.npy"),
        ),
        (["compare", files[0], str(tmp_path / "half.npz")], str(tmp_path / "half.npz")),
        (["doctor", str(tmp_path / "list")], "is not a run.json"),
        (["doctor", str(tmp_path / "blank")], "is not a CSV file"),
        (["compare", *files[:2], "--layer=other"], "'other' was asked for"),
    ):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("Error: ")
        assert words in error


def test_export_of_a_run_that_is_not_whole(made, tmp_path, capsys):
    """One layer died, and the training was stopped."""
    folder = RunFolder(tmp_path / "run")
    folder.update_info(logged_with=LoggedWith(layers=("features", "block")))
    for moment, p in zip(MOMENTS, made[:3], strict=True):
        layers = ["features"] if moment == MOMENTS[-1] else ["features", "block"]
        layers = {name: dataclasses.replace(p, layer=name) for name in layers}
        rows = [log_row(moment, p, "data", kp.compare(p, p)) for p in layers.values()]
        folder.write_moment(moment, layers, rows)
    assert main(["export", str(folder.path)]) == 0
    told = capsys.readouterr().out
    assert "block: no P-vector at the last moment" in told
    assert "has not come to its end" in told
    table = pd.read_csv(folder.path / "angles.csv")
    to_final = table[table["reference"] == "final"]
    assert list(to_final["layer"]) == ["features"] * 3


def test_the_package_runs_as_a_program_without_tensorflow(tmp_path):
    program = (
        "import runpy, sys; sys.argv = ['keras_pvec', 'doctor', 'nowhere']\n"
        "try: runpy.run_module('keras_pvec', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 1\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=100)
