"""Blocks of rows: their products against brute force, and what they may be."""

import numpy as np
import pytest

from keras_pvec.solver.products import choose_tiling, row_products
from keras_pvec.solver.rows import (
    as_rows,
    check_finite,
    safe_scale,
    working_dtype,
)


def directions(rng, n_directions, n_features):
    if n_directions == n_features:
        return np.eye(n_features)
    return np.linalg.qr(rng.standard_normal((n_features, n_directions)))[0].T


def brute_force(x, v):
    x = np.asarray(x, np.float64)
    return v @ x.T, v @ x.T @ x, x.sum(axis=0), (x * x).sum(axis=1)


@pytest.fixture(params=[False, True])
def multiplies_small(request, monkeypatch):
    """A BLAS with and without fast products of small matrices."""
    choose_tiling.cache_clear()
    monkeypatch.setattr(
        "keras_pvec.solver.products.multiplies_small_matrices", lambda: request.param
    )
    yield
    choose_tiling.cache_clear()


# Fewer rows than a part, several parts for each thread, tiles of wide rows, and one
# direction to all.
@pytest.mark.usefixtures("multiplies_small")
@pytest.mark.parametrize("shape", [(3, 7), (5000, 20), (150, 20_000)])
@pytest.mark.parametrize("n_directions", [1, 5, 8, "all"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_against_brute_force(shape, n_directions, dtype, rng):
    n_rows, n_features = shape
    if n_directions == "all":
        n_features = n_directions = min(n_features, 20)
    n_directions = min(n_directions, n_features)
    x = rng.standard_normal((n_rows, n_features)).astype(dtype)
    v = directions(rng, n_directions, n_features)
    products = row_products(x, v, dtype)
    found = products.y, products.z, products.column_sums, products.row_squares
    tolerance = 100 * np.finfo(dtype).eps
    for array, expected in zip(found, brute_force(x, v), strict=True):
        assert array.shape == expected.shape
        error = np.linalg.norm(array - expected)
        assert error <= tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.int64, bool])
def test_other_types_are_converted_before_they_are_multiplied(dtype, rng):
    """Products of these types would overflow or be rounded coarsely."""
    x = (200 * rng.random((300, 30))).astype(dtype)
    v = directions(rng, 2, 30)
    products = row_products(x, v, working_dtype(x))
    y, z, sums, squares = brute_force(x, v)
    np.testing.assert_allclose(products.y, y, atol=1e-5 * np.abs(y).max())
    np.testing.assert_allclose(products.z, z, atol=1e-5 * np.abs(z).max())
    np.testing.assert_allclose(products.column_sums, sums, rtol=1e-6)
    np.testing.assert_allclose(products.row_squares, squares, rtol=1e-5)


def test_scale_and_what_is_left_out(rng):
    x, v = rng.standard_normal((40, 9)), directions(rng, 2, 9)
    products = row_products(
        x, v, np.float64, scale=3.0, with_squares=False, with_sums=False
    )
    np.testing.assert_allclose(products.y, 3 * v @ x.T)
    np.testing.assert_allclose(products.z, 9 * v @ x.T @ x)
    assert products.column_sums.size == products.row_squares.size == 0


def test_samples_are_flattened_to_rows(rng):
    images = rng.random((6, 4, 5, 3))
    np.testing.assert_array_equal(as_rows(images), images.reshape(6, 60))


@pytest.mark.parametrize(
    "block",
    [
        [[1.0, 2.0]],
        np.ones(3),
        np.float64(3.0),
        np.ones((3, 0)),
        np.ones((3, 2), complex),
        np.array([["a", "b"], ["c", "d"]]),
        np.array([[object()] * 2] * 2),
    ],
)
def test_blocks_that_are_no_rows(block):
    with pytest.raises(ValueError):
        as_rows(block)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float16", np.float32),
        ("float32", np.float32),
        ("float64", np.float64),
        ("uint8", np.float32),
        ("int16", np.float32),
        ("int32", np.float64),  # more digits than float32 holds
        ("bool", np.float32),
    ],
)
def test_working_dtype_holds_the_entries(dtype, expected):
    assert working_dtype(np.ones((2, 2), dtype)) is expected


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(1.0, 1.0), (1e-80, 1e80), (1e200, 1e-200), (0.0, None), (np.inf, None)],
)
def test_safe_scale_brings_extreme_entries_to_one(largest, expected):
    scale = safe_scale(np.array([[largest, 0.0], [0.0, 0.0]]))
    assert scale == (None if expected is None else pytest.approx(expected))


def test_the_first_row_that_is_not_finite_is_named():
    x = np.ones((5, 3))
    check_finite(x, 10)
    x[2, 1] = np.inf
    with pytest.raises(ValueError, match=r"infinity.*12"):
        check_finite(x, 10)
    x[3, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*12"):
        check_finite(x, 10)
