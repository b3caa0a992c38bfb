"""Errors of Ritz vectors against true angles, in bases that know too little."""

import numpy as np
import pytest
from oracles import degrees_between

from keras_pvec.solver.bounds import (
    certify_errors,
    estimate_errors,
    n_determined,
    svd_error_deg,
)

ROUNDING = 1e-14
SPECTRA = {
    "dominant": np.r_[1.0, np.linspace(0.1, 0.01, 30)],
    "decaying": 0.7 ** np.arange(30),
    "flat": np.linspace(1.0, 0.8, 30),
    "equal": np.r_[1.0, 1.0, 0.3 * np.ones(20)],
    "low rank": np.array([1.0, 0.5, 0.2]),
}


def ritz(x, v, k, spans_leading=False):
    """Estimated, certified and true errors in the basis `v`, one direction a column."""
    gram = x.T @ x
    values, coefficients = np.linalg.eigh(v.T @ gram @ v)
    values, coefficients = values[::-1], coefficients[:, ::-1]
    vectors = v @ coefficients
    residuals = gram @ vectors - vectors * values
    norms = np.linalg.norm(residuals, axis=0) + ROUNDING * values[0]
    given = np.maximum(values, 0), norms, float(np.sum(x * x)), k
    estimates = estimate_errors(*given, rounding=ROUNDING, spans_leading=spans_leading)
    certified = certify_errors(*given, rounding=ROUNDING)
    u = np.linalg.svd(x, full_matrices=False)[0]
    angles = [degrees_between(x @ vectors[:, i], u[:, i]) for i in range(k)]
    return estimates.deg, certified, np.array(angles)


def basis_near(rng, vt, n_directions, noise):
    """A basis near some of the right singular vectors, not always the leading ones."""
    chosen = np.sort(rng.permutation(min(len(vt), n_directions + 3))[:n_directions])
    near = vt[chosen].T + noise * rng.standard_normal((vt.shape[1], len(chosen)))
    return np.linalg.qr(near)[0]


@pytest.mark.parametrize("kind", SPECTRA)
def test_certified_errors_hold_whatever_the_basis_misses(kind, with_spectrum):
    rng = np.random.default_rng(0)
    for _ in range(60):
        x = with_spectrum(60, 40, SPECTRA[kind])
        vt = np.linalg.svd(x, full_matrices=False)[2]
        v = basis_near(rng, vt, int(rng.integers(3, 30)), 10.0 ** rng.integers(-9, 0))
        _, certified, angles = ritz(x, v, k=3)
        assert (angles <= certified + 1e-9).all()


@pytest.mark.parametrize("kind", SPECTRA)
def test_estimates_without_the_assumption_hold_as_well(kind, with_spectrum):
    rng = np.random.default_rng(1)
    for _ in range(60):
        x = with_spectrum(60, 40, SPECTRA[kind])
        vt = np.linalg.svd(x, full_matrices=False)[2]
        v = basis_near(rng, vt, int(rng.integers(3, 30)), 10.0 ** rng.integers(-9, 0))
        estimated, _, angles = ritz(x, v, k=1)
        assert (angles <= estimated + 1e-9).all()


def test_a_basis_without_the_leading_direction_misleads_the_estimate_alone(
    with_spectrum,
):
    """The assumption is wrong here, and only the certified error is a bound."""
    x = with_spectrum(60, 40, [3.0, 2.0, 1.0])
    vt = np.linalg.svd(x, full_matrices=False)[2]
    estimated, certified, angles = ritz(x, vt[1:3].T, k=1, spans_leading=True)
    assert angles[0] == pytest.approx(90)
    assert estimated[0] < 1e-6
    assert certified[0] == 90


def test_a_complete_basis_is_certified_as_exactly_as_it_is_estimated(with_spectrum):
    x = with_spectrum(60, 20, np.linspace(1.0, 0.5, 20))
    estimated, certified, angles = ritz(x, np.eye(20), k=5, spans_leading=True)
    assert (angles <= certified).all()
    assert certified.max() < 1e-8
    np.testing.assert_allclose(certified, estimated, rtol=1e-6)


def test_a_dominant_direction_is_certified_from_a_thin_basis(with_spectrum):
    """The energy below it is too little to hide a larger one."""
    x = with_spectrum(60, 40, SPECTRA["dominant"])
    vt = np.linalg.svd(x, full_matrices=False)[2]
    _, certified, angles = ritz(x, vt[:2].T, k=1)
    assert angles[0] <= certified[0] < 1e-6


def test_error_of_a_perturbed_vector_is_residual_over_gap():
    """Two dimensions, where the bound is known in closed form: a vector turned by
    `phi` from the first axis of diag(a, b) has the residual (a - b) sin(2 phi) / 2."""
    a, b, phi = 4.0, 1.0, 1e-3
    theta = a * np.cos(phi) ** 2 + b * np.sin(phi) ** 2
    residual = (a - b) * np.sin(2 * phi) / 2
    given = np.array([theta]), np.array([residual]), a + b, 1
    estimates = estimate_errors(*given, rounding=0.0, spans_leading=False)
    expected = np.degrees(np.arcsin(residual / (theta - (a + b - theta))))
    assert estimates.deg[0] == pytest.approx(expected)
    assert certify_errors(*given, rounding=0.0)[0] == pytest.approx(expected)
    # The left vector is turned by less, by sigma_2 / sigma_1.
    assert np.degrees(np.arctan(np.sqrt(b / a) * np.tan(phi))) < expected


def test_vectors_below_rounding_are_not_determined():
    values = np.array([1.0, 0.5, 1e-17, 0.0])
    errors = np.array([1e-6, 90.0, 90.0, 90.0])
    assert n_determined(values, errors, 1e-15) == 2
    assert n_determined(values[:1], errors[:1], 1e-15) == 1
    assert n_determined(np.array([1.0]), np.array([90.0]), 1.0) == 1


def test_error_of_an_svd_grows_as_the_gap_closes():
    wide = svd_error_deg(np.array([1.0, 0.5, 0.1]), 0)
    eps = np.finfo(float).eps
    assert wide == pytest.approx(np.degrees(3 * eps / 0.5))
    narrow = svd_error_deg(np.array([1.0, 1.0 - 1e-12, 0.1]), 0)
    assert wide < narrow < 90
    assert svd_error_deg(np.array([1.0, 1.0, 0.1]), 0) == 90
