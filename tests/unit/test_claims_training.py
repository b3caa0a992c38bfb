"""Claims about one training on made-up tables: both sides of each threshold."""

import itertools

import numpy as np
import pandas as pd
import pytest
from claim_tables import VERDICTS, curves_table, effect, pairs_table

from keras_pvec.reproduction import analysis, claims
from keras_pvec.reproduction.claims import (
    Aspect,
    Cause,
    Caveat,
    Null,
    Obstacle,
    Quantity,
    RawData,
    Reading,
    Samples,
    Verdict,
)

FALLING = [75.0, 60.0, 40.0, 20.0, 9.0, 5.0, 0.0]
SLOWLY = [*FALLING[:5], 10.1, 0.0]
UP_AND_DOWN = [75.0, 9.0, 60.0, 8.0, 70.0, 9.0, 0.0]


def alike(curve, n=2):
    return {f"run {i}": curve for i in range(n)}


@pytest.mark.parametrize(
    ("curves", "null", "verdict"),
    [
        (alike(FALLING), 80.0, "+"),
        (alike([60.0, 50.0, *FALLING[2:]]), 80.0, "+"),
        (alike([59.9, 50.0, *FALLING[2:]]), 80.0, "/"),
        (alike([59.9, 9.0, 55.0, 8.0, 50.0, 9.0, 0.0]), 80.0, "-"),
        # Of four epochs before the last, two change places: -0.8, or -0.4.
        (alike([70.0, 75.0, 30.0, 8.0, 0.0]), 80.0, "+"),
        (alike([70.0, 75.0, 8.0, 30.0, 0.0]), 30.0, "/"),
        (alike(FALLING), 8.0, "+"),
        (alike(FALLING), FALLING, "0"),
        # The median of three, whose interval holds the threshold.
        ({**alike(FALLING), "far": [30.0, 20.0, *FALLING[2:]]}, 80.0, "~"),
    ],
)
def test_c2(curves, null, verdict):
    result = claims.rate_c2(curves_table(curves, null))
    assert result.verdict is VERDICTS[verdict]
    assert Caveat.OWN_END in result.caveats


@pytest.mark.parametrize(("alpha", "verdict"), [(30.0, "+"), (29.0, "?")])
def test_c2_a_cap_below_the_threshold_cannot_be_met(alpha, verdict):
    """Both vectors are that far from the constant one, so twice that from each other
    at most."""
    cosine = np.cos(np.radians(alpha)) - 1e-9
    table = curves_table(alike(FALLING), cos_ones=-cosine, cos_ones_reference=cosine)
    result = claims.rate_c2(table)
    assert result.verdict is VERDICTS[verdict]
    assert effect(result, Quantity.CAP).estimate == pytest.approx(2 * alpha, abs=1e-5)
    if verdict == "?":
        assert result.obstacle == Obstacle(Cause.CANNOT_BE_MET, needed=60, found=58)


def test_c2_counts_well_trained_runs():
    table = curves_table({**alike(FALLING), "bad": UP_AND_DOWN})
    table["well_trained"] = table["run"] != "bad"
    result = claims.rate_c2(table)
    assert (result.verdict, result.n_left_out) == (Verdict.REPRODUCED, 1)
    nobody = claims.rate_c2(table.assign(well_trained=False))
    assert nobody.verdict is Verdict.PRECONDITION_NOT_MET
    unknown = claims.rate_c2(table.assign(well_trained=None))
    assert Caveat.QUALITY_UNKNOWN in unknown.caveats


@pytest.mark.parametrize(
    ("curve", "null", "between", "verdict"),
    [
        (FALLING, 80.0, 10.0, "+"),
        (FALLING, 80.0, 10.1, "/"),
        (SLOWLY, 80.0, 10.0, "/"),
        (SLOWLY, 80.0, 10.1, "-"),
        (FALLING, 10.0, 10.0, "0"),
    ],
)
def test_c3(curve, null, between, verdict):
    pairs = pairs_table([between] * 4)
    result = claims.rate_c3(curves_table(alike(curve), null), pairs)
    assert result.verdict is VERDICTS[verdict]
    own, others = result.parts
    assert (own.aspect, others.aspect) == (Aspect.OWN_END, Aspect.BETWEEN)
    assert (own.met.n, others.met.n) == (2, 4)
    alone = claims.rate_c3(curves_table(alike(curve), null))
    assert len(alone.parts) == 1


@pytest.mark.parametrize(("eighteenth", "verdict"), [(10.0, "+"), (10.1, "-")])
def test_c3_the_last_tenth_of_twenty_epochs_is_two(eighteenth, verdict):
    """The last but two may be far; the last itself has no say, being its own
    reference."""
    curve = [90.0 - 4 * i for i in range(18)] + [eighteenth, 1.0, 0.0]
    result = claims.rate_c3(curves_table(alike(curve)))
    assert result.verdict is VERDICTS[verdict]
    assert effect(result, Quantity.LATE_ANGLE).spread.maximum == eighteenth


KINDS = list(itertools.product(["train", "test"], ["final", "data"]))
PEAK = [40.0, 40.1, 42.1, 42.0, 40.1, 40.0]
N_UPDATES = 400


def peaks_table(curves, null=70.0, n_updates=N_UPDATES, n_runs=2):
    """Curves by split and reference, the same for all runs."""
    tables = []
    for run, ((split, reference), curve) in itertools.product(
        range(n_runs), curves.items()
    ):
        table = curves_table({f"run {run}": curve}, null)
        steps = np.linspace(0, n_updates, len(curve)).round().astype(int)
        tables.append(table.assign(split=split, reference=reference, step=steps))
    table = pd.concat(tables, ignore_index=True)
    # The last moment lies beyond the first 391 updates, and has no say.
    return analysis.first_epoch_peaks(table)


