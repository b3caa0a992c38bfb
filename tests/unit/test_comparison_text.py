"""Comparisons as text and as tables, and the samples that they take."""

import numpy as np
import pytest

import keras_pvec as kp

N = 60


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    return kp.SampleSet(rng.random((N, 4, 4, 1)), np.arange(N) % 3, name="made up")


@pytest.fixture(scope="module")
def pair(samples):
    rng = np.random.default_rng(1)
    shared = rng.random((N, 1))
    return [kp.p_vector(shared + rng.random((N, 8)), samples=samples) for _ in range(2)]


def test_samples_and_what_a_run_keeps_of_them_give_the_same_ladder(pair, samples):
    kept = {"labels": samples.y, **samples.statistics()}
    of_samples, of_kept = (
        kp.compare(*pair, n_permutations=99, samples=given).ladder
        for given in (samples, kept)
    )
    assert of_samples == of_kept
    assert [test.rung.value for test in of_samples] == [
        "permutation",
        "within class",
        "image statistics",
    ]


def test_samples_without_labels_have_no_rung_within_classes(pair, samples):
    unlabelled = kp.SampleSet(samples.x, name="made up")
    ladder = kp.compare(*pair, n_permutations=99, samples=unlabelled).ladder
    assert [test.rung.value for test in ladder] == ["permutation", "image statistics"]


def test_other_samples_are_refused(pair, samples):
    other = kp.SampleSet(samples.x[::-1], samples.y, name="reversed")
    with pytest.raises(kp.SampleMismatchError, match="reversed"):
        kp.compare(*pair, n_permutations=99, samples=other)


def test_samples_that_are_none_at_all(pair, samples):
    with pytest.raises(TypeError, match="ndarray"):
        kp.compare(*pair, n_permutations=99, samples=samples.x)


def test_the_ladder_as_a_table(pair, samples):
    comparison = kp.compare(*pair, n_permutations=99, samples=samples)
    table = comparison.ladder_table
    assert list(table.index) == [test.rung.value for test in comparison.ladder]
    for test, (_, row) in zip(comparison.ladder, table.iterrows(), strict=True):
        assert row["angle_deg"] == test.angle_deg
        quantiles = row[["null_5_deg", "null_50_deg", "null_95_deg"]]
        assert tuple(quantiles) == test.null_angles_deg
        assert row["p_value"] == test.p_value
        assert row["calibrated_cosine"] == test.calibrated_cosine
    empty = kp.compare(*pair).ladder_table
    assert len(empty) == 0
    assert list(empty.columns) == list(table.columns)


def test_a_printed_comparison_has_a_line_for_each_field_and_rung(pair, samples):
    comparison = kp.compare(*pair, n_permutations=99, samples=samples)
    lines = str(comparison).splitlines()
    assert [line.split()[0] for line in lines[: len(comparison.as_row())]] == list(
        comparison.as_row()
    )
    assert len(lines) == len(comparison.as_row()) + len(comparison.ladder)
    (angle,) = [line for line in lines if line.startswith("angle_deg")]
    assert float(angle.split()[1]) == pytest.approx(comparison.angle_deg, abs=5e-4)
    assert "influential_samples" in str(kp.compare_in_detail(*pair))
