"""Tables made of made-up runs, against independent computations."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import scipy.linalg
import scipy.stats
from oracles import degrees_between

import keras_pvec as kp
from keras_pvec.reproduction import analysis
from keras_pvec.runs import RunFolder, log_row

N = 40


def p_of(vector, layer="features"):
    """A P-vector given by its entries, sign included."""
    vector = np.asarray(vector, float)
    return kp.PVector(
        vectors=(vector / np.linalg.norm(vector))[:, None],
        singular_values=np.ones(1),
        error_deg=np.zeros(1),
        frobenius_norm=1.0,
        n_features=1,
        layer=layer,
    )


def turned(plane, angle, layer="features"):
    """The P-vector at an angle (degrees) to the first direction of a plane."""
    radians = np.radians(angle)
    return p_of(np.cos(radians) * plane[0] + np.sin(radians) * plane[1], layer)


def a_plane(rng, n=N):
    """Two orthogonal directions that lean to the constant vector."""
    return np.linalg.qr(np.add(rng.random((n, 2)), [1.0, 0.0]))[0].T


def write_run(path, moments, references=None, test=None, **info):
    """Writes a run folder.

    Args:
        path: Where.
        moments: P-vectors by layer, by moment.
        references: P-vectors by name, which every layer is compared with.
        test: Moments and references of the test samples.
        **info: Settings; `info` holds the other entries of `run.json`.
    """
    settings = {"model": "mlp", "seed": 0, "layers": ["features"], **info}
    entries = settings.pop("info", {})
    folder = RunFolder(path)
    folder.note(settings=settings, **entries)
    for moment, p_vectors in moments.items():
        rows = [
            log_row(moment, p, name, kp.compare(p, reference))
            for p in p_vectors.values()
            for name, reference in (references or {"": p}).items()
        ]
        folder.write_moment(moment, p_vectors, rows)
    if test is not None:
        write_run(folder.path / "test", *test, **info)
    return kp.open_run(path)


def features_only(p_vectors):
    return {moment: {"features": p} for moment, p in p_vectors.items()}


def null_angle(p, q):
    """Of the mean cosine over all orders: that of the projections on the constant."""
    n = p.n_samples
    return np.degrees(np.arccos(abs(p.vector.mean() * q.vector.mean() * n)))


def test_null_band_holds_95_percent_of_random_orders():
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


def test_tables_of_runs(tmp_path, rng):
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
        runs.append(write_run(path, features_only(p_vectors), seed=seed))

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

    pairs = analysis.angles_between(runs)
    assert list(pairs["run"] + " - " + pairs["other"]) == ["mlp, seed 0 - mlp, seed 1"]
    expected = kp.angle(vectors[0, (1, 20)], last)
    np.testing.assert_allclose(pairs["angle_deg"], [expected])
    assert analysis.angles_between(runs[:1]).empty


def test_a_run_without_settings_is_called_by_its_folder(tmp_path, rng):
    p = kp.p_vector(rng.random((N, 3)), layer="features")
    row = log_row((0, 1), p, "", kp.compare(p, p))
    RunFolder(tmp_path / "mine").write_moment((0, 1), {"features": p}, [row])
    angles = analysis.angles_to_final([kp.open_run(tmp_path / "mine")])
    assert list(angles["run"]) == list(angles["model"]) == ["mine"]
    assert angles["seed"].isna().all()


MOMENTS = [(-1, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 8)]
CURVE = [30.0, 50.0, 60.0, 40.0, 20.0, 0.0]
TEST_CURVE = [20.0, 25.0, 45.0, 70.0, 60.0, 0.0]


@pytest.fixture
def within_an_epoch(tmp_path, rng):
    """A run of known angles in a plane; the data lie beyond its last epoch. On test
    samples there are others, and fewer samples."""
    splits = []
    for curve, n in ((CURVE, N), (TEST_CURVE, N // 2)):
        plane = a_plane(rng, n)
        vectors = [turned(plane, angle) for angle in curve]
        references = {"data": turned(plane, -10), "input": turned(plane, -15)}
        moments = features_only(dict(zip(MOMENTS, vectors, strict=True)))
        splits.append((moments, references))
    run = write_run(tmp_path / "run", *splits[0], test=splits[1])
    return run, splits


@pytest.mark.parametrize(("matrix", "further"), [("data", 10), ("input", 15)])
def test_first_epoch_angles(within_an_epoch, matrix, further):
    run, splits = within_an_epoch
    angles = analysis.first_epoch_angles([run], matrix)
    assert len(angles) == 2 * 2 * 5
    for split, curve, (moments, references) in zip(
        ("train", "test"), (CURVE, TEST_CURVE), splits, strict=True
    ):
        vectors = [p["features"] for p in moments.values()]
        for reference, more, q in (
            ("final", 0, vectors[-1]),
            (matrix, further, references[matrix]),
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


@pytest.mark.parametrize(("matrix", "further"), [("data", 10), ("input", 15)])
def test_angles_to_data(within_an_epoch, matrix, further):
    """At the ends of epochs alone."""
    run, _ = within_an_epoch
    for split, curve in (("train", CURVE), ("test", TEST_CURVE)):
        angles = analysis.angles_to_data([run.on(split)], matrix)
        assert list(angles["epoch"]) == [-1, 0, 1]
        expected = np.array([curve[0], curve[4], curve[5]]) + further
        np.testing.assert_allclose(angles["angle_deg"], expected)
        assert set(angles["reference"]) == {matrix}
        assert {"null_low_deg", "null_high_deg"} <= set(angles)


def test_angles_to_data_are_those_of_the_features(tmp_path, rng):
    plane = a_plane(rng)
    p_vectors = {
        "features": turned(plane, 20),
        "block_1": turned(plane, 50, "block_1"),
    }
    run = write_run(tmp_path, {(0, 1): p_vectors}, {"data": turned(plane, 0)})
    angles = analysis.angles_to_data([run])
    np.testing.assert_allclose(angles["angle_deg"], [20])


def test_angles_to_references(tmp_path, rng):
    plane = a_plane(rng)
    curves = {"mlp": [80.0, 40.0, 5.0], "vgg": [60.0, 30.0, 25.0], "resnet": [9, 8, 7]}
    runs = {}
    for model, curve in curves.items():
        vectors = [turned(plane, angle) for angle in curve]
        moments = dict(zip([(-1, 0), (0, 3), (1, 6)], vectors, strict=True))
        path = tmp_path / model
        runs[model] = write_run(path, features_only(moments), model=model)
    angles = analysis.angles_to_references(
        list(runs.values()), [runs["resnet"], runs["vgg"]]
    )
    found = {
        key: list(table["angle_deg"].round(6))
        for key, table in angles.groupby(["model", "reference"])
    }
    assert found == {
        ("mlp", "resnet, seed 0"): [73, 33, 2],
        ("vgg", "resnet, seed 0"): [53, 23, 18],
        ("mlp", "vgg, seed 0"): [55, 15, 20],
        ("resnet", "vgg, seed 0"): [16, 17, 18],
    }
    assert list(angles["epoch"]) == [-1, 0, 1] * 4


def block_angle(epoch, block):
    return 5 + 3 * epoch + 10 * block


def write_blocks(path, plane, layers, patterns, n_epochs):
    """A run of blocks at known angles to the data, with the features first; within the
    first epoch the features alone are logged."""
    names = ["features", *layers]
    places = {"features": 3} | {name: i for i, name in enumerate(layers, start=1)}
    moments = {
        (epoch, 4 * (epoch + 1)): {
            name: turned(plane, block_angle(epoch, places[name]), name)
            for name in names
        }
        for epoch in range(-1, n_epochs)
    }
    moments[0, 2] = {"features": turned(plane, 77)}
    moments = dict(sorted(moments.items(), key=lambda item: item[0][1]))
    references = {"data": turned(plane, 0), "input": turned(plane, -3)}
    return write_run(path, moments, references, layers=["features", *patterns])


@pytest.mark.parametrize("features_are_a_block", [True, False])
def test_angles_by_block(tmp_path, rng, features_are_a_block):
    pattern = r"re:^(block_\d+|features)$" if features_are_a_block else r"re:^block_"
    run = write_blocks(tmp_path, a_plane(rng), ["block_1", "block_2"], [pattern], 4)
    expected = ["block_1", "block_2"] + ["features"] * features_are_a_block
    assert analysis.block_layers(run) == expected
    for matrix, further in (("data", 0), ("input", 3)):
        angles = analysis.angles_by_block([run], matrix)
        n_blocks = len(expected)
        assert list(angles["epoch"]) == sorted([0, 1, 2, 3] * n_blocks)
        assert list(angles["layer"]) == expected * 4
        assert list(angles["block"]) == list(range(1, n_blocks + 1)) * 4
        np.testing.assert_allclose(
            angles["angle_deg"],
            block_angle(angles["epoch"], angles["block"]) + further,
        )


@pytest.mark.parametrize(
    ("n_epochs", "shown"), [(16, [0, 1, 3, 7, 15]), (2, [0, 1]), (1, [0])]
)
def test_blocks_are_shown_for_epochs_each_later_by_a_factor(
    tmp_path, rng, n_epochs, shown
):
    run = write_blocks(tmp_path, a_plane(rng), ["block_1"], ["block_1"], n_epochs)
    angles = analysis.angles_by_block([run])
    assert list(angles["epoch"]) == shown
    fewer = analysis.angles_by_block([run], n_epochs=2)
    assert list(fewer["epoch"]) == sorted({0, n_epochs - 1})


def test_blocks_are_those_of_one_moment(tmp_path, rng):
    """What the end of an epoch lacks is not filled up from within the epoch."""
    plane = a_plane(rng)
    data = dataclasses.replace(
        turned(plane, 0), centered_vector=plane[0], centered_error_deg=0.0
    )
    within, end = turned(plane, 50, "block_1"), turned(plane, 20, "block_1")
    within = dataclasses.replace(
        within, centered_vector=plane[1], centered_error_deg=0.0
    )
    features = turned(plane, 10)
    moments = {
        (0, 1): {"features": features, "block_1": within},
        (0, 2): {"features": features, "block_1": end},
    }
    layers = ["features", "block_1"]
    run = write_run(tmp_path, moments, {"data": data}, layers=layers)
    angles = analysis.angles_by_block([run])
    np.testing.assert_allclose(angles["angle_deg"], [20])
    assert angles["centered_angle_deg"].isna().all()


@pytest.fixture
def drifting_matrices(rng):
    """Feature matrices of a training, by moment, with well separated spectra."""
    u = np.linalg.qr(rng.random((60, 12)))[0]
    v = np.linalg.qr(rng.standard_normal((20, 12)))[0]
    base = (u * 0.7 ** np.arange(12)) @ v.T
    return {
        (-1, 0): base + 0.05 * rng.standard_normal((60, 20)),
        (0, 5): base + 0.02 * rng.standard_normal((60, 20)),
        (0, 10): base + 0.01 * rng.standard_normal((60, 20)),
        (1, 20): base,
    }


@pytest.fixture
def of_matrices(tmp_path, drifting_matrices):
    p_vectors = {
        moment: kp.p_vector(x, k=5, layer="features")
        for moment, x in drifting_matrices.items()
    }
    return write_run(tmp_path, features_only(p_vectors))


def lapack(x):
    return np.linalg.svd(np.asarray(x, np.float64), full_matrices=False)


def test_singular_vector_angles_agree_with_lapack(of_matrices, drifting_matrices):
    angles = analysis.singular_vector_angles([of_matrices])
    assert list(angles["epoch"]) == sorted([-1, 0, 1] * 5)
    assert list(angles["index"]) == [1, 2, 3, 4, 5] * 3
    final = lapack(drifting_matrices[1, 20])[0]
    for row in angles.itertuples():
        x = drifting_matrices[{-1: (-1, 0), 0: (0, 10), 1: (1, 20)}[row.epoch]]
        u, s, _ = lapack(x)
        i = row.index
        angle = degrees_between(u[:, i - 1], final[:, i - 1])
        subspace = scipy.linalg.subspace_angles(u[:, :i], final[:, :i]).max()
        np.testing.assert_allclose(row.angle_deg, angle, atol=1e-5)
        np.testing.assert_allclose(
            row.subspace_angle_deg, np.degrees(subspace), atol=2e-5
        )
        cosines = [w[:, i - 1].sum() / np.sqrt(60) for w in (u, final)]
        null = np.degrees(np.arccos(abs(cosines[0] * cosines[1])))
        np.testing.assert_allclose(row.null_angle_deg, null, atol=1e-5)
        np.testing.assert_allclose(row.sigma1, s[i - 1], rtol=1e-6)
    others = angles[angles["index"] > 1]
    assert others["centered_angle_deg"].isna().all()  # known of the first alone
    # The case tells vectors and subspaces apart.
    others = others[others["epoch"] == -1]
    assert (others["subspace_angle_deg"] - others["angle_deg"]).abs().min() > 0.1


def test_explained_variance_is_what_its_definition_says(of_matrices, drifting_matrices):
    explained = analysis.explained_variance([of_matrices])
    assert list(explained["k"]) == [1, 2, 3, 4, 5] * 3
    for row in explained.itertuples():
        x = drifting_matrices[{-1: (-1, 0), 0: (0, 10), 1: (1, 20)}[row.epoch]]
        u, s, vt = lapack(x)
        k, total = row.k, np.sum(x**2)
        error = np.sum((x - (u[:, :k] * s[:k]) @ vt[:k]) ** 2)
        np.testing.assert_allclose(row.error, error, rtol=1e-6)
        # Eckart and Young: that is what the other singular values hold.
        np.testing.assert_allclose(row.error, np.sum(s[k:] ** 2), rtol=1e-6)
        np.testing.assert_allclose(row.error_share, error / total, rtol=1e-6)
        np.testing.assert_allclose(row.explained, 1 - error / total, rtol=1e-6)
        constant = np.full(60, 1 / np.sqrt(60))
        held = np.sum((x.T @ constant) ** 2) / total
        assert 0.1 < row.constant_share <= held


def test_a_matrix_of_low_rank_is_explained_in_full(tmp_path, with_spectrum):
    p = kp.p_vector(with_spectrum(30, 8, [4.0, 3.0]), k=2, layer="features")
    run = write_run(tmp_path, {(0, 1): {"features": p}})
    explained = analysis.explained_variance([run])
    np.testing.assert_allclose(explained["explained"], [16 / 25, 1])
    np.testing.assert_allclose(explained["error"], [9, 0], atol=1e-12)
    np.testing.assert_allclose(explained["error_share"], [9 / 25, 0], atol=1e-12)


@pytest.fixture
def values(rng):
    """Entries of P-vectors by epoch, of mean square 1, from two lumps to one; constant
    before training."""
    found = {-1: np.ones(400)}
    for epoch, gap in enumerate([3.0, 1.5, 0.5]):
        entries = rng.standard_normal(400) + gap * rng.choice([-1, 1], 400) + 1
        found[epoch] = entries / np.sqrt(np.mean(entries**2))
    return found


@pytest.fixture
def of_values(tmp_path, values):
    """One of the P-vectors is stored with the other sign."""
    stored = {
        (epoch, 5 * (epoch + 1)): p_of(-entries if epoch == 1 else entries)
        for epoch, entries in values.items()
    }
    return write_run(tmp_path, features_only(stored))


def test_values_have_the_sign_of_the_last_epoch(of_values, values):
    found = analysis.p_vector_values(of_values)
    assert list(found) == [-1, 0, 1, 2]
    for epoch, entries in values.items():
        aligned = entries * np.sign(entries @ values[2])
        np.testing.assert_allclose(found[epoch], aligned)


def test_value_histograms(of_values, values):
    histograms = analysis.value_histograms(of_values, n_bins=30)
    assert set(histograms["run"]) == {"mlp, seed 0"}
    assert list(histograms["epoch"].unique()) == [-1, 0, 1, 2]
    for epoch, bins in histograms.groupby("epoch"):
        assert len(bins) == 30
        np.testing.assert_allclose(bins["share"].sum(), 1)
        np.testing.assert_allclose(bins["left"].iloc[1:], bins["right"].iloc[:-1])
        # What lies beyond the bins is in the first and the last one.
        edges = [-np.inf, *bins["left"].iloc[1:], np.inf]
        entries = values[epoch]
        shares = [
            np.mean((entries >= left) & (entries < right))
            for left, right in itertools.pairwise(edges)
        ]
        np.testing.assert_allclose(bins["share"], shares, atol=1e-12)


def test_far_values_do_not_flatten_a_histogram(tmp_path, rng):
    entries = rng.standard_normal(1000) + 1
    entries[:3] = 60, 70, -80
    run = write_run(tmp_path, features_only({(-1, 0): p_of(entries)}))
    run = write_run(tmp_path, features_only({(0, 5): p_of(entries)}))
    entries /= np.sqrt(np.mean(entries**2))
    usual = np.sort(entries)[10:-10]
    histograms = analysis.value_histograms(run)
    assert histograms["left"].min() < usual[0]
    assert histograms["right"].max() > usual[-1]
    width = histograms["right"].max() - histograms["left"].min()
    assert width < 3 * np.ptp(usual)
    np.testing.assert_allclose(histograms.groupby("epoch")["share"].sum(), 1)


def test_histograms_of_epochs_each_later_by_a_factor(tmp_path, rng):
    stored = {(epoch, epoch + 1): p_of(rng.random(N)) for epoch in range(-1, 16)}
    run = write_run(tmp_path, features_only(stored))
    histograms = analysis.value_histograms(run)
    assert list(histograms["epoch"].unique()) == [-1, 0, 1, 3, 7, 15]
    fewer = analysis.value_histograms(run, n_epochs=2)
    assert list(fewer["epoch"].unique()) == [-1, 0, 15]


def test_value_densities(of_values, values):
    densities = analysis.value_densities(of_values, n_points=300)
    for epoch, table in densities.groupby("epoch"):
        assert len(table) == 300
        if epoch == -1:  # all values are equal
            assert table["density"].isna().all()
            continue
        entries = values[epoch]
        quarters = np.quantile(entries, [0.25, 0.75])
        spread = min(np.std(entries, ddof=1), np.ptp(quarters) / 1.34)
        bandwidth = 0.9 * spread * len(entries) ** -0.2
        expected = [
            scipy.stats.norm.pdf(entries, value, bandwidth).mean()
            for value in table["value"]
        ]
        np.testing.assert_allclose(table["density"], expected)
        whole = scipy.integrate.trapezoid(table["density"], table["value"])
        np.testing.assert_allclose(whole, 1, atol=0.02)


def test_value_drift(of_values, values):
    drift = analysis.value_drift([of_values]).set_index("epoch")
    for epoch, entries in values.items():
        row = drift.loc[epoch]
        # Between equally many values, the distance is that of the sorted ones.
        distance = np.mean(np.abs(np.sort(entries) - np.sort(values[2])))
        np.testing.assert_allclose(row["distance"], distance, atol=1e-12)
        np.testing.assert_allclose(row["mean"], entries.mean())
        deviations = entries - entries.mean()
        std = np.sqrt(np.mean(deviations**2))
        np.testing.assert_allclose(row["std"], std, atol=1e-12)
        if epoch == -1:
            assert np.isnan(row["skewness"])
        else:
            skewness = np.mean(deviations**3) / std**3
            np.testing.assert_allclose(row["skewness"], skewness)
    assert drift["distance"][0] > drift["distance"][1] > drift["distance"][2] == 0


def test_generalization(tmp_path, rng):
    runs, variants = [], ["base", "width=0.5"]
    for i, variant in enumerate(variants):
        planes = a_plane(rng), a_plane(rng, 20)
        splits = []
        for plane, angles in zip(planes, ((60, 12 + i), (70, 15 + i)), strict=True):
            moments = {
                (-1, 0): turned(plane, angles[0]),
                (0, 4): turned(plane, angles[1]),
            }
            references = {"data": turned(plane, 0), "input": turned(plane, -4)}
            splits.append((features_only(moments), references))
        evaluation = {
            "train": {"accuracy": 0.9, "loss": 0.3},
            "test": {"accuracy": 0.7 - 0.2 * i, "loss": 1.1},
        }
        info = {"evaluation": evaluation, "n_parameters": 100 + i}
        run = write_run(
            tmp_path / variant, *splits[0], test=splits[1], variant=variant, info=info
        )
        runs.append(run)
    for split, matrix, expected in (
        ("train", "data", [12, 13]),
        ("train", "input", [16, 17]),
        ("test", "data", [15, 16]),
    ):
        models = analysis.generalization(runs, variants, split, matrix)
        np.testing.assert_allclose(models["angle_deg"], expected)
        assert list(models["n_samples"]) == [N if split == "train" else 20] * 2
    assert list(models["variant"]) == variants
    assert list(models["factor"]) == ["base", "width"]
    np.testing.assert_allclose(models["train_accuracy"], [0.9, 0.9])
    np.testing.assert_allclose(models["test_accuracy"], [0.7, 0.5])
    np.testing.assert_allclose(models["gap"], [0.2, 0.4])
    assert set(models["train_loss"]) == {0.3}
    assert set(models["test_loss"]) == {1.1}
    assert list(models["n_parameters"]) == [100, 101]
    assert models["null_angle_deg"].notna().all()


ARCHITECTURES = ["mlp", "resnet", "vgg", "densenet"]


def simpsons_models(seeds=(0,)):
    """Within each architecture accuracy rises with the angle; between them it falls."""
    rows = []
    for i, model in enumerate(ARCHITECTURES):
        for seed in seeds:
            for j, variant in enumerate(["base", "width=0.5", "width=2", "rate=3"]):
                # Rate 3 has less angle and more accuracy than the base.
                step = (0, 1, 2, -1)[j]
                rows.append(
                    {
                        "run": f"{model}, seed {seed}",
                        "model": model,
                        "seed": seed,
                        "variant": variant,
                        "factor": variant.partition("=")[0],
                        "angle_deg": 10 + 15 * i + step + 0.1 * seed,
                        "centered_angle_deg": np.nan,
                        "train_loss": 0.1 * (i + seed) + abs(step),
                        "n_parameters": 1000,
                        "cos_ones": 0.5 + 0.01 * (7 * i + 3 * j) % 0.1,
                        "test_accuracy": 0.9 - 0.2 * i + 0.02 * abs(step),
                        "gap": 0.1 + 0.01 * i,
                    }
                )
    return pd.DataFrame(rows)


def tau_row(correlations, predictor, factor):
    chosen = correlations["predictor"] == predictor
    return correlations[chosen & (correlations["factor"] == factor)].iloc[0]


def test_rank_correlations_within_and_between():
    models = simpsons_models()
    correlations = analysis.rank_correlations(models, "test_accuracy")
    assert set(correlations["target"]) == {"test_accuracy"}
    assert set(correlations["factor"]) == {"all", "model", "width", "rate"}
    overall = tau_row(correlations, "angle_deg", "all")
    expected = scipy.stats.kendalltau(models["angle_deg"], models["test_accuracy"])
    assert expected.statistic < -0.5
    np.testing.assert_allclose(overall["tau"], expected.statistic)
    assert overall["n"] == 16
    assert -1 <= overall["low"] < overall["tau"] < overall["high"] < 0
    for factor, tau in (("model", -1), ("width", 1), ("rate", -1)):
        row = tau_row(correlations, "angle_deg", factor)
        np.testing.assert_allclose(row["tau"], tau)
        assert row["n"] == 4  # variants, or architectures
        assert np.isnan(row["low"]) and np.isnan(row["high"])  # all alike
    loss = tau_row(correlations, "train_loss", "all")
    expected = scipy.stats.kendalltau(models["train_loss"], models["test_accuracy"])
    np.testing.assert_allclose(loss["tau"], expected.statistic)
    # Neither can be rated: one never varies, the other is not known.
    for predictor, n in (("n_parameters", 16), ("centered_angle_deg", 0)):
        row = tau_row(correlations, predictor, "all")
        assert row[["tau", "low", "high"]].isna().all()
        assert row["n"] == n


def test_a_mean_over_groups_has_students_interval():
    """Three groups with tau 1, one with 1/3: the mean 5/6 has a standard error of 1/6,
    and Student's t of three degrees of freedom has its 97.5% at 3.1824."""
    models = simpsons_models()
    # Base, 0.5 and 2 in the order 1, 3, 2.
    reverse = (models["model"] == "vgg") & (models["variant"] == "width=2")
    models.loc[reverse, "angle_deg"] -= 1.5
    row = tau_row(
        analysis.rank_correlations(models, "test_accuracy"), "angle_deg", "width"
    )
    np.testing.assert_allclose(row["tau"], 5 / 6)
    np.testing.assert_allclose(row["low"], 5 / 6 - 3.1824 / 6, rtol=1e-4)
    assert row["high"] == 1


