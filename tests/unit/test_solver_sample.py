"""The sample of the rows: first directions and corrections."""

import numpy as np
import pytest
from oracles import degrees_between, lapack_vector

from keras_pvec.solver import LeftSingularSolver, Limits
from keras_pvec.solver.passes import Centering, Moments
from keras_pvec.solver.sample import (
    RowSample,
    correction,
    leading_directions,
    n_sampled_rows,
)


def low_rank_features(rng, n, d):
    hidden = rng.standard_normal((n, 20)) * np.exp(-0.1 * np.arange(20))
    x = hidden @ rng.standard_normal((20, d)) + 0.3 * rng.standard_normal((n, d))
    return np.maximum(x, 0).astype(np.float32)


def moments_of(x, scale=1.0):
    x = scale * x.astype(float)
    mean, energy = x.mean(axis=0), float(np.sum(x * x))
    centering = Centering(mean, len(x), energy - len(x) * float(mean @ mean))
    return Moments((x * x).sum(axis=1), energy, scale, centering)


def passes(x, **arguments):
    solver = LeftSingularSolver(**arguments)
    while not solver.done:
        solver.update(x)
        solver.end_pass()
    return solver.n_passes


@pytest.mark.parametrize("n_rows", [1, 2, 31, 300, 2000, 10_000, 10**6])
def test_a_sample_has_rows_enough_and_not_too_many(n_rows):
    n_sampled = n_sampled_rows(n_rows, Limits())
    assert min(n_rows, 32) <= n_sampled <= min(n_rows, 2048)
    assert n_sampled <= max(n_rows / 10, 32)


@pytest.mark.parametrize("scale", [1.0, 1e-100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, bool])
def test_the_operator_is_that_of_the_sampled_rows(dtype, scale, rng):
    x = (5 * rng.random((500, 40))).astype(dtype)
    moments = moments_of(x, scale)
    sample = RowSample.of(x, Limits())
    m = len(sample.rows)
    rows = scale * x[: m * (500 // m) : 500 // m].astype(float)
    v = rng.standard_normal(40)
    for centering, mean in ((None, 0), (moments.centering, moments.centering.mean)):
        exact = 500 / m * (rows - mean).T @ ((rows - mean) @ v) / moments.energy
        found = sample.operator(moments, moments.energy, centering)(v.astype("f"))
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)


def test_a_sample_of_large_rows_is_multiplied_by_threads(rng, monkeypatch):
    x = low_rank_features(rng, 300, 80)
    sample, moments = RowSample.of(x, Limits()), moments_of(x)
    v = rng.standard_normal(80).astype(np.float32)
    arguments = moments, moments.energy, moments.centering
    expected = sample.operator(*arguments)(v)
    monkeypatch.setattr("keras_pvec.solver.sample._THREADED_BYTES", 0)
    np.testing.assert_allclose(sample.operator(*arguments)(v), expected, atol=1e-6)


@pytest.mark.parametrize("n_rows", [100, 300])
def test_first_directions_are_those_of_the_sample(n_rows, rng):
    """From its Gram matrix, or by iteration where it has more rows."""
    x = low_rank_features(rng, n_rows, 200)
    sample = RowSample(x / x.max(), float(x.max()))
    found = leading_directions(sample, 2, 1, Limits())
    assert found.shape == (3, 200)
    exact = x.astype(float)
    right = np.linalg.svd(exact)[2]
    centred = np.linalg.svd(exact - exact.mean(axis=0))[2]
    for direction, expected in zip(found, (*right[1::-1], centred[0]), strict=True):
        assert degrees_between(direction, expected) < 8


def test_a_correction_finds_what_a_residual_only_points_to(rng):
    """With all rows in the sample, it is a step of Newton's method."""
    x = low_rank_features(rng, 400, 100)
    exact = x.astype(float)
    gram = exact.T @ exact
    right = np.linalg.svd(exact)[2][0]
    v = right + 0.01 * rng.standard_normal(100)
    v /= np.linalg.norm(v)
    theta = v @ gram @ v
    residual = gram @ v - theta * v
    sample = RowSample(x / x.max(), float(x.max()))
    operator = sample.operator(moments_of(x), theta, None)
    corrected = correction(operator, residual, v[None], accuracy=1e-3)

    def error(direction):
        basis = np.linalg.qr(np.stack([v, direction]).T)[0]
        return degrees_between(right, basis @ (basis.T @ right))

    assert error(corrected) < error(residual) / 10


def test_a_misleading_sample_leaves_the_residual(rng):
    """Its values exceed the Ritz value in directions that no Ritz vector spans."""
    residual, ritz_vector = rng.standard_normal((2, 50))
    ritz_vector /= np.linalg.norm(ritz_vector)
    found = correction(lambda v: 3 * v, residual, ritz_vector[None], accuracy=0.1)
    np.testing.assert_array_equal(found, residual)


def test_corrections_save_passes():
    few_rows = Limits(sample_rows=(32, 32))
    with_few = with_more = 0
    for seed in range(4):
        x = low_rank_features(np.random.default_rng(seed), 12_000, 150)
        with_few += passes(x, limits=few_rows)
        with_more += passes(x)
    assert with_more <= with_few - 3


def test_a_sample_that_is_unlike_the_rest_costs_no_passes(rng):
    """The first block holds one class, and the others are different."""
    x = np.zeros((3000, 120), np.float32)
    for i in range(3):
        columns = slice(40 * i, 40 * i + 40)
        x[1000 * i : 1000 * i + 1000, columns] = low_rank_features(rng, 1000, 40)
    x[1000:] *= 2

    def passes_in_blocks(limits):
        solver = LeftSingularSolver(limits=limits)
        while not solver.done:
            for start in range(0, 3000, 1000):
                solver.update(x[start : start + 1000])
            solver.end_pass()
        return solver.n_passes

    few_rows = Limits(sample_rows=(32, 32), centered_start=1)
    assert passes_in_blocks(Limits()) <= passes_in_blocks(few_rows) + 1


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_a_first_block_of_zeros_is_no_sample(scale, rng):
    """It has no unit either."""
    x = rng.random((400, 100)) + rng.random((400, 1))
    x[:200] = 0
    solver = LeftSingularSolver()
    while not solver.done:
        solver.update(scale * x[:200])
        solver.update(scale * x[200:])
        solver.end_pass()
    found = solver.result()
    error = degrees_between(found.left[:, 0], lapack_vector(x))
    assert error <= found.error_deg[0] <= 1e-3
