"""Angles, nulls and other measures against theory, brute force and LAPACK."""

import dataclasses

import numpy as np
import pytest
from oracles import degrees_between, lapack_vector

import keras_pvec as kp
from keras_pvec.comparison import permutation_cosine_moments


def relu_features(rng, n, d):
    return np.maximum(rng.standard_normal((n, d)), 0)


def p_vector_of(direction):
    """A P-vector that is the given direction: of the matrix with that one column."""
    return kp.p_vector(np.asarray(direction, float)[:, None])


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
    mean, std = permutation_cosine_moments(u.sum() / 60**0.5, v.sum() / 60**0.5, 60)
    np.testing.assert_allclose(mean, np.mean(cosines), atol=4 * std / 40000**0.5)
    np.testing.assert_allclose(std, np.std(cosines), rtol=0.02)


def test_z_is_pearsons_correlation_in_disguise(rng):
    p, q = p_vector_of(rng.random(80)), p_vector_of(rng.random(80))
    pearson = np.corrcoef(p.vector, q.vector)[0, 1]
    np.testing.assert_allclose(kp.compare(p, q).z, np.sqrt(79) * pearson)


def leaning_vectors(cosine, leaning=0.2, n=101):
    """Two P-vectors of this cosine to each other, both with `leaning` to the constant
    vector."""
    basis = np.linalg.qr(np.stack([np.ones(n), np.arange(n), np.arange(n) ** 2.0]).T)[0]
    basis *= np.sign(basis[0])
    rest = np.sqrt(1 - leaning**2)
    along = (cosine - leaning**2) / rest**2
    u = leaning * basis[:, 0] + rest * basis[:, 1]
    v = leaning * basis[:, 0] + rest * (
        along * basis[:, 1] + np.sqrt(1 - along**2) * basis[:, 2]
    )
    return p_vector_of(u), p_vector_of(v)


def test_z_is_positive_only_for_angles_below_the_null():
    """A mean cosine of 0.04 with a standard deviation of 0.96 / 10: a cosine of 0.5 of
    either sign lies 0.46 above that, one of -0.02 lies 0.02 below."""
    for cosine, above in ((0.5, 0.46), (-0.5, 0.46), (0.01, -0.03), (-0.02, -0.02)):
        p, q = leaning_vectors(cosine)
        for found in (kp.compare(p, q), kp.compare(q, p)):
            np.testing.assert_allclose(found.z, above / 0.096, rtol=1e-6)
            assert (found.angle_deg < found.null_angle_deg) == (found.z > 0)
            np.testing.assert_allclose(found.null_angle_deg, degrees_of(0.04))


def degrees_of(cosine):
    return np.degrees(np.arccos(cosine))


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


def two_networks(rng, n=400, d=6, shared=0.8):
    """Features of both signs that have something in common, all of rank `d`."""
    common = rng.standard_normal((n, d))
    return [
        (shared * common + rng.standard_normal((n, d))) * np.linspace(3, 1, d) + 0.3
        for _ in range(2)
    ]


def test_detail_repeats_the_comparison(rng):
    p, q = (kp.p_vector(x, k=3) for x in two_networks(rng))
    detailed, plain = kp.compare_in_detail(p, q), kp.compare(p, q)
    assert isinstance(detailed, kp.DetailedComparison)
    assert not isinstance(plain, kp.DetailedComparison)
    for field in dataclasses.fields(plain):
        assert getattr(detailed, field.name) == getattr(plain, field.name)


@pytest.mark.parametrize("sign", [1, -1])
def test_influential_samples_are_those_whose_absence_changes_the_angle_most(sign, rng):
    """Leaving out each sample in turn, by hand."""
    p, q = (p_vector_of(kp.p_vector(x).vector) for x in two_networks(rng, n=250))
    q = dataclasses.replace(q, vectors=sign * q.vectors)
    u, v = p.vector, q.vector

    def angle_without(i):
        rest = np.arange(250) != i
        return degrees_between(
            u[rest] / np.linalg.norm(u[rest]), v[rest] / np.linalg.norm(v[rest])
        )

    change = [abs(angle_without(i) - kp.angle(p, q)) for i in range(250)]
    expected = np.argsort(change)[::-1][:3]  # 1% of 250, rounded up
    assert kp.compare_in_detail(p, q).influential_samples == tuple(expected)


def test_the_errors_of_both_sides_add_up(rng):
    x, y = two_networks(rng)
    p, q = kp.p_vector(x), kp.p_vector(y)
    p, q = (
        dataclasses.replace(side, error_deg=np.array([error]))
        for side, error in ((p, 0.25), (q, 0.5))
    )
    assert kp.compare(p, q).angle_error_deg == 0.75


@pytest.mark.parametrize("which", [0, 1])
def test_a_centred_vector_that_is_hardly_known_is_left_out(which, rng):
    pair = [kp.p_vector(x) for x in two_networks(rng)]
    pair[which] = dataclasses.replace(pair[which], centered_error_deg=0.9)
    assert kp.compare(*pair).centered_angle_deg is not None
    pair[which] = dataclasses.replace(pair[which], centered_error_deg=1.1)
    assert kp.compare(*pair).centered_angle_deg is None


def test_stored_energy_is_that_of_the_side_with_less(rng):
    x, y = two_networks(rng)
    p, q = kp.p_vector(x), kp.p_vector(y, k=6)
    for pair in ((p, q), (q, p)):
        found = kp.compare_in_detail(*pair)
        assert found.stored_energy == pytest.approx(p.energy1)


