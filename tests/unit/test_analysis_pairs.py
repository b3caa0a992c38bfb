"""Comparisons of pairs of networks, and the band of the permutation null."""

import itertools

import numpy as np
import pandas as pd
from oracles import degrees_between
from stored_runs import of_features, write_run

import keras_pvec as kp
from keras_pvec.reproduction import analysis


def test_null_band_holds_95_percent_of_permutations():
    rng = np.random.default_rng(0)
    p = kp.p_vector((rng.random(400) + 0.5)[:, None])
    q = kp.p_vector((rng.random(400) ** 2)[:, None])
    comparison = kp.compare(p, q)
    table = pd.DataFrame([vars(comparison)])
    band = analysis.with_null_band(table).iloc[0]
    cosines = [p.vector @ rng.permutation(q.vector) for _ in range(20000)]
    angles = np.degrees(np.arccos(cosines))
    inside = np.mean((angles > band["null_low_deg"]) & (angles < band["null_high_deg"]))
    np.testing.assert_allclose(inside, 0.95, atol=0.01)
    np.testing.assert_allclose(np.mean(angles), band["null_angle_deg"], rtol=0.01)


def test_angles_between_runs(tmp_path, rng):
    """Between the last epochs, once for each pair; seeds of one model are a group."""
    runs, last = [], []
    for model, seed in (("mlp", 0), ("mlp", 1), ("vgg16", 0)):
        moments = {
            when: kp.p_vector(rng.random((50, 6)), layer="features")
            for when in ((-1, 0), (1, 8))
        }
        path = tmp_path / f"{model}_{seed}"
        runs.append(write_run(path, of_features(moments), model=model, seed=seed))
        last.append(moments[1, 8])
    pairs = analysis.angles_between(runs)
    names = ["mlp, seed 0", "mlp, seed 1", "vgg16, seed 0"]
    places = [*itertools.combinations(range(3), 2)]
    assert list(pairs["run"]) == [names[i] for i, _ in places]
    assert list(pairs["other"]) == [names[j] for _, j in places]
    assert list(pairs["group"]) == ["mlp"] * 3
    assert list(pairs["other_group"]) == ["mlp", "vgg16", "vgg16"]
    for row, (i, j) in zip(pairs.itertuples(), places, strict=True):
        u, v = last[i].vector, last[j].vector
        np.testing.assert_allclose(row.angle_deg, degrees_between(u, v))
        assert row.null_low_deg < row.null_angle_deg < row.null_high_deg


def test_a_single_network_has_no_pairs(rng):
    networks = {name: kp.p_vector(rng.random((20, 3))) for name in "ab"}
    pairs = analysis.pairwise_angles(networks)
    alone = analysis.pairwise_angles({"a": networks["a"]})
    assert alone.empty
    assert list(alone) == list(pairs)


def test_influential_samples_have_ranks(rng):
    """Of 200 samples the most influential 1% are two for each pair."""
    networks = {name: kp.p_vector(rng.random((200, 3))) for name in "abc"}
    pairs = analysis.pairwise_angles(networks)
    table = analysis.influential_samples(pairs)
    assert list(table["rank"]) == [1, 2] * 3
    expected = [i for samples in pairs["influential_samples"] for i in samples]
    assert list(table["sample"]) == expected
    assert list(table["run"]) == list(np.repeat(pairs["run"], 2))
    for column in ("angle_deg", "trimmed_angle_deg", "trimmed_null_angle_deg"):
        np.testing.assert_array_equal(table[column], np.repeat(pairs[column], 2))


def test_identical_networks_have_no_influential_samples(rng):
    p = kp.p_vector(rng.random((20, 3)))
    assert analysis.influential_samples(
        analysis.pairwise_angles({"a": p, "b": p})
    ).empty
