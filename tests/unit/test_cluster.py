"""A cluster that cannot be used is named in one sentence, without a traceback."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.data import ImageDataSpec
from keras_pvec.reproduction.experiment import run_study
from keras_pvec.reproduction.flags.program import exit_code
from keras_pvec.reproduction.runner import ClusterError, RayCluster, ray_pool
from keras_pvec.reproduction.runner.ray_pool import RayPool
from keras_pvec.reproduction.runner.ray_task import data_arrays, data_from_arrays
from keras_pvec.reproduction.runner.versions import version_difference, versions


def config_in(folder, **changes):
    return ExperimentConfig(
        models=("mlp",),
        epochs=1,
        train_samples=200,
        num_samples=50,
        cluster="ray",
        runs_dir=folder / "runs",
        out_dir=folder / "out",
        **changes,
    )


def error_of(config, capsys):
    """What a program prints that stops with an error."""
    assert exit_code(lambda: run_study(config, "convergence")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")
    assert not list(config.runs_dir.rglob("run.json"))
    return line


def test_without_ray(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "keras-pvec[ray]" in error_of(config_in(tmp_path), capsys)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001", "127.0.0.1:99999"]
)
def test_without_a_cluster_at_the_address(tmp_path, capsys, address):
    pytest.importorskip("ray")
    assert address in error_of(config_in(tmp_path, ray_address=address), capsys)


def test_without_any_cluster_on_this_machine(monkeypatch, tmp_path):
    ray = pytest.importorskip("ray")

    def unavailable(**_):
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", unavailable)
    with pytest.raises(ClusterError, match="Could not find"):
        RayPool(RayCluster("auto"))


def test_nothing_of_ray_is_imported_without_the_flag():
    """Only `ray_pool` may name Ray (see `test_rooms`), and within functions only."""
    path = Path(ray_pool.__file__)
    imported = [
        ast.unparse(node).split()[1]
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not any(name.split(".")[0] == "ray" for name in imported)


def test_the_first_difference_of_versions_is_named():
    ours = versions()
    assert version_difference(ours, dict(ours)) is None
    assert "9.9" in version_difference(ours, {**ours, "numpy": "9.9"})
    older = {name: value for name, value in ours.items() if name != "keras"}
    difference = version_difference(ours, older)
    assert "keras" in difference
    assert ours["keras"] in difference


def test_any_change_of_the_source_is_another_version(monkeypatch, tmp_path):
    before = versions()
    versions.cache_clear()
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read_bytes(path) + b"\n")
    try:
        assert version_difference(before, versions()) is not None
    finally:
        versions.cache_clear()


def test_data_arrive_as_they_were_sent():
    spec = ImageDataSpec("digits", None, 100, 30, label_noise=0.2)
    arrays = data_arrays(spec.load_whole())
    assert {type(value) for value in arrays.values()} <= {str, int, bool, np.ndarray}
    received = spec.select_from(data_from_arrays(arrays))
    assert received.fingerprint() == spec.load().fingerprint()
    assert received.n_classes == 10
