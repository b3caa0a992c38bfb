"""The ladder of nulls: against brute force, planted directions, and false alarms."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

import keras_pvec as kp
from keras_pvec.comparison.ladder import (
    Rung,
    image_statistics_basis,
    image_statistics_test,
    null_ladder,
    permutation_test,
    untrained_pairs_test,
)


def as_p_vector(u):
    """A P-vector of given entries: the features are one column."""
    return kp.p_vector(np.asarray(u, float)[:, None])


def exact_null(u, v, classes):
    """|cosine| of every permutation of `u` that maps each class onto itself."""
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    return np.array(
        [
            abs(u[list(order)] @ v)
            for order in itertools.permutations(range(len(u)))
            if (classes[list(order)] == classes).all()
        ]
    )


@pytest.mark.parametrize("classes", [np.zeros(7, int), np.array([0, 1, 0, 1, 0, 1, 1])])
def test_permutations_against_all_of_them(classes, rng):
    u, v = rng.random((2, 7))
    labels = None if classes.max() == 0 else classes
    test = permutation_test(
        as_p_vector(u), as_p_vector(v), labels=labels, n_permutations=20_000
    )
    null = exact_null(u, v, classes)
    observed = abs(u @ v) / np.linalg.norm(u) / np.linalg.norm(v)
    np.testing.assert_allclose(test.cosine, observed)
    expected = np.mean(null >= observed - 1e-12)
    error = 4 * math.sqrt(expected * (1 - expected) / 20_000) + 1e-4
    assert abs(test.p_value - expected) < error
    np.testing.assert_allclose(
        test.null_cosines, np.quantile(null, [0.05, 0.5, 0.95]), atol=0.01
    )
    assert test.null_angles_deg[0] < test.null_angles_deg[1] < test.null_angles_deg[2]


def test_moments_are_those_that_a_row_of_the_log_has(rng):
    u, v = rng.random((2, 500)) + 0.3
    p, q = as_p_vector(u), as_p_vector(v)
    test = permutation_test(p, q, n_permutations=2000)
    comparison = kp.compare(p, q)
    np.testing.assert_allclose(
        test.null_angles_deg[1], comparison.null_angle_deg, atol=0.1
    )
    # The permuted cosine is close to normal here.
    expected = stats.norm.sf(comparison.z)
    assert abs(test.p_value - expected) < 4 * math.sqrt(expected / 2000) + 0.005


def image_statistics(rng, n):
    """Brightness and contrast of made-up images of three channels."""
    channel_mean = rng.beta(2, 2, (n, 3))
    channel_std = rng.beta(2, 5, (n, 3))
    return {
        "mean": channel_mean.mean(axis=1),
        "std": np.sqrt((channel_std**2).mean(axis=1) + channel_mean.var(axis=1)),
        "channel_mean": channel_mean,
        "channel_std": channel_std,
    }


@pytest.fixture
def world(rng):
    """Statistics and labels of 600 samples, and noise of two networks."""
    n = 600
    labels = np.arange(n) % 10
    return image_statistics(rng, n), labels, rng.standard_normal((2, n))


def rungs(u, v, statistics, labels):
    tests = null_ladder(
        as_p_vector(u), as_p_vector(v), labels=labels, statistics=statistics
    )
    return {test.rung: test for test in tests}


def test_what_is_only_brightness_vanishes_at_its_rung_and_not_before(world):
    statistics, labels, noise = world
    brightness = statistics["mean"] + statistics["channel_std"][:, 0] ** 2
    tests = rungs(*(1 + brightness + 0.1 * noise), statistics, labels)
    assert tests[Rung.PERMUTATION].exceeds_null()
    assert tests[Rung.WITHIN_CLASS].exceeds_null()
    assert not tests[Rung.IMAGE_STATISTICS].exceeds_null()
    assert tests[Rung.PERMUTATION].calibrated_cosine > 0
    assert tests[Rung.IMAGE_STATISTICS].calibrated_cosine == 0


def test_what_is_only_the_class_vanishes_within_classes(world, rng):
    statistics, labels, noise = world
    of_class = rng.random(10)[labels]
    tests = rungs(*(1 + of_class + 0.2 * noise), statistics, labels)
    assert tests[Rung.PERMUTATION].exceeds_null()
    assert not tests[Rung.WITHIN_CLASS].exceeds_null()


def test_a_learned_direction_survives_every_rung(world, rng):
    statistics, labels, noise = world
    learned = rng.standard_normal(len(labels))
    tests = rungs(
        *(2 + statistics["mean"] + 0.3 * learned + 0.3 * noise), statistics, labels
    )
    assert len(tests) == 3
    assert all(test.exceeds_null(0.01) for test in tests.values())
    # Half of the variance that remains is shared.
    np.testing.assert_allclose(tests[Rung.IMAGE_STATISTICS].cosine, 0.5, atol=0.12)


def test_only_the_constant_vector_is_no_agreement(world):
    statistics, labels, noise = world
    tests = rungs(*(5 + noise), statistics, labels)
    assert tests[Rung.PERMUTATION].angle_deg < 20
    assert not any(test.exceeds_null() for test in tests.values())


def test_partial_correlation_is_that_of_regression_residuals(world):
    statistics, labels, noise = world
    u, v = 1 + statistics["std"] + 0.3 * noise[0], 1 + 0.2 * noise[0] + 0.3 * noise[1]
    found = image_statistics_test(as_p_vector(u), as_p_vector(v), statistics)
    columns = np.column_stack(
        [
            statistics["mean"],
            statistics["std"],
            statistics["channel_mean"],
            statistics["channel_std"],
        ]
    )
    products = [columns[:, i] * columns[:, j] for i in range(8) for j in range(i, 8)]
    x = np.column_stack([np.ones(len(labels)), columns, *products])
    residuals = [y - x @ np.linalg.lstsq(x, y, rcond=None)[0] for y in (u, v)]
    expected = abs(stats.pearsonr(*residuals).statistic)
    np.testing.assert_allclose(found.cosine, expected, atol=1e-6)


def heavy(rng, n):
    """A few samples hold nearly all of the vector."""
    return np.abs(rng.standard_t(1.2, n))


@pytest.mark.parametrize("draw", [lambda rng, n: 1 + rng.random(n), heavy])
def test_the_rate_of_false_alarms(draw, rng):
    """1,000 data sets in which nothing is shared but what each rung explains."""
    n, alarms = 60, dict.fromkeys((Rung.PERMUTATION, Rung.WITHIN_CLASS), 0)
    n_images, image_alarms = 1000, 0
    labels = np.arange(n) % 3
    for seed in range(n_images):
        u, v = draw(rng, n), draw(rng, n)
        alarms[Rung.PERMUTATION] += permutation_test(
            as_p_vector(u), as_p_vector(v), n_permutations=99, seed=seed
        ).exceeds_null()
        of_class = 3 * rng.random(3)[labels]
        alarms[Rung.WITHIN_CLASS] += permutation_test(
            as_p_vector(u + of_class),
            as_p_vector(v + of_class),
            labels=labels,
            n_permutations=99,
            seed=seed,
        ).exceeds_null()
        grey = {"mean": rng.random(n), "std": rng.random(n)}
        shared = grey["mean"] - grey["std"] ** 2
        image_alarms += image_statistics_test(
            as_p_vector(u + shared),
            as_p_vector(v + shared),
            grey,
            n_permutations=99,
            seed=seed,
        ).exceeds_null()
    # Binomial with the nominal 5%: within its 99.9% interval.
    low, high = stats.binom.interval(0.999, n_images, 0.05)
    for count in (*alarms.values(), image_alarms):
        assert low <= count <= high


def test_untrained_pairs():
    test = untrained_pairs_test(10.0, [12.0, 15, 20, 25])
    assert test.p_value == 1 / 5
    np.testing.assert_allclose(test.angle_deg, 10)
    # The median of cosines lies between the two in the middle.
    assert 15 < test.null_angles_deg[1] < 20
    assert untrained_pairs_test(16.0, [12.0, 15, 20, 25]).p_value == 3 / 5


def test_rungs_without_data_are_left_out(rng):
    p, q = (as_p_vector(rng.random(20)) for _ in range(2))
    assert [test.rung for test in null_ladder(p, q)] == [Rung.PERMUTATION]
    assert [test.rung for test in null_ladder(p, q, untrained_deg=[20.0])] == [
        Rung.PERMUTATION,
        Rung.UNTRAINED,
    ]
    # Nothing remains of 20 samples after 45 statistics.
    assert image_statistics_basis(image_statistics(rng, 20), 20) is None
    assert image_statistics_basis({}, 20) is None


def test_a_constant_vector_agrees_no_more_than_chance(rng):
    p, q = as_p_vector(np.ones(50)), as_p_vector(rng.random(50))
    assert permutation_test(p, q).p_value == 1.0


def test_the_seed_decides(rng):
    p, q = (as_p_vector(rng.random(30)) for _ in range(2))
    assert permutation_test(p, q, seed=1) == permutation_test(p, q, seed=1)
    assert permutation_test(p, q, seed=1) != permutation_test(p, q, seed=2)


def test_chunks_make_no_difference(rng):
    """More samples than fit into a chunk twice."""
    n = 2_100_000
    p, q = (as_p_vector(1 + rng.random(n)) for _ in range(2))
    test = permutation_test(p, q, n_permutations=3)
    assert test.n_draws == 3
    np.testing.assert_allclose(test.null_cosines[1], p.cos_ones * q.cos_ones, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"labels": np.zeros(4)}, r"5.*\(4,\)"),
        ({"statistics": {"mean": np.zeros(4)}}, "4.*5"),
        ({"n_permutations": 0}, "0"),
    ],
)
def test_bad_input(options, named, rng):
    p, q = (as_p_vector(rng.random(5)) for _ in range(2))
    with pytest.raises(ValueError, match=named):
        null_ladder(p, q, **options)
    with pytest.raises(kp.SampleMismatchError):
        null_ladder(p, as_p_vector(rng.random(6)))


def test_a_comparison_holds_the_ladder_if_it_is_asked_for(rng):
    p, q = (as_p_vector(rng.random(60)) for _ in range(2))
    labels, statistics = np.arange(60) % 3, {"mean": rng.random(60)}
    untrained = [60.0, 70.0]
    plain = kp.compare(p, q)
    assert plain.ladder == ()
    found = kp.compare(
        p,
        q,
        n_permutations=99,
        samples={"labels": labels, **statistics},
        untrained_deg=untrained,
    )
    assert found.as_row() == plain.as_row()
    assert found.ladder == null_ladder(
        p,
        q,
        labels=labels,
        statistics=statistics,
        untrained_deg=untrained,
        n_permutations=99,
    )
    assert [test.rung for test in found.ladder] == [*Rung]
    with pytest.raises(ValueError, match="n_permutations"):
        kp.compare(p, q, samples={"labels": labels})
