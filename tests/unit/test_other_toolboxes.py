"""Features in the conventions of rsatoolbox and ReSi: their measures give our numbers.

rsatoolbox comes from the package index. ReSi is no package: put a checkout of
https://github.com/mklabunde/resi on PYTHONPATH, with PyTorch, einops and loguru.
Without them, the tests are skipped.
"""

import sys

import numpy as np
import pytest
import scipy.linalg
from scipy.spatial import procrustes

import keras_pvec as kp
from keras_pvec.archive import Features
from keras_pvec.runs import Moment

N = 60


@pytest.fixture
def pair(rng):
    """Features of the same samples that share a part; of different widths."""
    shared = rng.random((N, 5))
    return [
        Features(
            (shared @ rng.random((5, d)) + rng.random((N, d))).astype(np.float32),
            run=f"run {d}",
            layer="dense",
            moment=Moment(2, 30),
            sample_indices=np.arange(0, 2 * N, 2),
            labels=np.arange(N) % 3,
        )
        for d in (8, 12)
    ]


def normalized(features):
    """Mean-centred rows of unit Frobenius norm, float64."""
    rows = features.rows().astype(np.float64)
    rows -= rows.mean(axis=0)
    return rows / np.linalg.norm(rows)


def procrustes_distance(x, y):
    """Between mean-centred features of unit norm; SciPy rotates the one on the other.

    Columns of zeros make the widths equal, and change no distance.
    """
    x, y = normalized(x), normalized(y)
    x = np.pad(x, ((0, 0), (0, max(0, y.shape[1] - x.shape[1]))))
    rotation, _ = scipy.linalg.orthogonal_procrustes(x, y)
    return np.linalg.norm(x @ rotation - y)


def test_scipy_measures_the_same_disparity(pair):
    x, y = (normalized(features) for features in pair)
    x = np.pad(x, ((0, 0), (0, y.shape[1] - x.shape[1])))
    # SciPy also scales the second matrix by the sum of singular values, s; the squared
    # distance is then 1 - s^2 instead of 2 - 2 s.
    half = 1 - procrustes_distance(*pair) ** 2 / 2
    assert procrustes(x, y)[2] == pytest.approx(1 - half**2, abs=1e-12)


def test_rsatoolbox(pair):
    rdm = pytest.importorskip("rsatoolbox.rdm")
    datasets = [features.to_rsatoolbox() for features in pair]
    for dataset, features in zip(datasets, pair, strict=True):
        np.testing.assert_array_equal(dataset.measurements, features.values)
        assert dataset.descriptors["run"] == features.run
        assert (dataset.descriptors["epoch"], dataset.descriptors["step"]) == (2, 30)
        found = np.asarray(dataset.obs_descriptors["sample"])
        np.testing.assert_array_equal(found, features.sample_indices)
        np.testing.assert_array_equal(dataset.obs_descriptors["label"], features.labels)
    rdms = [rdm.calc_rdm(dataset, method="euclidean") for dataset in datasets]
    # The whitened cosine of distances is linear CKA (Diedrichsen et al. 2020,
    # arXiv 2007.02789), and the Bures similarity gives the Procrustes distance.
    (cka,) = rdm.compare(*rdms, method="cosine_cov").ravel()
    assert cka == pytest.approx(kp.linear_cka(*[f.values for f in pair]), abs=1e-5)
    (bures,) = rdm.compare(*rdms, method="bures").ravel()
    expected = procrustes_distance(*pair)
    assert np.sqrt(2 - 2 * bures) == pytest.approx(expected, abs=1e-5)


def test_resi(pair):
    cka = pytest.importorskip("repsim.measures.cka").centered_kernel_alignment
    module = pytest.importorskip("repsim.measures.procrustes")
    r, s = (features.to_resi() for features in pair)
    found = cka(r.representation, s.representation, r.shape)
    assert found == pytest.approx(kp.linear_cka(*[f.values for f in pair]), abs=1e-5)
    distance = module.orthogonal_procrustes_centered_and_normalized(
        r.representation, s.representation, r.shape
    )
    assert distance == pytest.approx(procrustes_distance(*pair), abs=1e-5)


def test_rsatoolbox_that_is_not_installed(pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsatoolbox.data", None)
    with pytest.raises(ImportError, match="rsatoolbox"):
        pair[0].to_rsatoolbox()