def test_seeds_are_no_further_observations():
    """Trained three times over, models have the correlations and the intervals that
    they had, and not narrower ones."""
    once = simpsons_models().assign(n_parameters=range(16))
    thrice = pd.concat([once.assign(seed=seed) for seed in range(3)])
    means = analysis.over_seeds(thrice.sample(frac=1, random_state=0))
    assert set(means["n_seeds"]) == {3}
    expected = analysis.rank_correlations(once, "test_accuracy")
    order = once.set_index(["model", "variant"]).index
    means = means.set_index(["model", "variant"]).loc[order].reset_index()
    found = analysis.rank_correlations(means, "test_accuracy")
    keys = ["predictor", "factor"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True),
        expected.sort_values(keys, ignore_index=True),
    )


def test_means_over_seeds():
    """The second seed's angles are 0.1 degrees larger; its last model is missing."""
    models = simpsons_models(seeds=(0, 1)).iloc[:-1]
    means = analysis.over_seeds(models)
    assert len(means) == 16
    first = simpsons_models()
    np.testing.assert_allclose(means["angle_deg"][:15], first["angle_deg"][:15] + 0.05)
    assert means["angle_deg"][15] == first["angle_deg"][15]
    assert list(means["n_seeds"]) == [2] * 15 + [1]
    for column in ("model", "variant", "factor"):
        assert list(means[column]) == list(first[column])


def test_few_models_have_no_interval():
    models = simpsons_models()
    models = models[(models["model"] == "mlp") & (models["factor"] != "rate")]
    correlations = analysis.rank_correlations(models, "test_accuracy")
    assert set(correlations["factor"]) == {"all", "width"}  # one architecture
    for factor, n in (("all", 3), ("width", 1)):
        row = tau_row(correlations, "angle_deg", factor)
        assert (row["tau"], row["n"]) == (1, n)
        assert np.isnan(row["low"]) and np.isnan(row["high"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_models", [1, 4, 16])
def test_what_does_not_vary_is_left_empty_without_a_warning(n_models):
    """As do the parameters where no variant changes the width."""
    models = simpsons_models().iloc[:n_models]
    correlations = analysis.rank_correlations(models, "test_accuracy")
    rows = correlations[correlations["predictor"] == "n_parameters"]
    assert rows[["tau", "low", "high"]].isna().all(axis=None)
