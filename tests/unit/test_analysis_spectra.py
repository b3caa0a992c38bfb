"""Singular vectors and explained variance, against LAPACK in float64."""

import numpy as np
import pytest
import scipy.linalg
from oracles import degrees_between
from stored_runs import of_features, write_run

import keras_pvec as kp
from keras_pvec.reproduction import analysis


@pytest.fixture(scope="module")
def drifting_matrices():
    """Feature matrices of a training, by moment, with well separated spectra."""
    rng = np.random.default_rng(0)
    u = np.linalg.qr(rng.random((60, 12)))[0]
    v = np.linalg.qr(rng.standard_normal((20, 12)))[0]
    base = (u * 0.7 ** np.arange(12)) @ v.T
    return {
        (-1, 0): base + 0.05 * rng.standard_normal((60, 20)),
        (0, 5): base + 0.02 * rng.standard_normal((60, 20)),
        (0, 10): base + 0.01 * rng.standard_normal((60, 20)),
        (1, 20): base,
    }


@pytest.fixture(scope="module")
def of_matrices(tmp_path_factory, drifting_matrices):
    p_vectors = {
        moment: kp.p_vector(x, k=5, layer="features")
        for moment, x in drifting_matrices.items()
    }
    return write_run(tmp_path_factory.mktemp("run"), of_features(p_vectors))


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
    assert others["centered_angle_deg"].isna().all()  # stored for the first one
    # Vectors and subspaces have different angles here.
    others = others[others["epoch"] == -1]
    assert (others["subspace_angle_deg"] - others["angle_deg"]).abs().min() > 0.1


def test_explained_variance_agrees_with_lapack(of_matrices, drifting_matrices):
    explained = analysis.explained_variance([of_matrices])
    assert list(explained["k"]) == [1, 2, 3, 4, 5] * 3
    for row in explained.itertuples():
        x = drifting_matrices[{-1: (-1, 0), 0: (0, 10), 1: (1, 20)}[row.epoch]]
        u, s, vt = lapack(x)
        k, total = row.k, np.sum(x**2)
        error = np.sum((x - (u[:, :k] * s[:k]) @ vt[:k]) ** 2)
        np.testing.assert_allclose(row.error, error, rtol=1e-6)
        # Eckart and Young: the energy of the other singular values.
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
