"""The iteration, state by state: its basis, its precision and its memory."""

import dataclasses
import itertools

import numpy as np
import pytest
from oracles import degrees_between, lapack_vector

from keras_pvec.solver import Limits
from keras_pvec.solver.basis import full_as_identity
from keras_pvec.solver.krylov import absorb, first_step, next_step
from keras_pvec.solver.orthogonal import orthonormal_complement
from keras_pvec.solver.passes import RowPass
from keras_pvec.solver.settings import Settings


def steps_and_states(x, settings, start=None):
    """Every step of the iteration on one block of rows, and the state after it."""
    step = first_step(x, settings, start)
    while step is not None:
        row_pass = RowPass(step.request)
        row_pass.add(x)
        state = absorb(step, row_pass.close(), settings)
        yield step, state
        step = next_step(state, settings)


def test_directions_are_orthonormal_and_products_are_theirs(with_spectrum):
    """Also after restarts, which recombine them."""
    x = with_spectrum(300, 200, np.linspace(1.0, 0.8, 200))
    settings = Settings(k=2, limits=Limits(max_basis=20))
    restarts = 0
    for step, state in itertools.islice(steps_and_states(x, settings), 15):
        basis = state.basis
        np.testing.assert_allclose(basis.v @ basis.v.T, np.eye(basis.size), atol=1e-12)
        np.testing.assert_allclose(basis.z, basis.v @ x.T @ x, atol=1e-12)
        everything = basis.combined_y(np.eye(basis.size))
        np.testing.assert_allclose(everything, basis.v @ x.T, atol=1e-12)
        restarts += len(step.basis.y) == 1 and state.history.n_passes > 2
    assert restarts >= 2


def test_ritz_values_grow_towards_the_eigenvalues(with_spectrum):
    """By Cauchy interlacing they never exceed them, and never shrink."""
    x = with_spectrum(300, 200, np.linspace(1.0, 0.1, 100))
    eigenvalues = np.linspace(1.0, 0.1, 100)[:3] ** 2
    before = np.zeros(3)
    for _, state in steps_and_states(x, Settings(k=3, tolerance_deg=1e-2)):
        values = np.pad(state.plain.values, (0, 3))[:3]
        assert (values <= eigenvalues + 1e-12).all()
        if state.basis.size > 3:
            assert (values >= before - 1e-12).all()
            before = values
    np.testing.assert_allclose(before, eigenvalues, rtol=1e-6)


def test_long_iterations_restart_within_bounded_memory(with_spectrum):
    """A flat spectrum needs many passes; the basis must not grow with them."""
    x = with_spectrum(500, 400, np.r_[1.0, np.linspace(0.999, 0.9, 300)])
    states = [state for _, state in steps_and_states(x, Settings())]
    assert len(states) > 30
    assert max(state.basis.size for state in states) < 60
    last = states[-1]
    (left,) = last.basis.combined_y(last.plain.coefficients[:, :1])
    assert degrees_between(left, lapack_vector(x)) < 1e-3


def test_float64_starts_from_a_basis_that_is_nearly_full(with_spectrum):
    """The directions that are kept are multiplied anew; the old ones are dropped."""
    values = np.r_[1.0, np.linspace(0.3, 0.05, 200)]
    x = with_spectrum(400, 250, values).astype(np.float32)
    settings = Settings(k=5, limits=Limits(max_basis=36))
    states = [state for _, state in steps_and_states(x, settings)]
    dtypes = [state.precision.dtype for state in states]
    turn = dtypes.index(np.float64)
    assert dtypes[turn - 1] is np.float32
    # What is kept would not fit beside what is there.
    kept = states[turn].basis.size
    assert states[turn - 1].basis.size + kept > settings.limits.max_basis + settings.k
    # The mean and the norms are as accurate as what is computed with them.
    moments = states[turn].moments
    exact = x.astype(np.float64)
    np.testing.assert_allclose(moments.energy, np.sum(exact**2), rtol=1e-14)
    mean = exact.mean(axis=0)
    np.testing.assert_allclose(moments.centering.mean, mean, atol=1e-15)
    left = states[-1].basis.combined_y(states[-1].plain.coefficients[:, :5])
    for i, error_deg in enumerate(states[-1].plain.errors.deg):
        assert degrees_between(left[i], lapack_vector(x, i)) <= error_deg <= 1e-3


@pytest.mark.parametrize("dense_features", [200, 300])
def test_few_enough_features_take_a_single_pass(dense_features, rng):
    x = np.maximum(rng.standard_normal((500, 250)), 0).astype(np.float32)
    settings = Settings(k=3, limits=Limits(dense_features=dense_features))
    states = [state for _, state in steps_and_states(x, settings)]
    assert (len(states) == 1) == (dense_features > 250)
    assert states[-1].plain.errors.deg.max() < (1e-6 if dense_features > 250 else 1e-3)


@pytest.mark.parametrize("n_given", [78, 79, 80, 100])
def test_a_start_that_spans_all_features_is_the_identity(n_given, rng):
    x = rng.standard_normal((300, 80))
    start = rng.standard_normal((80, n_given))
    step = first_step(x, Settings(warm_start=True), start)
    directions = step.request.directions
    if n_given >= 79:  # and a random one
        np.testing.assert_array_equal(directions, np.eye(80))
    else:
        assert directions.shape == (79, 80)


def test_the_start_is_seeded_by_the_rows_alone(rng):
    x = rng.standard_normal((300, 100))
    first = first_step(x, Settings(), None).request.directions
    np.testing.assert_array_equal(
        first, first_step(x.copy(), Settings(), None).request.directions
    )
    other = first_step(x[::-1].copy(), Settings(), None).request.directions
    assert np.abs(first[-1] - other[-1]).max() > 1e-3


def test_a_step_leaves_the_state_before_it_as_it_was(with_spectrum):
    """Restarts and the turn to float64 make new states."""
    x = with_spectrum(300, 200, np.linspace(1, 0.7, 200)).astype(np.float32)
    states = [state for _, state in steps_and_states(x, Settings(k=3))]
    assert {s.precision.dtype for s in states} == {np.float32, np.float64}
    for state in states:
        again = next_step(state, Settings(k=3, max_passes=state.history.n_passes))
        assert again is None
        v = state.basis.v
        np.testing.assert_allclose(v @ v.T, np.eye(len(v)), atol=1e-10)
        assert sum(len(y) for y in state.basis.y) == len(v)
    with pytest.raises(dataclasses.FrozenInstanceError):
        states[0].basis = None


def test_complement_is_orthonormal_and_spans_what_is_new(rng):
    basis = np.linalg.qr(rng.standard_normal((50, 4)))[0].T
    new = rng.standard_normal((3, 50))
    candidates = np.concatenate([new, new[:1] + basis[:1], 1e-9 * new[1:2], basis])
    rows = orthonormal_complement(candidates, basis, smallest=1e-6)
    assert len(rows) == 3
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(rows @ basis.T, 0, atol=1e-14)
    both = np.concatenate([basis, rows])
    np.testing.assert_allclose(new @ both.T @ both, new, atol=1e-12)


def test_no_more_directions_than_features(rng):
    basis = np.linalg.qr(rng.standard_normal((6, 4)))[0].T
    candidates = rng.standard_normal((5, 6))
    assert len(orthonormal_complement(candidates, basis, smallest=0.0)) == 2
    assert (full_as_identity(np.linalg.qr(candidates[:, :5])[0]) == np.eye(5)).all()
