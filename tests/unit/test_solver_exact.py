"""The exact method against LAPACK, on arrays and tensors."""

import numpy as np
import pytest
from oracles import degrees_between, lapack_vector

from keras_pvec.solver import (
    ZeroMatrixError,
    exact_singular_triplets,
    top_singular_triplets,
)


def relu_features(rng, n, d):
    return np.maximum(rng.standard_normal((n, d)), 0).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3])
def test_agrees_with_lapack_and_with_the_fast_method(k, rng):
    x = relu_features(rng, 200, 50)
    exact = exact_singular_triplets(x, k)
    fast = top_singular_triplets([x], k)
    for i in range(k):
        error = degrees_between(exact.left[:, i], lapack_vector(x, i))
        assert error <= exact.error_deg[i] + 1e-10  # LAPACK rounds as well
        assert degrees_between(fast.left[:, i], exact.left[:, i]) < 1e-4
        assert degrees_between(x @ exact.right[:, i], exact.left[:, i]) < 1e-4
    np.testing.assert_array_equal(exact.certified_error_deg, exact.error_deg)
    np.testing.assert_allclose(exact.singular_values, fast.singular_values, rtol=1e-9)
    np.testing.assert_allclose(exact.frobenius_norm, np.linalg.norm(x), rtol=1e-6)
    np.testing.assert_allclose(exact.row_norms, fast.row_norms, rtol=1e-6)
    centred = lapack_vector(x - x.mean(axis=0, dtype=float))
    assert degrees_between(exact.centered_left, centred) < 1e-6


def test_a_rank_below_k_gives_fewer_vectors(rng):
    x = np.zeros((100, 150))
    x[:, :3] = relu_features(rng, 100, 3)
    found = exact_singular_triplets(x, k=5)
    assert found.left.shape == (100, 3)
    assert found.right.shape == (150, 3)
    assert found.error_deg.shape == (3,)
    for i in range(3):
        assert degrees_between(found.left[:, i], lapack_vector(x, i)) < 1e-10


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scale_does_not_matter(scale, with_spectrum):
    x = with_spectrum(40, 30, [3.0, 2.0, 1.0])
    found = exact_singular_triplets(x * scale, k=2)
    np.testing.assert_allclose(found.singular_values / scale, [3, 2, 1], rtol=1e-12)
    assert degrees_between(found.left[:, 0], lapack_vector(x)) < 1e-10


def test_equal_rows_have_no_centred_vector():
    found = exact_singular_triplets(np.tile([[1.0, 2.0, 3.0]], (20, 1)))
    assert found.centered_left is None
    assert found.centered_singular_value is None
    assert found.centered_error_deg == 90


@pytest.mark.parametrize(
    ("x", "error", "named"),
    [
        (np.zeros((5, 3)), ZeroMatrixError, None),
        (np.ones((1, 3)), ValueError, None),
        (np.ones((0, 3)), ValueError, None),
        (np.ones((3, 0)), ValueError, None),
        (np.ones(3), ValueError, None),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), ValueError, "NaN.*row 0"),
        (np.array([[1.0, 2.0], [np.inf, 2.0]]), ValueError, "infinity.*row 1"),
        (np.ones((3, 2), complex), ValueError, "complex"),
    ],
)
def test_bad_matrices(x, error, named):
    with pytest.raises(error, match=named):
        exact_singular_triplets(x)


@pytest.mark.parametrize("k", [0, -1, 1.5, "2", True])
def test_bad_numbers_of_vectors(k, rng):
    with pytest.raises(ValueError, match="k="):
        exact_singular_triplets(rng.random((5, 3)), k)
