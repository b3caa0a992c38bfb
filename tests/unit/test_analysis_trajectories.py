"""Angles over the epochs of made-up runs, whose angles are known."""

import numpy as np
import pytest
from stored_runs import N_SAMPLES, of_features, random_plane, turned, write_run

import keras_pvec as kp
from keras_pvec.reproduction import analysis
from keras_pvec.runs import Moment, RunFolder, log_row


def null_angle(p, q):
    """Angle of the mean cosine under permutations: of the projections on the constant
    vector."""
    n = p.n_samples
    return np.degrees(np.arccos(abs(p.vector.mean() * q.vector.mean() * n)))


def test_angles_to_final(tmp_path, rng):
    """Two runs of three epochs, the second with a moment within its first epoch."""
    vectors = {}
    runs = []
    for seed in (0, 1):
        moments = [(-1, 0), (0, 10), (1, 20)]
        if seed == 1:
            moments.insert(1, (0, 5))
        for moment in moments:
            vectors[seed, moment] = kp.p_vector(rng.random((50, 6)), layer="features")
        p_vectors = {moment: vectors[seed, moment] for moment in moments}
        path = tmp_path / str(seed)
        runs.append(write_run(path, of_features(p_vectors), seed=seed))

    angles = analysis.angles_to_final(runs)
    assert list(angles["run"]) == ["mlp, seed 0"] * 3 + ["mlp, seed 1"] * 3
    assert set(angles["model"]) == {"mlp"}
    assert list(angles["seed"]) == [0] * 3 + [1] * 3
    assert list(angles["epoch"]) == [-1, 0, 1] * 2
    last = vectors[1, (1, 20)]
    expected = [kp.angle(vectors[1, m], last) for m in ((-1, 0), (0, 10), (1, 20))]
    np.testing.assert_allclose(angles["angle_deg"][3:], expected)
    low, null, high = (
        angles[f"null_{name}_deg"].iloc[:2] for name in ("low", "angle", "high")
    )
    assert (low < null).all() and (null < high).all()


def test_a_run_without_settings_is_called_by_its_folder(tmp_path, rng):
    p = kp.p_vector(rng.random((N_SAMPLES, 3)), layer="features")
    row = log_row(Moment(0, 1), p, "", kp.compare(p, p))
    RunFolder(tmp_path / "mine").write_moment(Moment(0, 1), {"features": p}, [row])
    angles = analysis.angles_to_final([kp.open_run(tmp_path / "mine")])
    assert list(angles["run"]) == list(angles["model"]) == ["mine"]
    assert angles["seed"].isna().all()


MOMENTS = [(-1, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 8)]


CURVE = [30.0, 50.0, 60.0, 40.0, 20.0, 0.0]


TEST_CURVE = [20.0, 25.0, 45.0, 70.0, 60.0, 0.0]
# Degrees from the last epoch, on its other side.
BEYOND_FINAL = {"data": 10, "input": 15, "untrained": 20}


