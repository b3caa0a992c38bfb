"""The ladder of nulls of pairs of runs, and pairs of untrained runs."""

import itertools

import numpy as np
import pandas as pd
import pytest
from oracles import degrees_between
from stored_runs import of_features, p_of, random_plane, turned, write_run

from keras_pvec.reproduction import analysis
from keras_pvec.reproduction.analysis.ladder import with_ladder

N = 200


@pytest.fixture
def pair():
    return pd.DataFrame({"run": ["a"], "other": ["b"]})


def test_classes_explain_an_angle(pair, rng):
    """Both vectors follow the classes alone: permutations within them change nothing
    but the noise."""
    labels = np.repeat([0, 1, 2, 3], N // 4)
    of_class = np.array([1.0, 2.0, 3.0, 4.0])[labels]
    vectors = {name: p_of(of_class + 0.1 * rng.random(N)) for name in "ab"}
    row = with_ladder(pair, vectors, {"labels": labels}).iloc[0]
    angle = degrees_between(vectors["a"].vector, vectors["b"].vector)
    assert row["within_class_null_deg"] == pytest.approx(angle, abs=0.1)
    assert row["within_class_p"] > 0.05 and row["permutation_p"] == 1 / 500
    assert np.isnan(row["image_statistics_null_deg"])


def test_brightness_explains_an_angle(pair, rng):
    """What is left of both vectors without brightness is noise; the null angle is that
    of the explained parts, by least squares."""
    mean = rng.random(N)
    vectors = {name: p_of(1 + mean + 0.2 * rng.random(N)) for name in "ab"}
    row = with_ladder(pair, vectors, {"mean": mean}).iloc[0]
    design = np.stack([np.ones(N), mean, mean**2], axis=1)
    u, v = (vectors[name].vector for name in "ab")
    explained = [design @ np.linalg.lstsq(design, x, rcond=None)[0] for x in (u, v)]
    expected = np.degrees(np.arccos(explained[0] @ explained[1]))
    assert row["image_statistics_null_deg"] == pytest.approx(expected)
    partial = np.corrcoef(u - explained[0], v - explained[1])[0, 1]
    assert row["partial_correlation"] == pytest.approx(abs(partial))
    assert row["image_statistics_p"] > 0.01
    assert np.isnan(row["within_class_null_deg"])


def test_samples_may_say_nothing(pair, rng):
    vectors = {name: p_of(rng.random(N)) for name in "ab"}
    row = with_ladder(pair, vectors, {}).iloc[0]
    assert row.drop(["run", "other", "permutation_p"]).isna().all()


def test_untrained_pairs(tmp_path, rng):
    """At the moment before training; a run that did not log it is left out."""
    plane = random_plane(rng)
    starts = {"mlp": 10.0, "vgg16": 30.0, "resnet18": 70.0}
    runs = []
    for model, angle in starts.items():
        moments = {(-1, 0): turned(plane, angle), (0, 5): turned(plane, 0.0)}
        path = tmp_path / model
        runs.append(write_run(path, of_features(moments), model=model))
    late = {(0, 5): turned(plane, 0.0)}
    runs.append(write_run(tmp_path / "late", of_features(late), seed=1))
    found = analysis.untrained_pairs(runs).set_index(["group", "other_group"])
    assert set(found.index) == set(itertools.combinations(starts, 2))
    for (a, b), angle in found["angle_deg"].items():
        assert angle == pytest.approx(abs(starts[a] - starts[b]))
    assert analysis.untrained_pairs(runs[:1]).empty


def test_singular_vectors_between_runs(tmp_path, rng):
    """Two runs with the same three vectors, two of them in another order."""
    u = np.linalg.qr(rng.standard_normal((N, 3)))[0]
    runs = []
    for seed, order in enumerate(([0, 1, 2], [0, 2, 1])):
        p = p_of(u[:, 0])
        p = type(p)(
            vectors=u[:, order],
            singular_values=np.array([3.0, 2.0, 1.0]),
            error_deg=np.zeros(3),
            frobenius_norm=np.sqrt(14.0),
            n_features=3,
            layer="features",
        )
        path = tmp_path / str(seed)
        info = {"training_quality": {"well_trained": seed == 0}}
        runs.append(write_run(path, {(0, 1): {"features": p}}, seed=seed, info=info))
    found = analysis.singular_vectors_between(runs)
    np.testing.assert_allclose(found["angle_deg"], [0, 90, 90], atol=1e-5)
    np.testing.assert_allclose(found["best_match_angle_deg"], 0, atol=1e-5)
    np.testing.assert_allclose(found["subspace_angle_deg"], [0, 90, 0], atol=1e-5)
    assert list(found["index"]) == [1, 2, 3]
    assert found["well_trained"].all() and not found["other_well_trained"].any()
    assert analysis.singular_vectors_between(runs[:1]).empty
