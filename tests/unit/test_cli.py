"""The command line: exit status, JSON, and one sentence for a mistake."""

import csv
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from oracles import degrees_between
from run_folders import MOMENTS, N, p_vectors_of_features, write_run

import keras_pvec as kp
from keras_pvec.cli import main
from keras_pvec.cli.export import angle_table
from keras_pvec.runs import RunFolder, open_run, save_p_vectors
from keras_pvec.runs.spreadsheet import write_spreadsheet

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(rng):
    return p_vectors_of_features(rng, 4)


@pytest.fixture
def run(made, tmp_path):
    return write_run(tmp_path / "run", made[:3], {"data": made[3]})


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def json_of(capsys):
    return json.loads(capsys.readouterr().out, parse_constant=refuse)


def test_doctor(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["doctor", str(run)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (row,) = (line for line in out.splitlines() if line.startswith("features"))
    angle = pd.read_csv(run / "log.csv")["angle_deg"].iloc[-1]
    assert float(row.split()[1]) == pytest.approx(angle, abs=0.06)
    assert main(["doctor", str(run / "log.csv"), "--json"]) == 0
    assert json_of(capsys)["angles"][0]["angle_deg"] == angle


def test_doctor_fails_on_errors_not_on_warnings(run, made, capsys):
    write_run(run / "test", made[:3], {"data": made[3]}, complete=False)
    assert main(["doctor", str(run), "--json"]) == 0
    (test,) = json_of(capsys)["subfolders"]
    assert (test["errors"], test["warnings"]) == (0, 1)
    RunFolder(run / "test").moment_path(MOMENTS[0]).unlink()
    assert main(["doctor", str(run)]) == 1
    assert main(["doctor", str(run), "--json"]) == 1
    out, err = capsys.readouterr()
    assert "keras-pvec doctor" in out  # where to look further
    assert err == ""


def test_compare(run, made, capsys):
    files = sorted(str(path) for path in (run / "pvectors").glob("*.npz"))[:2]
    assert main(["compare", *files]) == 0
    expected = degrees_between(made[0].vector, made[1].vector)
    rows = capsys.readouterr().out.splitlines()
    row = next(row for row in rows if row.startswith("features"))
    assert float(row.split()[1]) == pytest.approx(expected, rel=0.1)
    assert all(len(row) <= 80 for row in rows)
    assert main(["compare", *files, "--json"]) == 0
    entries = json_of(capsys)
    assert [entries["first"], entries["second"]] == files
    (layer,) = entries["layers"]
    assert layer["angle_deg"] == pytest.approx(expected, abs=1e-9)
    assert len(layer["influential_samples"]) == N // 100


def test_compare_with_the_ladder_of_nulls(run, made, capsys):
    files = sorted(str(path) for path in (run / "pvectors").glob("*.npz"))[:2]
    labels = np.arange(N) % 4
    (run / "samples.npz").unlink()
    RunFolder(run).write_samples(labels, {"mean": made[3].vector, "std": labels})
    assert main(["compare", *files, "--ladder", "--permutations=49", "--json"]) == 0
    (layer,) = json_of(capsys)["layers"]
    expected = kp.null_ladder(
        *made[:2],
        labels=labels,
        statistics={"mean": made[3].vector, "std": labels},
        n_permutations=49,
    )
    assert [test["rung"] for test in layer["ladder"]] == [
        t.rung.value for t in expected
    ]
    assert [test["p_value"] for test in layer["ladder"]] == [
        test.p_value for test in expected
    ]
    assert {test["n_draws"] for test in layer["ladder"]} == {49}
    assert main(["compare", *files, "--ladder", "--permutations=49"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for test in expected:
        (line,) = (li for li in lines if f"  {test.rung.value} " in li)
        assert line.split()[-1] == f"{test.p_value:.3f}"
    # Files outside of a run folder have no labels.
    outside = [shutil.copy(file, run.parent) for file in files]
    assert main(["compare", *outside, "--ladder", "--permutations=9", "--json"]) == 0
    (layer,) = json_of(capsys)["layers"]
    assert [test["rung"] for test in layer["ladder"]] == ["permutation"]


def test_plots(run, made, tmp_path, capsys):
    other = write_run(tmp_path / "other", made[1:4], {"data": made[3]})
    assert main(["plot", str(run)]) == 0
    assert capsys.readouterr().out.split()[-1] == str((run / "angles.png").resolve())
    picture = plt.imread(run / "angles.png")
    assert picture.min() < 0.5 < picture.max()
    both = [str(run), str(other)]
    for arguments in (
        ["--kind=matrix", f"--out={tmp_path / 'a.pdf'}"],
        ["--to=data", "--centered", f"--out={tmp_path / 'b.svg'}"],
        ["--to=-1", "--layer=features", f"--out={tmp_path / 'c.png'}"],
    ):
        assert main(["plot", *both, *arguments]) == 0
        assert Path(arguments[-1].removeprefix("--out=")).stat().st_size > 1000
    assert main(["plot", str(run), "--kind=spectrum"]) == 0
    assert (run / "spectrum.png").exists()


def test_reproduce_passes_its_flags_on(capsys):
    with pytest.raises(SystemExit) as end:
        main(["reproduce", "--help"])
    assert end.value.code in (0, 1)  # absl's own
    assert "--datasets" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["absl", "tensorflow"])
def test_reproduce_names_the_extra_that_it_needs(missing):
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {missing!r}:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from keras_pvec.cli import main\n"
        "sys.exit(main(['reproduce']))"
    )
    result = run_program(code)
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert "keras-pvec[reproduction]" in line and repr(missing) in line


def test_arguments_of_no_command_are_refused(run, capsys):
    with pytest.raises(SystemExit) as end:
        main(["doctor", str(run), "--nothing"])
    assert end.value.code == 2
    assert "--nothing" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == kp.__version__


def test_export(run, made, capsys):
    assert main(["export", str(run), "--json"]) == 0
    facts = json_of(capsys)
    assert facts["file"] == str((run / "angles.csv").resolve())
    assert (facts["rows"], facts["layers_without_final"]) == (6, [])
    table = pd.read_csv(run / "angles.csv")
    pd.testing.assert_frame_equal(table, angle_table(open_run(run)))
    to_final = table[table["reference"] == "final"]["angle_deg"]
    expected = [degrees_between(p.vector, made[2].vector) for p in made[:3]]
    np.testing.assert_allclose(to_final, expected, atol=1e-6)
    assert list(table["reference"])[:3] == ["data"] * 3


@pytest.mark.parametrize("command", [["export"], ["plot"], ["plot", "--kind=spectrum"]])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_file_is_replaced_only_if_asked_to(command, is_named, run, tmp_path, capsys):
    out = tmp_path / f"named.{'csv' if command == ['export'] else 'png'}"
    call = [*command, str(run), *([f"--out={out}"] if is_named else [])]
    assert main(call) == 0
    written = {*run.iterdir(), *tmp_path.iterdir()}
    contents = {path: path.read_bytes() for path in written if path.is_file()}
    assert main(call) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in contents} == contents
    assert main([*call, "--overwrite"]) == 0


FORMULAS = ["=1+1", "+1-1", "-1+1", "@SUM(1)", "\t=1", "\n=1", "\uff1d1"]


def test_an_exported_table_holds_no_formula(made, tmp_path, capsys):
    """Names of layers and references that a spreadsheet would run; numbers, also
    negative ones, stay numbers."""
    references = {"=cmd|' /C calc'!A0": made[3]}
    run = write_run(tmp_path / "run", made[:3], references, tuple(FORMULAS))
    assert main(["export", str(run)]) == 0
    with open(run / "angles.csv", newline="") as file:
        header, *rows = csv.reader(file)
    texts = ["layer", "reference", "samples_sha256"]
    for row in rows:
        for name, cell in zip(header, row, strict=True):
            if cell and name not in texts:
                float(cell)
            elif cell:
                assert cell[0] not in "=+-@\t\n\r\uff1d"
    layers = [row[header.index("layer")] for row in rows]
    assert {*layers} == {f"'{name}" for name in FORMULAS}
    # The log itself is exact.
    assert set(open_run(run).log["layer"]) == set(FORMULAS)


def test_numbers_and_gaps_of_a_spreadsheet_are_kept(tmp_path):
    table = pd.DataFrame(
        {
            "a": [-1.5, np.nan],
            "b": pd.array([-2, None], dtype="Int64"),
            "c": pd.array(["-3.5", "=x"], dtype="string"),
            "d": pd.Categorical(["+1", "+x"]),
            "=e": [None, "-inf"],
        }
    )
    write_spreadsheet(table, str(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "a,b,c,d,'=e",
        "-1.5,-2,-3.5,+1,",
        ",,'=x,'+x,-inf",
    ]
    write_spreadsheet(table.iloc[:0], str(tmp_path / "b.csv"))
    assert (tmp_path / "b.csv").read_text() == "a,b,c,d,'=e\n"


def test_lack_of_memory_is_told_in_one_sentence(run, capsys, monkeypatch):
    def lacking(*_):
        raise MemoryError

    monkeypatch.setattr("keras_pvec.cli.doctor.diagnose", lacking)
    assert main(["doctor", str(run)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "memory" in line


def test_export_of_a_run_that_is_not_whole(made, tmp_path, capsys):
    """One layer died, and the training was stopped."""
    layers = ("features", "block")
    run = write_run(tmp_path, made[:3], {"self": made[0]}, layers, complete=False)
    save_p_vectors(RunFolder(run).moment_path(MOMENTS[-1]), {"features": made[2]})
    RunFolder(run).note_failure(MOMENTS[-1], "block", "All features are zero.")
    assert main(["export", str(run), "--json"]) == 0
    facts = json_of(capsys)
    assert facts["layers_without_final"] == ["block"]
    assert facts["complete"] is False
    assert main(["export", str(run), "--overwrite"]) == 0
    assert "block" in capsys.readouterr().out
    table = pd.read_csv(run / "angles.csv")
    to_final = table[table["reference"] == "final"]
    assert list(to_final["layer"]) == ["features"] * 3


def damaged_copies(run, folder):
    """Folders and files that the commands cannot read."""
    (folder / "empty.npz").touch()
    np.save(folder / "array.npy", np.ones(3))
    np.savez(folder / "half.npz", layers=np.array(["features"]))
    (folder / "latin.csv").write_bytes("Länge,Größe\n".encode("latin-1"))
    header = (run / "log.csv").read_text().splitlines()[0]
    for name, file, content in (
        ("blank", "log.csv", b""),
        ("binary", "log.csv", b"\xff\xfe\x00"),
        ("no_rows", "log.csv", f"{header}\n".encode()),
        ("spoilt", "log.csv", f"{header}\ntotal{',' * header.count(',')}\n".encode()),
        ("settings", "run.json", b"[]"),
        ("header", "log.csv", header.encode()),
    ):
        shutil.copytree(run, folder / name)
        (folder / name / file).write_bytes(content)
    shutil.copytree(run, folder / "lost")
    RunFolder(folder / "lost").moment_path(MOMENTS[0]).unlink()
    (folder / "dangling").symlink_to(folder / "nothing")
    shutil.copytree(run, folder / "log_is_folder")
    (folder / "log_is_folder" / "log.csv").unlink()
    (folder / "log_is_folder" / "log.csv").mkdir()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("doctor nowhere", "nowhere"),
        ("doctor .", "log.csv"),
        ("doctor latin.csv", "latin.csv"),
        ("doctor array.npy", "array.npy"),
        ("doctor blank", "blank/log.csv"),
        ("doctor binary", "binary/log.csv"),
        ("doctor spoilt", "row 2"),
        ("doctor log_is_folder", "log_is_folder/log.csv"),
        ("doctor --json nowhere", "nowhere"),
        ("compare FILE nowhere.npz", "nowhere.npz"),
        ("compare FILE run", "run"),
        ("compare FILE run/run.json", "run/run.json"),
        ("compare FILE latin.csv", "latin.csv"),
        ("compare FILE empty.npz", "empty.npz"),
        ("compare FILE array.npy", "array.npy"),
        ("compare half.npz FILE", "half.npz"),
        ("compare FILE FILE --layer=other", "'other'"),
        ("export nowhere", "nowhere"),
        ("export run/log.csv", "run/log.csv"),
        ("export no_rows", "no_rows/log.csv"),
        ("export blank", "blank/log.csv"),
        ("export binary", "binary/log.csv"),
        ("export spoilt", "row 2"),
        ("export settings", "settings/run.json"),
        ("export lost", "epoch_-001_step_00000000.npz"),
        ("export run --out=no/where.csv", "no"),
        ("export run --out=run", "run"),
        ("export run --out=", "--out"),
        (f"export run --out={'a' * 300}", "aaa"),
        (f"doctor {'a' * 300}", "aaa"),
        ("export dangling", "dangling"),
        ("export header", "header/log.csv"),
        ("export run --out=run/log.csv", "run/log.csv"),
        ("compare FILE FILE --permutations=9", "--ladder"),
        ("plot nowhere", "nowhere"),
        ("plot run run", "--out"),
        ("plot run --out=a.xyz", "a.xyz"),
        ("plot run --out=run/log.csv", "run/log.csv"),
        ("plot run --to=nothing", "'nothing'"),
        ("plot run --layer=nothing", "'nothing'"),
        ("plot run --kind=matrix", "1"),
        ("plot run run --kind=spectrum --out=a.png", "2"),
        ("plot blank", "blank/log.csv"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    arguments, named, run, tmp_path, monkeypatch, capsys
):
    damaged_copies(run, tmp_path)
    monkeypatch.chdir(tmp_path)
    file = RunFolder("run").moment_path(MOMENTS[0])
    before = sorted(tmp_path.rglob("*"))
    assert main(arguments.replace("FILE", str(file)).split()) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert named in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_command_is_required():
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2


def run_program(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        **options,
    )


def test_the_package_runs_as_a_program_without_tensorflow(run):
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module('keras_pvec', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'tensorflow', 'keras', 'absl', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules)"
    )
    result = run_program(code, "doctor", run)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_reader_that_closes_the_pipe_is_no_error(run):
    code = (
        "import os, sys\n"
        "from keras_pvec.cli import main\n"
        "reading, writing = os.pipe()\n"
        "os.close(reading)\n"
        "os.dup2(writing, sys.stdout.fileno())\n"
        "sys.exit(main())"
    )
    result = run_program(code, "doctor", run)
    assert (result.returncode, result.stderr) == (1, "")


def test_the_console_script_names_the_function_that_runs():
    text = (ROOT / "pyproject.toml").read_text()
    (target,) = re.findall(r'^keras-pvec = "([\w.:]+)"', text, re.M)
    module, name = target.split(":")
    assert getattr(importlib.import_module(module), name) is main


def test_doctor_of_a_run_without_references(made, tmp_path, capsys):
    run = write_run(tmp_path, made[:3], {}, complete=True)
    assert main(["doctor", str(run)]) == 0
    assert "references" in capsys.readouterr().out


def test_an_experiment_without_its_packages():
    """One sentence names the package, and what to install."""
    package = "matplotlib"
    program = f"""
import runpy, sys
sys.modules[{package!r}] = None  # as if it were not there
sys.argv = ["convergence.py", "--help"]
runpy.run_path({str(ROOT / "experiments" / "convergence.py")!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "Error" in line]
    assert repr(package) in line
    assert "[experiments]" in line
    assert "Traceback" not in done.stderr


def test_a_folder_of_runs_is_not_a_run(run, tmp_path, capsys):
    assert main(["doctor", str(run.parent)]) == 1
    assert run.name in capsys.readouterr().err
