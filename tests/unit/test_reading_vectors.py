"""Stored P-vectors under other readings, against LAPACK on the feature matrices."""

import dataclasses

import numpy as np
import pytest
from scipy.linalg import subspace_angles

import keras_pvec as kp
from keras_pvec.comparison.angles import line_angle_deg
from keras_pvec.reproduction.readings import (
    centred,
    compare_spans,
    first_samples,
    raw_data_p_vectors,
    shuffled,
    with_span_angles,
)
from keras_pvec.reproduction.readings.extraction import even_batch_size

N = 300


def features(seed, decay=0.4, n_features=12):
    """Non-negative directions first, with singular values that fall by a factor."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(np.abs(rng.standard_normal((N, n_features))))[0]
    right = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    return (left * decay ** np.arange(n_features)) @ right


def left_vectors(x):
    return np.linalg.svd(x, full_matrices=False)[0]


def test_centred_vectors_lead():
    x = features(0)
    p = centred(kp.p_vector(x, k=5, method="exact"))
    exact, values, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    assert p.k == 5
    for i in range(5):
        angle = line_angle_deg(p.vectors[:, i], exact[:, i])
        assert angle <= p.error_deg[i] + 1e-4
    np.testing.assert_allclose(p.singular_values[:3], values[:3], rtol=1e-3)
    assert p.frobenius_norm == pytest.approx(np.linalg.norm(values))
    # Orthonormal, and orthogonal to the constant vector.
    np.testing.assert_allclose(p.vectors.T @ p.vectors, np.eye(5), atol=1e-8)
    assert abs(p.cos_ones) < 1e-8


def test_equal_samples_have_no_centred_vector():
    p = kp.p_vector(np.ones((6, 3)))
    assert centred(dataclasses.replace(p, centered_vector=None)) is None


@pytest.mark.parametrize("n", [40, 150, N])
def test_first_samples(n):
    x = features(1)
    p = first_samples(kp.p_vector(x, k=5, method="exact"), n)
    angle = line_angle_deg(p.vector, left_vectors(x[:n])[:, 0])
    assert angle <= p.error_deg[0] + 1e-6
    assert p.error_deg[0] < 0.2
    centred_rows = x[:n] - x[:n].mean(axis=0)
    angle = line_angle_deg(p.centered_vector, left_vectors(centred_rows)[:, 0])
    assert angle <= p.centered_error_deg + 1e-6
    assert p.frobenius_norm == pytest.approx(np.linalg.norm(x[:n]))
    assert p.n_samples == n


def test_what_the_approximation_leaves_out_is_in_the_error():
    x = features(2, decay=0.8)
    p = first_samples(kp.p_vector(x, k=2, method="exact"), 60)
    angle = line_angle_deg(p.vector, left_vectors(x[:60])[:, 0])
    assert 0.1 < angle <= p.error_deg[0]


def test_fewer_samples_do_not_compare_with_all():
    samples = kp.SampleSet(features(3))
    p = kp.p_vector(samples.x, k=3, samples=samples)
    fewer = first_samples(p, 50)
    assert kp.angle(fewer, first_samples(p, 50)) == 0
    with pytest.raises(ValueError, match="50"):
        kp.angle(fewer, first_samples(p, 60))
    other = dataclasses.replace(p, samples_sha256="0" * 64)
    with pytest.raises(ValueError, match="0000"):
        kp.angle(fewer, first_samples(other, 50))


def test_samples_without_features():
    x = features(4)
    x[:20] = 0
    assert first_samples(kp.p_vector(x, k=12), 20) is None


def test_shuffled_rows():
    x = features(5)
    p = kp.p_vector(x, k=3, method="exact")
    order = np.random.default_rng([7, 1]).permutation(N)
    q = kp.p_vector(x[order], k=3, method="exact")
    found = shuffled(p, [7, 1])
    assert kp.angle(found, q) < 1e-5
    assert line_angle_deg(found.centered_vector, q.centered_vector) < 1e-5
    np.testing.assert_allclose(found.row_norms, q.row_norms)


def test_spans():
    x, y = features(6), features(7)
    y[:, :2] = x[:, :2]
    p, q = (kp.p_vector(matrix, k=k) for matrix, k in ((x, 4), (y, 3)))
    found = compare_spans(p, q)
    spans = left_vectors(x)[:, :3], left_vectors(y)[:, :3]
    assert found.angle_deg == pytest.approx(
        np.degrees(subspace_angles(*spans)[0]), abs=1e-3
    )
    ones = np.ones(N) / np.sqrt(N)
    assert found.cos_ones == pytest.approx(np.linalg.norm(spans[0].T @ ones))
    # Many other permutations than those of the null.
    rng = np.random.default_rng(99)
    cosines = [
        np.linalg.svd(spans[0].T @ rng.permutation(spans[1]), compute_uv=False)[-1]
        for _ in range(300)
    ]
    assert np.cos(np.radians(found.null_angle_deg)) == pytest.approx(
        np.mean(cosines), abs=4 * np.std(cosines) / np.sqrt(32)
    )
    same = compare_spans(p, p)
    assert same.angle_deg < 1e-4
    assert same.z > 10


def test_span_angles_of_pairs():
    from keras_pvec.reproduction.analysis import pairwise_angles

    p_vectors = {str(i): kp.p_vector(features(i), k=3) for i in range(3)}
    pairs = pairwise_angles(p_vectors)
    found = with_span_angles(pairs, p_vectors)
    np.testing.assert_allclose(
        found["angle_deg"], pairs["largest_principal_angle_deg"], atol=1e-6
    )
    assert (found["null_angle_deg"] > pairs["null_angle_deg"]).all()
    assert with_span_angles(pairs[:0], {}).empty


def test_raw_data():
    rng = np.random.default_rng(0)
    pixels = rng.random((40, 4, 4, 2)).astype(np.float32)
    pixels[..., 1] = 0.25
    mean, variance = [0.5, 0.25], [0.1, 0.0]
    found = raw_data_p_vectors(pixels, mean, variance, k=2)
    flat = pixels.reshape(40, -1)
    standardised = ((pixels[..., 0] - 0.5) / np.sqrt(0.1)).reshape(40, -1)
    for name, x in (("data", flat), ("input", standardised)):
        exact = left_vectors(x.astype(float))[:, 0]
        assert line_angle_deg(found[name].vector, exact) < 0.01
        assert found[name].k == 2


@pytest.mark.parametrize(
    ("n", "largest", "size"),
    [(1000, 128, 125), (1000, 2000, 1000), (128, 128, 128), (97, 32, 97), (10, 4, 2)],
)
def test_batches_are_not_filled_up(n, largest, size):
    assert even_batch_size(n, largest) == size
