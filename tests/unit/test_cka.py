"""CKA against its formula on whole matrices, published properties, and brute force."""

import itertools
import math

import numpy as np
import pytest

from keras_pvec.comparison.cka import linear_cka, minibatch_cka


def by_the_formula(x, y):
    """With the centring matrix and traces, as in the paper's equations 1 and 3."""
    n = len(x)
    h = np.eye(n) - 1 / n
    k, m = (h @ z @ z.T @ h for z in (x, y))
    return np.trace(k @ m) / math.sqrt(np.trace(k @ k) * np.trace(m @ m))


@pytest.mark.parametrize("shapes", [(50, 8, 5), (20, 70, 30), (30, 100, 7)])
def test_the_formula(shapes, rng):
    n, p, q = shapes
    x, y = 3 + rng.random((n, p)), rng.standard_normal((n, q))
    y[:, :5] += x[:, :5]
    np.testing.assert_allclose(linear_cka(x, y), by_the_formula(x, y))


def test_rotation_scale_and_offset_change_nothing(rng):
    x, y = rng.random((40, 6)), rng.random((40, 9))
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    np.testing.assert_allclose(linear_cka(x, 2 * x @ rotation + 5), 1)
    np.testing.assert_allclose(
        linear_cka(x @ rotation, 1e6 + y), linear_cka(x, y), rtol=1e-6
    )


def test_a_large_constant_component_hides_nothing(rng):
    """Where five singular vectors of the uncentred features tell half of it at most."""
    shared = rng.standard_normal((200, 60))
    x, y = (20 + shared @ rng.standard_normal((60, 60)) for _ in range(2))
    expected = by_the_formula(x, y)

    def truncated(z):
        u, s, _ = np.linalg.svd(z, full_matrices=False)
        return u[:, :5] * s[:5]

    wrong = by_the_formula(truncated(x), truncated(y))
    np.testing.assert_allclose(linear_cka(x, y), expected)
    assert abs(wrong - expected) > 0.3 * expected


def unbiased_by_enumeration(k, m):
    """The criterion as a U-statistic: the mean over all ordered quadruples of different
    samples (Song et al. 2012, equation 4)."""
    values = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
        for i, j, q, r in itertools.permutations(range(len(k)), 4)
    ]
    return np.mean(values)


def test_the_unbiased_estimate_is_the_u_statistic(rng):
    x, y = rng.random((8, 3)), rng.random((8, 4))
    y[:, 0] += x[:, 0]
    k, m = x @ x.T, y @ y.T
    cross, of_x, of_y = (
        unbiased_by_enumeration(a, b) for a, b in ((k, m), (k, k), (m, m))
    )
    np.testing.assert_allclose(
        linear_cka(x, y, unbiased=True), cross / math.sqrt(of_x * of_y)
    )


def test_independent_features_have_mean_zero_without_the_bias(rng):
    plain, unbiased = [], []
    for _ in range(200):
        x, y = rng.standard_normal((2, 30, 200))
        plain.append(linear_cka(x, y))
        unbiased.append(linear_cka(x, y, unbiased=True))
    assert np.mean(plain) > 0.8  # as published for more features than samples
    error = np.std(unbiased) / math.sqrt(len(unbiased))
    assert abs(np.mean(unbiased)) < 4 * error


def test_blocks_estimate_the_whole(rng):
    x = rng.standard_normal((4000, 20))
    y = x @ rng.standard_normal((20, 30)) + 2 * rng.standard_normal((4000, 30))
    blocks = [(x[i : i + 100], y[i : i + 100]) for i in range(0, 4000, 100)]
    whole = linear_cka(x, y, unbiased=True)
    np.testing.assert_allclose(minibatch_cka(blocks), whole, atol=0.02)
    np.testing.assert_allclose(minibatch_cka(iter([(x, y)])), whole)
    np.testing.assert_allclose(whole, linear_cka(x, y), atol=0.01)


def test_images_are_flattened(rng):
    x, y = rng.random((10, 4, 4, 2)), rng.random((10, 3))
    np.testing.assert_allclose(linear_cka(x, y), linear_cka(x.reshape(10, -1), y))


def test_features_that_do_not_vary_have_none(rng):
    assert math.isnan(linear_cka(np.ones((6, 3)), rng.random((6, 2))))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: linear_cka(np.ones((3, 2)), np.ones((4, 2))), "3.*4"),
        (lambda: linear_cka(np.ones((1, 2)), np.ones((1, 2))), "1"),
        (lambda: linear_cka(np.eye(3), np.eye(3), unbiased=True), "4"),
        (lambda: minibatch_cka([]), "blocks"),
    ],
)
def test_bad_input(call, named):
    with pytest.raises(ValueError, match=named):
        call()