@pytest.fixture
def within_an_epoch(tmp_path, rng):
    """A run of known angles in a plane, in which the references lie beyond its last
    epoch. Test samples are fewer, with other angles."""
    splits = []
    for curve, n in ((CURVE, N_SAMPLES), (TEST_CURVE, N_SAMPLES // 2)):
        plane = random_plane(rng, n)
        vectors = [turned(plane, angle) for angle in curve]
        references = {
            name: turned(plane, -angle) for name, angle in BEYOND_FINAL.items()
        }
        moments = of_features(dict(zip(MOMENTS, vectors, strict=True)))
        splits.append((moments, references))
    run = write_run(tmp_path / "run", *splits[0], test=splits[1])
    return run, splits


@pytest.mark.parametrize("matrix", ["data", "input"])
def test_first_epoch_angles(within_an_epoch, matrix):
    run, splits = within_an_epoch
    angles = analysis.first_epoch_angles([run], matrix)
    assert len(angles) == 2 * 2 * 5
    for split, curve, (moments, references) in zip(
        ("train", "test"), (CURVE, TEST_CURVE), splits, strict=True
    ):
        vectors = [p["features"] for p in moments.values()]
        for reference, more, q in (
            ("final", 0, vectors[-1]),
            (matrix, BEYOND_FINAL[matrix], references[matrix]),
        ):
            chosen = (angles["split"] == split) & (angles["reference"] == reference)
            table = angles[chosen]
            assert list(table["step"]) == [0, 1, 2, 3, 4]
            assert set(table["run"]) == {"mlp, seed 0"}
            np.testing.assert_allclose(table["angle_deg"], np.add(curve[:5], more))
            nulls = [null_angle(p, q) for p in vectors[:5]]
            np.testing.assert_allclose(table["null_angle_deg"], nulls)


def test_first_epoch_angles_of_one_split(within_an_epoch):
    angles = analysis.first_epoch_angles(within_an_epoch[:1], splits=["test"])
    assert set(angles["split"]) == {"test"}
    assert len(angles) == 2 * 5


def test_first_epoch_peaks(within_an_epoch):
    run, splits = within_an_epoch
    peaks = analysis.first_epoch_peaks(analysis.first_epoch_angles([run]))
    columns = ["start_deg", "peak_deg", "peak_step", "end_deg", "rise_deg", "fall_deg"]
    found = peaks.set_index(["split", "reference"])
    expected = {
        ("train", "final"): [30, 60, 2, 20, 30, 40],
        ("train", "data"): [40, 70, 2, 30, 30, 40],
        ("test", "final"): [20, 70, 3, 60, 50, 10],
        ("test", "data"): [30, 80, 3, 70, 50, 10],
    }
    assert set(found.index) == set(expected)
    for key, values in expected.items():
        np.testing.assert_allclose(found.loc[key, columns].astype(float), values)
    assert set(peaks["n_steps"]) == {4}
    moments, references = splits[0]
    nulls = [null_angle(p["features"], references["data"]) for p in moments.values()]
    nulls = nulls[:5]
    np.testing.assert_allclose(
        found.loc[("train", "data"), [f"null_{c}" for c in columns]].astype(float),
        [
            nulls[0],
            max(nulls),
            np.argmax(nulls),
            nulls[-1],
            max(nulls) - nulls[0],
            max(nulls) - nulls[-1],
        ],
    )


@pytest.mark.parametrize("matrix", ["data", "input"])
def test_angles_to_data(within_an_epoch, matrix):
    """At the ends of epochs, not within them."""
    run, _ = within_an_epoch
    for split, curve in (("train", CURVE), ("test", TEST_CURVE)):
        angles = analysis.angles_to_data([run.on(split)], matrix)
        assert list(angles["epoch"]) == [-1, 0, 1]
        expected = np.array([curve[0], curve[4], curve[5]]) + BEYOND_FINAL[matrix]
        np.testing.assert_allclose(angles["angle_deg"], expected)
        assert set(angles["reference"]) == {matrix}
        assert {"null_low_deg", "null_high_deg"} <= set(angles)


def test_angles_to_untrained(within_an_epoch):
    run, _ = within_an_epoch
    angles = analysis.angles_to_untrained([run])
    expected = np.add([CURVE[0], CURVE[4], CURVE[5]], BEYOND_FINAL["untrained"])
    np.testing.assert_allclose(angles["angle_deg"], expected)


def test_angles_to_data_are_those_of_the_features(tmp_path, rng):
    plane = random_plane(rng)
    p_vectors = {
        "features": turned(plane, 20),
        "block_1": turned(plane, 50, "block_1"),
    }
    run = write_run(tmp_path, {(0, 1): p_vectors}, {"data": turned(plane, 0)})
    angles = analysis.angles_to_data([run])
    np.testing.assert_allclose(angles["angle_deg"], [20])


def test_angles_to_references(tmp_path, rng):
    plane = random_plane(rng)
    curves = {
        "mlp": [80.0, 40.0, 5.0],
        "vgg16": [60.0, 30.0, 25.0],
        "resnet18": [9, 8, 7],
    }
    runs = {}
    for model, curve in curves.items():
        vectors = [turned(plane, angle) for angle in curve]
        moments = dict(zip([(-1, 0), (0, 3), (1, 6)], vectors, strict=True))
        path = tmp_path / model
        runs[model] = write_run(path, of_features(moments), model=model)
    angles = analysis.angles_to_references(
        list(runs.values()), [runs["resnet18"], runs["vgg16"]]
    )
    found = {
        key: list(table["angle_deg"].round(6))
        for key, table in angles.groupby(["model", "reference"])
    }
    assert found == {
        ("mlp", "resnet18, seed 0"): [73, 33, 2],
        ("vgg16", "resnet18, seed 0"): [53, 23, 18],
        ("mlp", "vgg16, seed 0"): [55, 15, 20],
        ("resnet18", "vgg16, seed 0"): [16, 17, 18],
    }
    assert list(angles["epoch"]) == [-1, 0, 1] * 4
