"""Shares, intervals, the gate, and what they make a verdict of."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from claim_tables import VERDICTS, curves_table, pairs_table

from keras_pvec.reproduction.claims import (
    Caveat,
    Counted,
    Effect,
    Estimator,
    Interval,
    Null,
    Quantity,
    Share,
    UnitCriterion,
    Verdict,
)
from keras_pvec.reproduction.claims.gate import gate_of
from keras_pvec.reproduction.claims.resampling import interval_ends
from keras_pvec.reproduction.claims.statistics import share_of, summarise
from keras_pvec.reproduction.claims.verdicts import (
    Condition,
    UnitNull,
    caveats_of,
    combined,
    is_inconclusive,
    level_of,
    level_of_conditions,
    rate_met,
)

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
CRITERION = UnitCriterion(counted=Counted.RUNS)
KINDS = {f"{kind}{seed}": kind for kind in "abcdef" for seed in range(2)}


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.8, "+"), (0.79, "/"), (0.5, "/"), (0.49, "-")]
)
def test_levels(share, verdict):
    assert level_of(share, CRITERION) is VERDICTS[verdict]


@pytest.mark.parametrize(
    ("n_met", "low", "high", "unsure"),
    [
        (7, 0.49, 0.8, True),
        (7, 0.5, 0.8, False),
        (7, 0.49, 0.79, False),
        (10, 0.4, 1.0, False),  # all agree
        (0, 0.0, 0.9, False),
    ],
)
def test_inconclusive_is_an_interval_from_not_to_reproduced(n_met, low, high, unsure):
    share = Share(n_met, 10, Counted.RUNS, Interval(low, high))
    assert is_inconclusive(share, CRITERION) == unsure


def test_two_seeds_can_decide():
    """Runs of one architecture that disagree do not; architectures that do, do."""
    seeds_disagree = pd.Series({"a0": True, "a1": False})
    rating = rate_met(CRITERION, seeds_disagree, KINDS)
    assert rating.verdict is Verdict.INCONCLUSIVE
    kinds_disagree = pd.Series({"a0": True, "a1": True, "b0": False, "b1": False})
    rating = rate_met(CRITERION, kinds_disagree, KINDS)
    assert rating.verdict is Verdict.PARTLY_REPRODUCED
    assert rating.met.interval == (0.5, 0.5)
    both = rate_met(CRITERION, pd.Series({"a0": True, "a1": True}), KINDS)
    assert both.verdict is Verdict.REPRODUCED
    assert caveats_of(CRITERION, both.met, ()) == (Caveat.FEW_NETWORKS,)


@pytest.mark.parametrize(("n", "few"), [(5, True), (6, False)])
def test_all_of_few_networks_have_an_exact_interval(n, few):
    """The lower end is 0.025^(1/n) (Clopper and Pearson)."""
    share = share_of(pd.Series(True, index=[*KINDS][:n]), Counted.RUNS, KINDS)
    assert share.interval == pytest.approx((0.025 ** (1 / n), 1.0))
    assert bool(caveats_of(CRITERION, share, ())) == few


@pytest.mark.parametrize(
    ("n_met", "n_null", "told"),
    [(10, 4, False), (10, 5, True), (10, 7, True), (10, 8, False), (7, 6, False)],
)
def test_nulls_that_meet_the_criterion_in_part_are_told(n_met, n_null, told):
    """From 50% to below 80%; from there on the verdict says it."""
    runs = [f"a{i}" for i in range(10)]
    met = pd.Series(np.arange(10) < n_met, index=runs)
    null = UnitNull(Null.PERMUTATION, pd.Series(np.arange(10) < n_null, index=runs))
    rating = rate_met(CRITERION, met, dict.fromkeys(runs, "a"), [null])
    caveats = caveats_of(CRITERION, rating.met, rating.ladder)
    assert (Caveat.NULL_PARTLY_MEETS in caveats) == told


def test_pairs_count_as_their_networks():
    pairs = [(a, b) for a in KINDS for b in KINDS if KINDS[a] < KINDS[b]]
    met = pd.Series(True, index=pd.MultiIndex.from_tuples(pairs))
    share = share_of(met, Counted.PAIRS, KINDS)
    assert (share.n, share.n_networks) == (60, 12)
    assert share.interval == pytest.approx((0.025 ** (1 / 12), 1.0))


def test_intervals_of_angles_stay_between_0_and_90():
    for values, bound in (([0.1, 0.0, 0.2, 8.0], 0), ([90.0, 89.0, 90.0, 60.0], 1)):
        series = pd.Series(values, index=["a0", "a1", "b0", "b1"])
        interval = summarise(Quantity.ANGLE, series, KINDS).interval
        assert interval[bound] == (0.0, 90.0)[bound]
        assert interval.low < series.mean() < interval.high


def test_the_variance_of_a_mean_is_that_of_sampling_within_strata():
    """Two seeds of many architectures: the interval is twice t times the standard
    error of stratified samples."""
    rng = np.random.default_rng(0)
    kinds = {f"{kind}, {seed}": str(kind) for kind in range(60) for seed in range(2)}
    values = pd.Series(rng.standard_normal(120), index=[*kinds])
    low, high = interval_ends(values, kinds)
    within = values.groupby(kinds).var().sum() * 2 / 120**2
    assert high - low == pytest.approx(2 * 2.0003 * within**0.5, rel=0.06)


def test_one_network_has_no_interval():
    curves = pd.Series([1.0, 2.0], index=[("a0", "train"), ("a0", "test")])
    assert interval_ends(curves, KINDS) is None
    share = share_of(curves > 1.5, Counted.CURVES, KINDS)
    assert (share.interval, share.n_networks) == ((0.0, 1.0), 1)


def test_architectures_with_one_network_are_resampled_together():
    alone = {name: name for name in "abcdef"}
    values = pd.Series(np.arange(6.0), index=[*alone])
    pooled = interval_ends(values, dict.fromkeys(alone, "x"))
    assert interval_ends(values, alone) == pooled


def test_pairs_within_an_architecture_have_the_right_mean():
    """Two seeds are never drawn together; their pair counts all the same."""
    index = pd.MultiIndex.from_tuples([("a0", "a1"), ("a0", "b0"), ("a1", "b1")])
    low, high = interval_ends(pd.Series([90.0, 10.0, 10.0], index=index), KINDS)
    assert low <= 110 / 3 <= high


def test_medians():
    values = pd.Series([1.0, 2.0, 30.0, 40.0], index=["a0", "a1", "b0", "b1"])
    found = summarise(Quantity.ANGLE, values, KINDS, estimator=Estimator.MEDIAN)
    assert (found.estimate, found.estimator) == (16.0, Estimator.MEDIAN)
    assert found.interval.low <= 16.0 <= found.interval.high


def median(estimate, low=None, high=None):
    interval = None if low is None else Interval(low, high)
    return Effect(Quantity.ANGLE, estimate, 4, interval)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (median(60.0), median(20.0), "+"),
        (median(59.9), median(20.0), "/"),
        (median(60.0), median(20.1), "/"),
        (median(59.9), median(20.1), "-"),
        (median(70.0, 59.9, 80.0), median(20.0), "~"),
        (median(50.0, 40.0, 60.0), median(20.0), "~"),
        (median(50.0, 40.0, 60.0), median(20.1), "-"),
        (median(70.0, 60.0, 80.0), median(15.0, 10.0, 20.0), "+"),
    ],
)
def test_conditions_on_medians(first, second, verdict):
    conditions = [Condition(first, 60.0, False), Condition(second, 20.0, True)]
    assert level_of_conditions(conditions) is VERDICTS[verdict]


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ("++", "+"), ("--", "-"), ("+-", "/"), ("/-", "/"), ("0-", "-"),
        ("~-", "-"), ("+~", "~"), ("+0", "0"), ("+/", "/"), ("00", "0"),
    ],
)  # fmt: skip
def test_parts_combined(parts, verdict):
    assert combined([VERDICTS[part] for part in parts]) is VERDICTS[verdict]


def test_the_gate():
    table = curves_table({name: [1.0] for name in "abc"})
    table["well_trained"] = pd.array([True, False, None], dtype="boolean")
    gate = gate_of([table])
    assert gate == (frozenset("b"), frozenset("c"), True)
    assert list(gate.rows(table)["run"]) == ["a", "c"]
    closed = gate_of([table.assign(well_trained=False)])
    assert not closed.is_open and len(closed.rows(table)) == 3
    pairs = pairs_table([1.0] * 4, other_well_trained=[True, False, True, False])
    assert gate_of([pairs]).badly_trained == {"b1"}
    assert gate_of([table.drop(columns="well_trained")]).unknown == set("abc")


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("coverage_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.coverage


def test_coverage(coverage):
    """Nominal 95%; of 60 worlds, one in 10,000 series of a true 95% holds fewer than
    48. The whole table is made by the benchmark."""
    found = coverage(60)
    ours = [
        name for name in found.index if "resampled" in name or "within arch" in name
    ]
    assert len(ours) == 5
    assert (found[ours] >= 0.8).all()
    assert (found.drop(ours) < 0.8).all()
