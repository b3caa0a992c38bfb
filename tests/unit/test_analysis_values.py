"""Distributions of the entries of P-vectors, against their definitions."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from stored_runs import N_SAMPLES, of_features, p_of, write_run

from keras_pvec.reproduction import analysis


@pytest.fixture(scope="module")
def values():
    """Entries of P-vectors by epoch, of mean square 1: constant before training, then
    from two modes to one."""
    rng = np.random.default_rng(0)
    found = {-1: np.ones(400)}
    for epoch, gap in enumerate([3.0, 1.5, 0.5]):
        entries = rng.standard_normal(400) + gap * rng.choice([-1, 1], 400) + 1
        found[epoch] = entries / np.sqrt(np.mean(entries**2))
    return found


@pytest.fixture(scope="module")
def of_values(tmp_path_factory, values):
    """One of the P-vectors is stored with the other sign."""
    stored = {
        (epoch, 5 * (epoch + 1)): p_of(-entries if epoch == 1 else entries)
        for epoch, entries in values.items()
    }
    return write_run(tmp_path_factory.mktemp("run"), of_features(stored))


def test_values_have_the_sign_of_the_last_epoch(of_values, values):
    found = analysis.p_vector_values(of_values)
    assert list(found) == [-1, 0, 1, 2]
    for epoch, entries in values.items():
        aligned = entries * np.sign(entries @ values[2])
        np.testing.assert_allclose(found[epoch], aligned)


def test_value_histograms(of_values, values):
    histograms = analysis.value_histograms(of_values, n_bins=30)
    assert set(histograms["run"]) == {"mlp, seed 0"}
    assert list(histograms["epoch"].unique()) == [-1, 0, 1, 2]
    for epoch, bins in histograms.groupby("epoch"):
        assert len(bins) == 30
        np.testing.assert_allclose(bins["share"].sum(), 1)
        np.testing.assert_allclose(bins["left"].iloc[1:], bins["right"].iloc[:-1])
        # The first and the last bin include all entries beyond them.
        edges = [-np.inf, *bins["left"].iloc[1:], np.inf]
        entries = values[epoch]
        shares = [
            np.mean((entries >= left) & (entries < right))
            for left, right in itertools.pairwise(edges)
        ]
        np.testing.assert_allclose(bins["share"], shares, atol=1e-12)


def test_outliers_do_not_flatten_a_histogram(tmp_path, rng):
    entries = rng.standard_normal(1000) + 1
    entries[:3] = 60, 70, -80
    run = write_run(tmp_path, of_features({(-1, 0): p_of(entries)}))
    run = write_run(tmp_path, of_features({(0, 5): p_of(entries)}))
    entries /= np.sqrt(np.mean(entries**2))
    usual = np.sort(entries)[10:-10]
    histograms = analysis.value_histograms(run)
    assert histograms["left"].min() < usual[0]
    assert histograms["right"].max() > usual[-1]
    width = histograms["right"].max() - histograms["left"].min()
    assert width < 3 * np.ptp(usual)
    np.testing.assert_allclose(histograms.groupby("epoch")["share"].sum(), 1)


def test_histograms_of_epochs_spaced_by_a_factor(tmp_path, rng):
    stored = {
        (epoch, epoch + 1): p_of(rng.random(N_SAMPLES)) for epoch in range(-1, 16)
    }
    run = write_run(tmp_path, of_features(stored))
    histograms = analysis.value_histograms(run)
    assert list(histograms["epoch"].unique()) == [-1, 0, 1, 3, 7, 15]
    fewer = analysis.value_histograms(run, n_epochs=2)
    assert list(fewer["epoch"].unique()) == [-1, 0, 15]


def test_value_densities(of_values, values):
    densities = analysis.value_densities(of_values, n_points=300)
    for epoch, table in densities.groupby("epoch"):
        assert len(table) == 300
        if epoch == -1:  # all values are equal
            assert table["density"].isna().all()
            continue
        entries = values[epoch]
        quarters = np.quantile(entries, [0.25, 0.75])
        spread = min(np.std(entries, ddof=1), np.ptp(quarters) / 1.34)
        bandwidth = 0.9 * spread * len(entries) ** -0.2
        expected = [
            scipy.stats.norm.pdf(entries, value, bandwidth).mean()
            for value in table["value"]
        ]
        np.testing.assert_allclose(table["density"], expected)
        whole = scipy.integrate.trapezoid(table["density"], table["value"])
        np.testing.assert_allclose(whole, 1, atol=0.02)


def test_value_drift(of_values, values):
    drift = analysis.value_drift([of_values]).set_index("epoch")
    for epoch, entries in values.items():
        row = drift.loc[epoch]
        # Between equally many values, the distance is that of the sorted ones.
        distance = np.mean(np.abs(np.sort(entries) - np.sort(values[2])))
        np.testing.assert_allclose(row["distance"], distance, atol=1e-12)
        np.testing.assert_allclose(row["mean"], entries.mean())
        deviations = entries - entries.mean()
        std = np.sqrt(np.mean(deviations**2))
        np.testing.assert_allclose(row["std"], std, atol=1e-12)
        if epoch == -1:
            assert np.isnan(row["skewness"])
        else:
            skewness = np.mean(deviations**3) / std**3
            np.testing.assert_allclose(row["skewness"], skewness)
    assert drift["distance"][0] > drift["distance"][1] > drift["distance"][2] == 0
