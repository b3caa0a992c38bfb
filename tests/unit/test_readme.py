"""What README.md shows is run as it stands there."""

import dataclasses
import re
from pathlib import Path

from absl.flags import FlagValues
from readme_example import run_example

import keras_pvec as kp
from keras_pvec.reproduction.flags import define_reproduction_flags

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_callback_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_example(README)
    run = names["run"]
    assert [epoch for epoch, _ in run.moments] == [-1, 0, 1]
    assert run.layers == ["avg_pool", "block_1"]
    assert len(run.log) == 3 * 2 * 2
    names |= {
        "p": run.p_vector(0, "avg_pool"),
        "q": run.p_vector("final", "avg_pool"),
    }
    ladder = re.findall(r"```python\n(.*?)```", README, re.S)[1]
    exec(ladder, names)
    printed = capsys.readouterr().out.splitlines()
    rungs = [rung.value for rung in kp.Rung][:3]
    for line, rung in zip(printed[-3:], rungs, strict=True):
        assert rung in line


def test_columns_and_flags_that_it_names_exist():
    from keras_pvec.runs import LOG_COLUMNS

    named = re.findall(r"^\| (`.*?) \|", README, re.M)
    columns = {c for cell in named for c in re.findall(r"`(\w+)`", cell)}
    details = {field.name for field in dataclasses.fields(kp.DetailedComparison)}
    assert {"angle_deg", "z", "samples_sha256", "stored_energy"} <= columns
    assert columns <= {*LOG_COLUMNS, *details}
    defined = FlagValues()
    define_reproduction_flags(defined)
    for flag in set(re.findall(r"`--(\w+)", README)) - {"help"}:
        assert flag in defined or flag.removeprefix("no") in defined, flag
