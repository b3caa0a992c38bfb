"""P-vectors against LAPACK, whatever the features come as."""

import numpy as np
import pytest
from frameworks import BACKEND, as_numpy
from keras import ops
from oracles import degrees_between, lapack_vector

import keras_pvec as kp


def relu_features(rng, n, d):
    return np.maximum(rng.standard_normal((n, d)), 0)


def p_vector_of(direction):
    """A P-vector that is the given direction: of the matrix with that one column."""
    return kp.p_vector(np.asarray(direction, float)[:, None])


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_array_tensor_and_blocks_agree_with_lapack(method, rng):
    x = relu_features(rng, 300, 80).astype(np.float32)
    truth = lapack_vector(x)
    blocks = [x[:100], x[100:130], x[130:]]
    several = [
        x,
        ops.convert_to_tensor(x),
        blocks,
        iter(blocks),
        (ops.convert_to_tensor(b) for b in blocks),
    ]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        several.append(tf.data.Dataset.from_tensor_slices(x).batch(64))
    for features in several:
        p = kp.p_vector(features, method=method)
        assert degrees_between(p.vector, truth) < 1e-3
        assert p.n_samples == 300
        assert p.n_features == 80


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_short_floats_are_summed_up_in_longer_ones(dtype, rng):
    """The vector of the rounded features, as exactly as that of any others: sums of 600
    products in these types would be off by degrees."""
    features = ops.cast(relu_features(rng, 600, 200), dtype)
    p = kp.p_vector(features)
    truth = lapack_vector(as_numpy(ops.cast(features, "float32")))
    assert degrees_between(p.vector, truth) <= p.error_deg[0] <= 1e-3


def test_a_generator_is_read_once_and_never_held_whole(rng):
    made = []

    def blocks():
        for i in range(20):
            made.append(i)
            yield np.random.default_rng(i).random((50, 70))

    p = kp.p_vector(blocks())
    assert made == list(range(20))
    whole = np.concatenate([np.random.default_rng(i).random((50, 70)) for i in made])
    assert degrees_between(p.vector, lapack_vector(whole)) < 1e-3


def test_samples_are_flattened(rng):
    images = rng.random((60, 5, 4, 3))
    p, q = kp.p_vector(images), kp.p_vector(images.reshape(60, -1))
    assert p.n_features == 60
    assert kp.angle(p, q) < 1e-6


def test_properties_of_a_p_vector(rng):
    x = relu_features(rng, 200, 90)
    p = kp.p_vector(x)
    rotation = np.linalg.qr(rng.standard_normal((90, 90)))[0]
    assert kp.angle(p, kp.p_vector(x @ rotation)) < 1e-5
    assert kp.angle(p, kp.p_vector(-7.5 * x)) < 1e-5
    order = rng.permutation(200)
    np.testing.assert_allclose(kp.p_vector(x[order]).vector, p.vector[order], atol=1e-7)
    assert p.vector.sum() > 0
    np.testing.assert_allclose(np.linalg.norm(p.vector), 1)


def test_statistics_against_their_definitions(rng):
    x = relu_features(rng, 150, 40)
    p = kp.p_vector(x)
    sigma = np.linalg.svd(x, compute_uv=False)
    u = lapack_vector(x)
    np.testing.assert_allclose(p.sigma1, sigma[0])
    np.testing.assert_allclose(p.sigma2_over_sigma1, sigma[1] / sigma[0])
    np.testing.assert_allclose(p.energy1, sigma[0] ** 2 / np.sum(x**2))
    np.testing.assert_allclose(p.cos_ones, abs(u.sum()) / np.sqrt(150))
    np.testing.assert_allclose(p.participation, 1 / np.sum(u**4))


def test_ambiguous_vector_warns(with_spectrum):
    with pytest.warns(kp.AmbiguousPVectorWarning, match=r"'fc'.*1\.000"):
        p = kp.p_vector(with_spectrum(60, 40, [1, 1, 0.2]), layer="fc")
    assert p.error_deg[0] == 90


def test_data_p_vector(rng):
    samples = kp.SampleSet(rng.random((40, 8, 8, 1)), name="data")
    p = kp.data_p_vector(samples)
    truth = lapack_vector(samples.x.reshape(40, -1))
    assert degrees_between(p.vector, truth) < 1e-5
    assert p.samples_sha256 == samples.sha256
    several = kp.SampleSet(
        {"a": rng.random((5, 2)), "b": rng.random((5, 3))}, name="several"
    )
    with pytest.raises(ValueError, match="'several'"):
        kp.data_p_vector(several)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: kp.p_vector(3.0), ValueError, "float"),
        (lambda: kp.p_vector([[1.0, 2.0], [3.0, 4.0]]), ValueError, "list"),
        (lambda: kp.p_vector(np.eye(3), method="magic"), ValueError, "'magic'"),
        (lambda: kp.p_vector(np.eye(3), k=0), ValueError, "k=0"),
        (lambda: kp.angle(np.ones(3), np.ones(3)), TypeError, "kp.p_vector"),
        (
            lambda: kp.p_vector(np.eye(3), samples=kp.SampleSet(np.eye(4))),
            ValueError,
            "3.*4",
        ),
    ],
)
def test_bad_calls(call, error, named):
    with pytest.raises(error, match=named):
        call()


def test_certified_errors_are_bounds_and_are_stored(rng, tmp_path):
    x = relu_features(rng, 200, 90) + 1.0
    p = kp.p_vector(x, k=2)
    assert p.certified_error_deg.shape == (2,)
    error = degrees_between(p.vector, lapack_vector(x))
    assert error <= p.certified_error_deg[0] < 1e-2
    kp.save_p_vectors(tmp_path / "p.npz", {"fc": p})
    stored = kp.load_p_vectors(tmp_path / "p.npz")["fc"]
    np.testing.assert_array_equal(stored.certified_error_deg, p.certified_error_deg)


def test_files_without_certified_errors_are_read(rng, tmp_path):
    """Those of earlier versions, which have no checksum either."""
    path = tmp_path / "p.npz"
    kp.save_p_vectors(path, {"fc": kp.p_vector(relu_features(rng, 50, 20))})
    with np.load(path) as file:
        arrays = {
            name: array
            for name, array in file.items()
            if "certified" not in name and name not in ("names", "sha256")
        }
    np.savez(path, **arrays)
    p = kp.load_p_vectors(path)["fc"]
    assert p.certified_error_deg is None
    assert p.error_deg[0] < 1e-3