def test_a_sample_without_which_the_cosine_changes_its_sign():
    """That is the second one, from 15 to -10; the angle does not turn by that much."""
    u, v = np.array([-2.0, 5, -3, 0, 3]), np.array([5.0, 5, -5, 0, -5])
    p, q = (p_vector_of(x / np.linalg.norm(x)) for x in (u, v))
    change = []
    for i in range(5):
        a, b = np.delete(u, i), np.delete(v, i)
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        change.append(abs(degrees_of(abs(a @ b) / lengths) - kp.angle(p, q)))
    found = kp.compare_in_detail(p, q).influential_samples
    assert found == (int(np.argmax(change)),) == (4,)


def test_networks_that_are_the_same_owe_it_to_no_sample(rng):
    x, _ = two_networks(rng)
    p = kp.p_vector(x, k=6)
    found = kp.compare_in_detail(p, p)
    assert found.influential_samples == ()
    assert found.trimmed_angle_deg == pytest.approx(0, abs=1e-6)


def test_trimmed_angle_is_that_of_the_matrices_without_these_rows(rng):
    """Exactly, if the stored vectors hold all of the features; nearly, with the first
    alone."""
    x, y = two_networks(rng)
    for k, atol in ((6, 2e-3), (1, 1.0)):
        found = kp.compare_in_detail(kp.p_vector(x, k=k), kp.p_vector(y, k=k))
        rest = np.setdiff1d(np.arange(400), found.influential_samples)
        u, v = lapack_vector(x[rest]), lapack_vector(y[rest])
        expected = degrees_between(u, v)
        np.testing.assert_allclose(found.trimmed_angle_deg, expected, atol=atol)
        null = degrees_of(abs(u.sum() * v.sum()) / len(rest))
        np.testing.assert_allclose(found.trimmed_null_angle_deg, null, atol=atol)
    assert found.stored_energy < 1


def test_outliers_that_own_the_vectors_are_found(rng):
    """Four samples, large in both networks, make unrelated features look alike."""
    x, y = (rng.standard_normal((400, 5)) for _ in range(2))
    outliers = [17, 60, 200, 399]
    for features in (x, y):
        features[outliers] += 200 * rng.standard_normal(5)
    found = kp.compare_in_detail(kp.p_vector(x, k=5), kp.p_vector(y, k=5))
    assert found.angle_deg < 10
    assert sorted(found.influential_samples) == outliers
    assert found.trimmed_angle_deg > 60
    assert found.row_normalised_angle_deg > 60


def test_row_normalised_angle_is_that_of_the_normalised_matrices(rng):
    x, y = two_networks(rng, shared=2.0)
    x *= np.exp(rng.standard_normal((400, 1)))
    x[5] = 0  # a sample without any features stays where it is
    found = kp.compare_in_detail(kp.p_vector(x, k=6), kp.p_vector(y, k=6))
    sides = [
        m / np.maximum(np.linalg.norm(m, axis=1, keepdims=True), 1e-12) for m in (x, y)
    ]
    expected = degrees_between(*map(lapack_vector, sides))
    np.testing.assert_allclose(found.row_normalised_angle_deg, expected, atol=2e-3)
    leaning = [lapack_vector(side).sum() / 20 for side in sides]
    null = np.degrees(np.arccos(abs(np.prod(leaning))))
    np.testing.assert_allclose(found.row_normalised_null_angle_deg, null, atol=2e-3)
    assert abs(found.row_normalised_angle_deg - found.angle_deg) > 0.5
    without = dataclasses.replace(kp.p_vector(x), row_norms=None)
    assert kp.compare_in_detail(without, without).row_normalised_angle_deg is None


def test_all_of_the_features_are_stored_with_as_many_vectors(rng):
    x, y = two_networks(rng, n=90)
    p, q = kp.p_vector(x, k=6), kp.p_vector(y, k=6)
    detailed = kp.compare_in_detail(p, q)
    assert detailed.stored_energy == pytest.approx(1)
    np.testing.assert_array_equal(
        detailed.principal_angles_deg, kp.principal_angles(p, q)
    )


def test_spans_that_are_the_same_have_no_angle(rng):
    """Of rank two, whatever number of vectors is asked for."""
    common = rng.standard_normal((80, 2))
    p, q = (kp.p_vector(common @ rng.standard_normal((2, 30)), k=5) for _ in range(2))
    assert p.k == q.k == 2
    np.testing.assert_allclose(kp.principal_angles(p, q), 0, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-160, 1e-90, 1e90, 1e160])
def test_detail_does_not_depend_on_scale(scale, rng):
    x, y = two_networks(rng, n=150)
    plain = kp.compare_in_detail(kp.p_vector(x, k=6), kp.p_vector(y, k=6))
    scaled = kp.compare_in_detail(kp.p_vector(scale * x, k=6), kp.p_vector(y, k=6))
    assert scaled.influential_samples == plain.influential_samples
    for name in ("trimmed_angle_deg", "row_normalised_angle_deg"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name), rel=1e-5)


def test_detail_of_features_that_do_not_vary(rng):
    same, other = kp.p_vector(np.ones((30, 4))), kp.p_vector(rng.random((30, 4)))
    detailed = kp.compare_in_detail(same, other)
    assert detailed.trimmed_angle_deg == pytest.approx(detailed.angle_deg, abs=2)


def test_a_single_sample_that_is_all_leaves_nothing(rng):
    x = np.zeros((20, 3))
    x[4] = [1.0, 2.0, 2.0]
    y = x.copy()
    y[7] = x[4] / 2
    detailed = kp.compare_in_detail(kp.p_vector(x), kp.p_vector(y))
    assert detailed.influential_samples == (4,)
    assert detailed.trimmed_angle_deg is None
