"""The schema of tables: every table has the columns that it lists for it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from stored_runs import write_run

import keras_pvec as kp
from keras_pvec.comparison import Comparison, DetailedComparison
from keras_pvec.reproduction import analysis
from keras_pvec.reproduction.analysis import schema
from keras_pvec.runs import LOG_COLUMNS

LAYERS = ["features", "block_1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs with all that tables ask for."""
    rng = np.random.default_rng(0)
    runs = []
    for seed in (0, 1):
        splits = [made_up_split(rng, n) for n in (30, 20)]
        scores = {split: {"accuracy": 0.5, "loss": 1.0} for split in ("train", "test")}
        path = tmp_path_factory.mktemp("run")
        info = {"evaluation": scores, "n_parameters": 10}
        run = write_run(
            path, *splits[0], test=splits[1], seed=seed, layers=LAYERS, info=info
        )
        runs.append(run)
    return runs


def made_up_split(rng, n):
    def p_vector(layer):
        p = kp.p_vector(rng.random((n, 4)), k=2, layer=layer)
        return dataclasses.replace(p, samples_sha256="a" * 64)

    moments = {
        when: {layer: p_vector(layer) for layer in LAYERS}
        for when in ((-1, 0), (0, 2), (0, 4), (1, 8))
    }
    references = {name: p_vector(name) for name in ("data", "untrained")}
    return moments, references


@pytest.fixture(scope="module")
def tables(runs):
    first_epoch = analysis.first_epoch_angles(runs)
    pairs = analysis.angles_between(runs)
    p_vectors = {str(run.path): run.p_vector("final", "features") for run in runs}
    models = analysis.generalization(runs, ["base", "width=2"], "train")
    return {
        "angles_to_final": analysis.angles_to_final(runs),
        "angles_to_data": analysis.angles_to_data(runs),
        "angles_to_untrained": analysis.angles_to_untrained(runs),
        "angles_to_references": analysis.angles_to_references(runs, runs[:1]),
        "first_epoch_angles": first_epoch,
        "first_epoch_peaks": analysis.first_epoch_peaks(first_epoch),
        "pairwise_angles": analysis.pairwise_angles(p_vectors),
        "angles_between": pairs,
        "untrained_pairs": analysis.untrained_pairs(runs),
        "null_ladder_table": analysis.null_ladder_table(
            pairs, analysis.untrained_pairs(runs)
        ),
        "singular_vectors_between": analysis.singular_vectors_between(runs),
        "influential_samples": analysis.influential_samples(pairs),
        "angles_by_block": analysis.angles_by_block(runs),
        "singular_vector_angles": analysis.singular_vector_angles(runs),
        "explained_variance": analysis.explained_variance(runs),
        "value_histograms": analysis.value_histograms(runs[0]),
        "value_densities": analysis.value_densities(runs[0]),
        "value_drift": analysis.value_drift(runs),
        "generalization": models,
        "over_seeds": analysis.over_seeds(models),
        "rank_correlations": analysis.rank_correlations(models, "gap"),
    }


def test_every_table_is_listed(tables):
    assert set(tables) == set(analysis.TABLES)


@pytest.mark.parametrize("name", analysis.TABLES)
def test_tables_have_the_columns_of_their_layout(tables, name):
    assert not tables[name].empty
    assert tuple(tables[name]) == analysis.TABLES[name].columns


def test_pairs_in_detail(tables):
    """What a detailed comparison adds, and what is shown of it."""
    pairs = tables["pairwise_angles"]
    plain = pairs.drop(columns=analysis.DETAILS)
    names = {field.name for field in dataclasses.fields(Comparison)} - {"ladder"}
    assert set(plain) == names | {
        *("run", "other", "group", "other_group"),
        *("null_low_deg", "null_high_deg"),
    }
    assert list(pairs[analysis.MEASURES]) == analysis.MEASURES


def test_every_column_is_documented_once():
    listed = {name for table in analysis.TABLES.values() for name in table.columns}
    assert listed <= set(analysis.COLUMNS)
    assert set(LOG_COLUMNS) <= set(analysis.COLUMNS)
    compared = {field.name for field in dataclasses.fields(DetailedComparison)}
    assert compared - {"principal_angles_deg", "ladder"} <= set(analysis.COLUMNS)
    for name, column in analysis.COLUMNS.items():
        assert column.name == name == getattr(schema, name.upper())
        assert column.meaning
        assert (column.unit == "degrees") == name.endswith("_deg")
        assert listed & {name} or name == "influential_samples"


def test_tables_survive_a_file(tables, tmp_path):
    for name, table in tables.items():
        table.to_csv(tmp_path / "table.csv", index=False)
        read = pd.read_csv(tmp_path / "table.csv")
        assert list(read) == list(table), name
        assert len(read) == len(table)
