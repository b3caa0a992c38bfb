"""Archives of trained runs: features of stored weights, and the analysis of what was
packed."""

import numpy as np
import pandas as pd
import pytest
from oracles import degrees_between, lapack_vector
from small_models import small_settings

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.archive import ArchiveConfig, run_archive
from keras_pvec.reproduction.config import ConfigError
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.studies import STUDIES, Options
from keras_pvec.runs import RunFolder

N = {"train": 60, "test": 40}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    data = load_data("digits").subset(128, None)
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        settings = small_settings(
            data,
            layers=["features", r"re:^block_\d+$"],
            num_samples=N,
            seed=seed,
            keep_weights=seed == 0,
        )
        training.train(settings, data, folder / f"seed_{seed}")
    return [str(folder / f"seed_{seed}") for seed in (0, 1)]


def test_features_have_the_stored_p_vectors(runs, tmp_path):
    out = run_archive(ArchiveConfig(runs, str(tmp_path / "all.npz"))).folder
    archive = kp.load_archive(out)
    assert "CC BY 4.0" in archive.card
    kept = [*training.stored_weights(RunFolder(runs[0]))]
    for name, split in (("seed_0", "train"), ("seed_0/test", "test")):
        run = archive[name]
        assert set(run.feature_moments) == set(run.layers)
        for layer, moments in run.feature_moments.items():
            assert moments == kept
            for moment in set(moments) & set(run.moments):
                found = run.features(moment, layer)
                assert found.values.shape[0] == N[split]
                p = run.p_vectors(moment)[layer]
                vector = lapack_vector(found.values.astype(np.float64))
                assert degrees_between(p.vector, vector) < 0.02
    assert archive["seed_1"].feature_moments == {}


def test_some_samples_of_some_layers(runs, tmp_path):
    options = {"num_samples": 10, "layers": ("block_1",)}
    config = ArchiveConfig(runs[:1], str(tmp_path / "some.npz"), **options)
    whole = ArchiveConfig(runs[:1], str(tmp_path / "whole.npz"))
    some, all_of_them = (
        kp.load_archive(run_archive(each).folder)["seed_0"] for each in (config, whole)
    )
    found = some.features("final")
    assert found.sample_indices.tolist() == [6 * i for i in range(10)]
    expected = all_of_them.features("final", "block_1")
    np.testing.assert_allclose(
        found.values, expected.values[found.sample_indices], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(found.labels, expected.labels[::6])


def test_studies_read_an_archive_as_they_read_folders(runs, tmp_path):
    config = ArchiveConfig(runs, str(tmp_path / "plain.npz"), features=False)
    archive = kp.load_archive(run_archive(config).folder)
    archived = [archive[name] for name in ("seed_0", "seed_1")]
    for split in N:
        options = Options("digits", split=split, with_figures=False)
        found = STUDIES["convergence"].analyse(archived, options)
        expected = STUDIES["convergence"].analyse(
            [kp.open_run(run) for run in runs], options
        )
        assert found.claims == expected.claims
        for name, table in expected.tables.items():
            pd.testing.assert_frame_equal(found.tables[name], table)


def test_bad_input(runs, tmp_path):
    out = str(tmp_path / "new.npz")
    with pytest.raises(ConfigError, match="no_layer"):
        run_archive(ArchiveConfig(runs, out, layers=("no_layer",)))
    with pytest.raises(ConfigError, match="runs"):
        ArchiveConfig((), out)
    with pytest.raises(ConfigError, match="nowhere"):
        run_archive(ArchiveConfig(runs, str(tmp_path / "nowhere" / "new.npz")))
    with pytest.raises(kp.RunNotFoundError, match="missing"):
        run_archive(ArchiveConfig([str(tmp_path / "missing")], out))
    assert not list(tmp_path.iterdir())
