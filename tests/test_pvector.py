"""Angles, nulls and statistics against theory, brute force and LAPACK."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import degrees_between, lapack_vector

import keras_pvec as kp
from keras_pvec.pvector import null_cosine_moments


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
    for features in (
        x,
        tf.constant(x),
        blocks,
        iter(blocks),
        (tf.constant(b) for b in blocks),
        tf.data.Dataset.from_tensor_slices(x).batch(64),
    ):
        p = kp.p_vector(features, method=method)
        assert degrees_between(p.vector, truth) < 1e-3
        assert p.n_samples == 300
        assert p.n_features == 80


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


@pytest.mark.parametrize("degrees", [0.0, 1e-6, 1e-3, 0.5, 45.0, 89.9, 90.0])
def test_angles_are_accurate_down_to_rounding(degrees, rng):
    basis = np.linalg.qr(rng.standard_normal((40, 2)))[0]
    radians = np.radians(degrees)
    p = p_vector_of(basis[:, 0])
    q = p_vector_of(np.cos(radians) * basis[:, 0] + np.sin(radians) * basis[:, 1])
    np.testing.assert_allclose(kp.angle(p, q), degrees, rtol=1e-6, atol=1e-12)


def test_principal_angles(with_spectrum, rng):
    u = np.linalg.qr(rng.standard_normal((50, 4)))[0]
    tilted = np.cos(0.3) * u[:, 1] + np.sin(0.3) * u[:, 2]
    p = kp.p_vector(u[:, :2] * [3, 2], k=2)
    q = kp.p_vector(np.stack([3 * tilted, 2 * u[:, 0]], axis=1), k=2)
    np.testing.assert_allclose(
        kp.principal_angles(p, q), [0, np.degrees(0.3)], atol=1e-5
    )


def test_null_moments_against_brute_force_permutation(rng):
    u, v = rng.random(60) + 0.3, rng.random(60) ** 3
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    cosines = [u @ v[rng.permutation(60)] for _ in range(40000)]
    mean, std = null_cosine_moments(u.sum() / 60**0.5, v.sum() / 60**0.5, 60)
    np.testing.assert_allclose(mean, np.mean(cosines), atol=4 * std / 40000**0.5)
    np.testing.assert_allclose(std, np.std(cosines), rtol=0.02)


def test_z_is_pearsons_correlation_in_disguise(rng):
    p, q = p_vector_of(rng.random(80)), p_vector_of(rng.random(80))
    pearson = np.corrcoef(p.vector, q.vector)[0, 1]
    np.testing.assert_allclose(kp.compare(p, q).z, np.sqrt(79) * pearson)


@pytest.mark.parametrize(("d", "expected"), [(10, 34.6), (64, 14.6), (512, 5.27)])
def test_independent_relu_features_show_a_small_angle_and_no_more_than_chance(
    d, expected
):
    """Theory: about sqrt(2) * cv / sqrt(d) for many features; z must show nothing."""
    angles, zs, nulls = [], [], []
    for seed in range(8):
        rng = np.random.default_rng([d, seed])
        p, q = (kp.p_vector(relu_features(rng, 600, d)) for _ in range(2))
        comparison = kp.compare(p, q)
        angles.append(comparison.angle_deg)
        nulls.append(comparison.null_angle_deg)
        zs.append(comparison.z)
    np.testing.assert_allclose(np.mean(angles), expected, rtol=0.02)
    np.testing.assert_allclose(np.mean(angles), np.mean(nulls), rtol=0.02)
    assert max(np.abs(zs)) < 4
    assert abs(np.mean(zs)) < 1.5  # 8 values of unit variance: four deviations


def test_centred_angle(rng):
    shared = np.outer(rng.standard_normal(100), rng.random(30))
    x = shared + 0.05 * rng.standard_normal((100, 30)) + 5
    y = shared[:, :20] + 0.05 * rng.standard_normal((100, 20)) + 2
    expected = degrees_between(
        lapack_vector(x - x.mean(axis=0)), lapack_vector(y - y.mean(axis=0))
    )
    found = kp.compare(kp.p_vector(x), kp.p_vector(y)).centered_angle_deg
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_constant_features_have_neither_z_nor_centred_angle(rng):
    p = kp.p_vector(np.ones((30, 4)))
    q = kp.p_vector(rng.random((30, 4)))
    comparison = kp.compare(p, q)
    assert comparison.z is None
    assert comparison.centered_angle_deg is None
    np.testing.assert_allclose(p.cos_ones, 1)
    np.testing.assert_allclose(comparison.angle_deg, comparison.null_angle_deg)


def test_ambiguous_vector_warns(with_spectrum):
    with pytest.warns(kp.AmbiguousPVectorWarning, match="sigma2/sigma1 = 1.000"):
        p = kp.p_vector(with_spectrum(60, 40, [1, 1, 0.2]), layer="fc")
    assert p.error_deg[0] == 90


def test_other_samples_or_another_order_never_compare(rng):
    x = rng.random((50, 6))
    features = rng.random((50, 9))
    straight = kp.SampleSet(x, name="straight")
    reversed_ = kp.SampleSet(x[::-1], name="reversed")
    p = kp.p_vector(features, samples=straight)
    q = kp.p_vector(features[::-1], samples=reversed_)
    with pytest.raises(kp.SampleMismatchError, match=r"'straight'.*'reversed'"):
        kp.angle(p, q)
    for compare in (kp.compare, kp.principal_angles):
        with pytest.raises(kp.SampleMismatchError):
            compare(p, q)
    with pytest.raises(kp.SampleMismatchError):
        kp.angle(p, kp.p_vector(features[:40]))
    assert kp.angle(p, kp.p_vector(features)) == 0  # unknown samples are trusted


def test_data_p_vector(rng):
    samples = kp.SampleSet(rng.random((40, 8, 8, 1)), name="data")
    p = kp.data_p_vector(samples)
    truth = lapack_vector(samples.x.reshape(40, -1))
    assert degrees_between(p.vector, truth) < 1e-5
    assert p.samples_sha256 == samples.sha256
    several = kp.SampleSet({"a": rng.random((5, 2)), "b": rng.random((5, 3))})
    with pytest.raises(ValueError, match="several inputs"):
        kp.data_p_vector(several)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kp.p_vector(3.0), ValueError, "float"),
        (lambda: kp.p_vector([[1.0, 2.0], [3.0, 4.0]]), ValueError, "arrays or ten"),
        (lambda: kp.p_vector(np.eye(3), method="magic"), ValueError, "'magic'"),
        (lambda: kp.p_vector(np.eye(3), k=0), ValueError, "k=0"),
        (lambda: kp.angle(np.ones(3), np.ones(3)), TypeError, "kp.p_vector"),
        (
            lambda: kp.p_vector(np.eye(3), samples=kp.SampleSet(np.eye(4))),
            ValueError,
            "3 rows",
        ),
    ],
)
def test_bad_calls(call, error, message):
    with pytest.raises(error, match=message):
        call()