def extended(curve):
    return [*curve, 0.0]


def rated_peaks(flat=(), null=70.0, curve=None):
    monotone = [42.0, 41.0, 40.0, 39.0, 38.0, 37.0]
    curves = {k: monotone if k in flat else (curve or PEAK) for k in KINDS}
    peaks = peaks_table({k: extended(v) for k, v in curves.items()}, null, 440)
    return claims.rate_c4(peaks), claims.rate_c6a(peaks)


@pytest.mark.parametrize(
    ("flat", "null", "c4", "c6a"),
    [
        ([], 70.0, "+", "+"),
        (KINDS, 70.0, "-", "-"),
        # Half of the curves are on either split: enough for a part.
        ([("test", "final")], 70.0, "/", "+"),
        ([("test", "data")], 70.0, "+", "+"),
        ([("train", "data")], 70.0, "+", "-"),
        ([], [50.0, 50.0, 55.0, 55.0, 50.0, 50.0, 50.0], "0", "0"),
        ([], [50.0, 50.0, 51.9, 51.9, 50.0, 50.0, 50.0], "+", "+"),
    ],
)
def test_c4_and_c6a(flat, null, c4, c6a):
    found = rated_peaks(flat, null)
    assert [result.verdict for result in found] == [VERDICTS[c4], VERDICTS[c6a]]
    assert [result.met.n for result in found] == [4, 2]
    assert found[0].reading.samples is Samples.BOTH
    assert found[1].reading == Reading(Samples.TRAIN, RawData.PIXELS)


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ([40.0, 42.0, 42.0, 42.0, 40.0, 40.0], "+"),
        ([40.0, 41.9, 41.9, 41.9, 39.0, 39.0], "-"),  # rises by less than two degrees
        ([40.0, 45.0, 45.0, 45.0, 43.1, 43.1], "-"),  # falls by less than two
        ([40.0, 41.0, 42.0, 43.0, 44.0, 45.0], "-"),  # only rises
        # Neighbours differ by 3, noise of 3.14, so that a peak of 9.4 is needed.
        ([40.0, 43.0, 49.5, 46.5, 43.5, 40.0], "+"),
        ([40.0, 43.0, 49.4, 46.4, 43.4, 40.0], "-"),
    ],
)
def test_a_peak_is_large_beside_the_noise(curve, verdict):
    for result in rated_peaks(curve=curve):
        assert result.verdict is VERDICTS[verdict]


def test_noise_is_that_of_independent_moments():
    rng = np.random.default_rng(0)
    curve = 50 + 2 * rng.standard_normal(350)
    peaks = peaks_table({("train", "final"): curve}, n_updates=349, n_runs=1)
    # The differences of neighbours are correlated; their median has 5% of error.
    assert peaks["noise_deg"].item() == pytest.approx(2, rel=0.15)
    assert peaks["null_noise_deg"].item() == 0


def test_a_peak_needs_moments_and_updates():
    few = peaks_table({kind: [50.0, 60.0, 40.0] for kind in KINDS}, n_updates=391)
    short = peaks_table(dict.fromkeys(KINDS, PEAK), n_updates=40)
    for rate in (claims.rate_c4, claims.rate_c6a):
        assert rate(few).obstacle == Obstacle(Cause.TOO_FEW_MOMENTS, 5, 3)
        assert rate(short).obstacle == Obstacle(Cause.TOO_FEW_UPDATES, 352, 40)


def test_c6a_needs_a_reading_of_the_raw_data():
    peaks = peaks_table(dict.fromkeys(KINDS, PEAK))
    with pytest.raises(ValueError, match="raw_data"):
        claims.rate_c6a(peaks, Reading(Samples.TRAIN))


@pytest.mark.parametrize(
    ("curve", "null", "verdict"),
    [
        ([10.0, 60.0, 50.0, 40.0, 20.0], 80.0, "+"),  # before training has no say
        ([10.0, 60.0, 50.0, 40.0, 20.1], 80.0, "/"),
        ([10.0, 15.0, 16.0, 17.0, 18.0], 80.0, "/"),
        ([10.0, 25.0, 26.0, 27.0, 28.0], 80.0, "-"),
        # Rank correlations of -0.5 and -0.4.
        ([10.0, 40.0, 20.0, 20.0], 80.0, "+"),
        ([10.0, 18.0, 19.0, 16.0, 17.0], 80.0, "+"),
        ([10.0, 18.0, 17.0, 16.0, 19.0], 80.0, "/"),
        ([10.0, 60.0, 50.0, 40.0, 15.0], [80.0, 70.0, 50.0, 30.0, 20.0], "0"),
        ([10.0, 60.0, 50.0, 40.0, 15.0], [80.0, 70.0, 50.0, 30.0, 20.1], "+"),
        ([10.0, 60.0, 50.0, 40.0, 15.0], 12.0, "+"),  # small from the start
    ],
)
def test_c6b(curve, null, verdict):
    result = claims.rate_c6b(curves_table(alike(curve), null))
    assert result.verdict is VERDICTS[verdict]
    assert effect(result, Quantity.END_ANGLE).estimate == curve[-1]


def test_c8_is_described():
    table = curves_table(alike([5.0, 3.0, 1.0, 2.0, 0.0]))
    result = claims.rate_c8(table.rename(columns={"angle_deg": "distance"}))
    assert result.verdict is Verdict.DESCRIBED
    assert effect(result, Quantity.START_DISTANCE).estimate == 5.0
    assert effect(result, Quantity.DISTANCE_TREND).estimate == pytest.approx(-0.8)
    assert Caveat.ORDER_FREE in result.caveats
    assert result.rung(Null.PERMUTATION) is None
