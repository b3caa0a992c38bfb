"""Verdicts and numbers on made-up tables whose outcome is known."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from keras_pvec.reproduction import analysis, claims
from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    Caveat,
    ClaimResult,
    Counted,
    Null,
    Obstacle,
    Quantity,
    RawData,
    Reading,
    Samples,
    Unit,
    Verdict,
)
from keras_pvec.reproduction.claims.verdicts import rate_units

VERDICTS = {
    "+": Verdict.REPRODUCED,
    "0": Verdict.NO_MORE_THAN_CHANCE,
    "-": Verdict.NOT_REPRODUCED,
    "?": Verdict.NOT_TESTED,
}
FALLING = [75.0, 60.0, 40.0, 20.0, 9.0, 5.0, 0.0]


def made_up_curves(curves, null):
    """Angles epoch by epoch, from before training on; `null` is one angle or a curve,
    the same for all runs."""
    rows = []
    for run, curve in curves.items():
        nulls = np.broadcast_to(null, len(curve))
        for epoch, (angle, null_angle) in enumerate(
            zip(curve, nulls, strict=True), start=-1
        ):
            rows.append(
                {
                    "run": run,
                    "epoch": epoch,
                    "angle_deg": angle,
                    "null_angle_deg": null_angle,
                }
            )
    return pd.DataFrame(rows)


def made_up_pairs(angles, null, centered=np.nan):
    return pd.DataFrame(
        {"angle_deg": angles, "null_angle_deg": null, "centered_angle_deg": centered}
    )


def effect(result, quantity, group=""):
    """The one effect of a result, or of a rung, of that quantity and group."""
    (found,) = (
        e for e in result.effects if e.quantity is quantity and e.group == group
    )
    return found


@pytest.mark.parametrize(
    ("angles", "null", "verdict"),
    [
        ([12.0, 20.0], 60.0, "+"),
        ([12.0, 20.1], 60.0, "-"),
        ([12.0, 15.0], 20.0, "0"),
        # Most nulls are small; most are not.
        ([12.0, 15.0], [15.0, 20.1], "0"),
        ([12.0, 15.0, 16.0], [15.0, 20.1, 20.1], "+"),
        ([25.0], 15.0, "-"),
        ([], 60.0, "?"),
    ],
)
@pytest.mark.parametrize("rate", [claims.rate_c1, claims.rate_c13])
def test_c1_and_c13(angles, null, verdict, rate):
    result = rate(made_up_pairs(angles, null))
    assert result.verdict is VERDICTS[verdict]
    if verdict == "?":
        assert result.obstacle == Obstacle(Cause.TOO_FEW_NETWORKS, needed=2)
    explained_by = (Null.PERMUTATION,) if verdict == "0" else ()
    assert result.explained_by == explained_by


def test_c1_networks_as_close_to_untrained_ones_show_nothing():
    """The second null: only the trained ones' last rows count."""
    pairs = made_up_pairs([12.0, 15.0], 60.0)
    for last, verdict, n_met in ((19.0, "0", 2), (20.0, "0", 2), (20.1, "+", 1)):
        curves = {"a": [80.0, 70.0, last], "b": [90.0, 18.0], "c": [10.0, 30.0]}
        twins = made_up_curves(curves, null=60.0)
        result = claims.rate_c1(pairs, untrained=twins)
        assert result.verdict is VERDICTS[verdict]
        rung = result.rung(Null.UNTRAINED_TWIN)
        assert rung.meets == (verdict == "0")
        assert (rung.met.n_met, rung.met.n, rung.met.counted) == (
            n_met,
            3,
            Counted.RUNS,
        )
        assert effect(rung, Quantity.END_ANGLE).spread == (18.0, last, 30.0)
        explained_by = (Null.UNTRAINED_TWIN,) if verdict == "0" else ()
        assert result.explained_by == explained_by


@pytest.mark.parametrize("untrained", [None, made_up_curves({}, 60.0)])
def test_c1_without_untrained_twins(untrained):
    result = claims.rate_c1(made_up_pairs([12.0], 60.0), untrained)
    assert [rung.null for rung in result.ladder] == [Null.PERMUTATION]


def test_a_share_has_an_exact_interval():
    """None of five: the upper end is 1 - 0.025^(1/5) (Clopper and Pearson)."""
    result = claims.rate_c1(made_up_pairs([30.0] * 5, 60.0))
    assert (result.met.n_met, result.met.n, result.met.fraction) == (0, 5, 0.0)
    assert result.met.counted is Counted.PAIRS
    assert result.met.interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 5)))
    assert result.rung(Null.PERMUTATION).met == result.met


def test_means_have_students_interval():
    angles = np.linspace(10, 40, 40)
    result = claims.rate_c1(made_up_pairs(angles, 60.0))
    angle = effect(result, Quantity.ANGLE)
    # Student's t of 39 degrees of freedom has its 97.5% at 2.0227.
    half = 2.0227 * angles.std(ddof=1) / 40**0.5
    assert angle.interval == pytest.approx((25 - half, 25 + half), rel=1e-4)
    assert (angle.estimate, angle.n) == (pytest.approx(25), 40)
    # The null angles are all the same.
    assert effect(result.rung(Null.PERMUTATION), Quantity.ANGLE).interval is None


@pytest.mark.parametrize(
    ("angles", "has_interval"),
    [([1.0, 2, 3], False), ([1.0, 2, 3, 4], True), ([3.0, 3, 3, 3.004], False)],
)
def test_few_or_equal_values_have_no_interval(angles, has_interval):
    result = claims.rate_c1(made_up_pairs(angles, 60.0))
    assert (effect(result, Quantity.ANGLE).interval is not None) == has_interval


def test_intervals_stay_where_values_can_be():
    """Student's interval of (0, 0, 0, 8) reaches below 0, that of (90, 90, 90, 82)
    above 90 degrees."""
    for angles, bound in (([0.0, 0, 0, 8], (0, 0.0)), ([90.0, 90, 90, 82], (1, 90.0))):
        result = claims.rate_c1(made_up_pairs(angles, 60.0))
        end, limit = bound
        assert effect(result, Quantity.ANGLE).interval[end] == limit


def test_c1_effects():
    pairs = made_up_pairs([10.0, 30.0, 11.0], [50.0, 60.0, 55.0])
    result = claims.rate_c1(pairs)
    (angle,) = result.effects
    assert (angle.quantity, angle.quantity.unit) == (Quantity.ANGLE, Unit.DEGREES)
    assert (angle.spread, angle.estimate, angle.n) == ((10.0, 11.0, 30.0), 17.0, 3)
    null = effect(result.rung(Null.PERMUTATION), Quantity.ANGLE)
    assert null.spread == (50.0, 55.0, 60.0)
    pairs["centered_angle_deg"] = [np.nan, 42.0, np.nan]
    centered = effect(claims.rate_c1(pairs), Quantity.CENTERED_ANGLE)
    assert (centered.estimate, centered.n) == (42.0, 1)


def test_c13_is_not_tested_on_random_weights():
    pairs = made_up_pairs([12.0, 30.0], 60.0)
    result = claims.rate_c13(pairs, random_weights=True)
    assert result.verdict is Verdict.NOT_TESTED
    assert result.obstacle == Obstacle(Cause.RANDOM_WEIGHTS)
    tested = claims.rate_c13(pairs)
    assert (result.effects, result.met) == (tested.effects, tested.met)


@pytest.mark.parametrize(
    ("curves", "null", "verdicts"),
    [
        # As the paper says, far from the null.
        ({"a": FALLING, "b": FALLING}, 80.0, "++"),
        # Chance gives angles as small at the end, but none that fall.
        ({"a": FALLING, "b": FALLING}, 8.0, "+0"),
        # Chance starts as large, and falls as well.
        ({"a": FALLING, "b": FALLING}, FALLING, "00"),
        # One run starts small.
        ({"a": [60.0, *FALLING[1:]], "b": FALLING}, 80.0, "++"),
        ({"a": [59.9, *FALLING[1:]], "b": FALLING}, 80.0, "-+"),
        # One run goes up and down.
        ({"a": FALLING, "b": [75.0, 9.0, 60.0, 8.0, 70.0, 9.0, 0.0]}, 80.0, "--"),
        # One run falls, but not under ten degrees.
        ({"a": FALLING, "b": [80.0, 70.0, 60.0, 50.0, 40.0, 11.0, 0.0]}, 80.0, "+-"),
        # A single epoch shows no trend.
        ({"a": [75.0, 0.0]}, 80.0, "--"),
        ({"a": [5.0, 0.0]}, 80.0, "--"),
    ],
)
def test_c2_and_c3(curves, null, verdicts):
    angles = made_up_curves(curves, null)
    found = [claims.rate_c2(angles), claims.rate_c3(angles)]
    assert [result.claim for result in found] == ["C2", "C3"]
    assert [result.verdict for result in found] == [VERDICTS[v] for v in verdicts]
    # The permutation null says little of a path that is compared with its own end.
    assert all(result.caveats == (Caveat.OWN_END,) for result in found)


@pytest.mark.parametrize(("eighteenth", "verdict"), [(10.0, "+"), (10.1, "-")])
def test_c3_the_last_tenth_of_twenty_epochs_is_two(eighteenth, verdict):
    """The last but two may be far; the last itself has no say, being its own
    reference."""
    curve = [90.0 - 4 * i for i in range(18)] + [eighteenth, 1.0, 0.0]
    result = claims.rate_c3(made_up_curves({"a": curve}, 80.0))
    assert result.verdict is VERDICTS[verdict]
    late = effect(result, Quantity.LATE_ANGLE)
    assert (late.n, late.spread.minimum, late.spread.maximum) == (2, 1.0, eighteenth)


def test_c2_effects():
    curves = {"a": FALLING, "b": [65.0, *FALLING[1:]]}
    result = claims.rate_c2(made_up_curves(curves, 80.0))
    start = effect(result, Quantity.START_ANGLE)
    assert (start.spread.minimum, start.spread.maximum) == (65.0, 75.0)
    trend = effect(result, Quantity.ANGLE_TREND)
    assert (trend.spread, trend.quantity.unit) == ((-1.0, -1.0, -1.0), Unit.NONE)
    null = result.rung(Null.PERMUTATION)
    assert effect(null, Quantity.START_ANGLE).spread == (80.0, 80.0, 80.0)
    assert effect(null, Quantity.ANGLE_TREND).spread == (0.0, 0.0, 0.0)
    assert (null.met.n_met, null.met.n) == (0, 2)


def made_up_peaks(curves, nulls=(70.0,), matrix="data"):
    """Rises and falls of curves given as `{(split, reference): angles}`; the angles lie
    ten updates apart."""
    tables = [
        pd.DataFrame(
            {
                "run": "a",
                "model": "mlp",
                "seed": 0,
                "split": split,
                "reference": matrix if reference == "data" else reference,
                "step": 10 * np.arange(len(curve)),
                "angle_deg": curve,
                "null_angle_deg": nulls * len(curve) if len(nulls) == 1 else nulls,
            }
        )
        for (split, reference), curve in curves.items()
    ]
    return analysis.first_epoch_peaks(pd.concat(tables, ignore_index=True))


KINDS = list(itertools.product(["train", "test"], ["final", "data"]))
PEAK = [40.0, 42.0, 41.0, 40.0]
MONOTONE = [42.0, 41.0, 40.0, 39.0]


@pytest.mark.parametrize(
    ("flat", "nulls", "c4", "c6a"),
    [
        ([], (70.0,), "+", "+"),
        (KINDS, (70.0,), "-", "-"),
        # Both splits count to the end of the training, only one to the data.
        ([("test", "final")], (70.0,), "-", "+"),
        ([("train", "final")], (70.0,), "-", "+"),
        ([("test", "data")], (70.0,), "+", "+"),
        ([("train", "data")], (70.0,), "+", "-"),
        # The null goes up and down as well.
        ([], (50.0, 50.0, 55.0, 50.0), "0", "0"),
        ([], (50.0, 50.0, 51.9, 50.0), "+", "+"),
    ],
)
@pytest.mark.parametrize("matrix", ["data", "input"])
def test_c4_and_c6a(flat, nulls, c4, c6a, matrix):
    curves = {kind: MONOTONE if kind in flat else PEAK for kind in KINDS}
    peaks = made_up_peaks(curves, nulls, matrix)
    reading = Reading(Samples.TRAIN, RawData(matrix))
    found = [claims.rate_c4(peaks), claims.rate_c6a(peaks, reading)]
    assert [result.claim for result in found] == ["C4", "C6a"]
    assert [result.verdict for result in found] == [VERDICTS[c4], VERDICTS[c6a]]
    assert [result.met.n for result in found] == [2, 1]
    assert found[0].reading.samples is Samples.BOTH
    assert found[1].reading == reading


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ([40.0, 42.0, 41.0, 40.0], "+"),
        ([40.0, 41.9, 41.0, 39.0], "-"),  # rises by less than two degrees
        ([40.0, 45.0, 44.0, 43.1], "-"),  # falls by less than two
        ([40.0, 41.0, 42.0, 43.0], "-"),  # only rises
    ],
)
def test_a_peak_rises_and_falls_by_two_degrees(curve, verdict):
    peaks = made_up_peaks(dict.fromkeys(KINDS, curve))
    for result in (claims.rate_c4(peaks), claims.rate_c6a(peaks)):
        assert result.verdict is VERDICTS[verdict]


def test_c6a_effects():
    result = claims.rate_c6a(made_up_peaks({("train", "data"): PEAK}))
    assert effect(result, Quantity.RISE).estimate == 2.0
    assert effect(result, Quantity.FALL).estimate == 2.0
    # After the first of three steps.
    assert effect(result, Quantity.PEAK_POSITION).estimate == pytest.approx(1 / 3)
    assert result.met.counted is Counted.CURVES


def test_a_peak_needs_moments_within_the_epoch():
    """Two ends of an epoch, many updates apart, cannot show a peak between them."""
    peaks = made_up_peaks({kind: [50.0, 40.0] for kind in KINDS})
    for result in (claims.rate_c4(peaks), claims.rate_c6a(peaks)):
        assert result.verdict is Verdict.NOT_TESTED
        assert result.obstacle == Obstacle(Cause.TOO_FEW_MOMENTS, needed=3, found=2)


def test_c6a_needs_a_reading_of_the_raw_data():
    peaks = made_up_peaks(dict.fromkeys(KINDS, PEAK))
    with pytest.raises(ValueError, match="raw_data"):
        claims.rate_c6a(peaks, Reading(Samples.TRAIN))


@pytest.mark.parametrize(
    ("ends", "null", "verdict"),
    [
        ([[70.0, 20.0], [60.0, 5.0]], 80.0, "+"),
        ([[70.0, 20.1], [60.0, 5.0]], 80.0, "-"),
        ([[70.0, 15.0], [5.0, 5.0]], 80.0, "-"),  # no closer than before training
        ([[70.0, 15.0], [60.0, 5.0]], 19.0, "0"),
        ([[70.0, 15.0]], 80.0, "+"),
    ],
)
def test_c5(ends, null, verdict):
    """Angles before training and after its last epoch, one pair for each reference."""
    tables = [
        made_up_curves({"a": [before, 89.0, end], "b": [85.0, 30.0, 10.0]}, null)
        for before, end in ends
    ]
    tables = [t.assign(reference=f"r{i}") for i, t in enumerate(tables)]
    result = claims.rate_c5(pd.concat(tables, ignore_index=True))
    assert (result.claim, result.verdict) == ("C5", VERDICTS[verdict])
    assert (result.met.n, result.met.counted) == (2 * len(ends), Counted.PAIRS)
    decrease = effect(result, Quantity.DECREASE)
    assert decrease.spread.minimum == min(before - end for before, end in ends)
    assert decrease.spread.maximum == 75.0


@pytest.mark.parametrize(
    ("curve", "null", "verdict"),
    [
        ([10.0, 60.0, 50.0, 40.0, 20.0], 80.0, "+"),  # before training has no say
        ([10.0, 60.0, 50.0, 40.0, 20.1], 80.0, "-"),
        ([10.0, 15.0, 16.0, 17.0, 18.0], 80.0, "-"),
        ([10.0, 60.0, 50.0, 40.0, 15.0], [80.0, 70.0, 50.0, 30.0, 20.0], "0"),
        ([10.0, 60.0, 50.0, 40.0, 15.0], [80.0, 70.0, 50.0, 30.0, 20.1], "+"),
        ([10.0, 60.0, 50.0, 40.0, 15.0], 12.0, "+"),  # the null is small from the start
        ([80.0, 10.0], 80.0, "-"),  # a single epoch
    ],
)
def test_c6b(curve, null, verdict):
    others = {"b": np.linspace(90, 1, len(curve))}
    result = claims.rate_c6b(made_up_curves({"a": curve, **others}, null))
    assert (result.claim, result.verdict) == ("C6b", VERDICTS[verdict])
    assert effect(result, Quantity.END_ANGLE).spread.maximum == curve[-1]


def made_up_blocks(first, last, null_first=None, null_last=None):
    """Angles by block in the first and in the last epoch."""
    tables = []
    for epoch, angles, nulls in (
        (0, first, null_first),
        (4, [50.0] * len(first), None),
        (9, last, null_last),
    ):
        tables.append(
            pd.DataFrame(
                {
                    "run": "a",
                    "epoch": epoch,
                    "block": np.arange(1, len(angles) + 1),
                    "angle_deg": angles,
                    "null_angle_deg": 70.0 if nulls is None else nulls,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


RISING = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
ARCH = [10.0, 20.0, 30.0, 40.0, 35.0, 30.0]


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        (made_up_blocks(RISING, ARCH), "+"),
        (made_up_blocks(ARCH[::-1], ARCH), "-"),
        (made_up_blocks(RISING, RISING), "-"),
        # Rank correlations of 0.5 and -0.5 are enough: a middle block out of order.
        (made_up_blocks(RISING, [1.0, 2.0, 3.0, 40.0, 20.0, 30.0]), "+"),
        (made_up_blocks(RISING, [1.0, 2.0, 3.0, 30.0, 20.0, 40.0]), "-"),
        (made_up_blocks(RISING, ARCH, RISING, ARCH), "0"),
        (made_up_blocks(RISING, ARCH, RISING, RISING), "+"),
    ],
)
def test_c7(table, verdict):
    result = claims.rate_c7(table)
    assert (result.claim, result.verdict) == ("C7", VERDICTS[verdict])


def test_c7_effects():
    result = claims.rate_c7(made_up_blocks(RISING, ARCH, ARCH, RISING))
    assert effect(result, Quantity.EARLY_DEPTH_TREND).estimate == 1.0
    assert effect(result, Quantity.LATE_DEPTH_TREND).estimate == -1.0
    null = result.rung(Null.PERMUTATION)
    assert effect(null, Quantity.LATE_DEPTH_TREND).estimate == 1.0


def test_c7_is_asked_of_every_run():
    other = made_up_blocks(RISING, RISING).assign(run="b")
    table = pd.concat([made_up_blocks(RISING, ARCH), other], ignore_index=True)
    result = claims.rate_c7(table)
    assert result.verdict is Verdict.NOT_REPRODUCED
    assert (result.met.n_met, result.met.n) == (1, 2)


@pytest.mark.parametrize(
    ("n_blocks", "probability"),
    [
        (6, 3 / 6),  # of the orders of three blocks, three of six
        (8, 5 / 24),  # of four, five of 24: one of -1, three of -0.8, one of -0.6
        (40, 0.0124),  # of twenty, the tail of Student's t with 18 degrees of freedom
    ],
)
def test_c7_tells_the_probability_of_falling_over_a_few_blocks(n_blocks, probability):
    curve = list(range(n_blocks))
    rung = claims.rate_c7(made_up_blocks(curve, curve)).rung(Null.BLOCK_ORDER)
    found = effect(rung, Quantity.LATE_TREND_PROBABILITY)
    assert found.estimate == pytest.approx(probability, rel=5e-3)
    assert found.n == n_blocks / 2
    assert not rung.meets


@pytest.mark.parametrize("n_blocks", [2, 3, 4])
def test_c7_two_blocks_on_top_show_no_trend(n_blocks):
    table = made_up_blocks(RISING[:n_blocks], RISING[:n_blocks][::-1])
    result = claims.rate_c7(table)
    assert result.obstacle == Obstacle(Cause.TOO_FEW_BLOCKS, needed=5, found=n_blocks)


def test_c7_without_blocks():
    result = claims.rate_c7(made_up_blocks(RISING, ARCH).iloc[:0])
    assert result.obstacle == Obstacle(Cause.TOO_FEW_BLOCKS, needed=5, found=0)


@pytest.mark.parametrize(
    ("distances", "verdict"),
    [
        ([[5.0, 3.0, 2.0, 1.0, 0.0], [0.4, 0.3, 0.2, 0.1, 0.0]], "+"),
        ([[5.0, 3.0, 2.0, 1.0, 0.0], [0.1, 0.2, 0.3, 0.4, 0.0]], "-"),
        ([[5.0, 1.0, 4.0, 2.0, 0.0]], "-"),
        ([[0.0, 0.0, 0.0, 0.0, 0.0]], "-"),  # nothing drifts
        ([[5e-9, 3e-9, 2e-9, 1e-9, 0.0]], "-"),  # but rounding
        ([[0.01, 0.003, 0.002, 0.001, 0.0]], "+"),
        ([[0.0099, 0.003, 0.002, 0.001, 0.0]], "-"),
        ([[5.0, 0.0]], "-"),  # a single epoch
    ],
)
def test_c8(distances, verdict):
    rows = [
        {"run": run, "epoch": epoch, "distance": distance}
        for run, curve in enumerate(distances)
        for epoch, distance in enumerate(curve, start=-1)
    ]
    result = claims.rate_c8(pd.DataFrame(rows))
    assert (result.claim, result.verdict) == ("C8", VERDICTS[verdict])
    assert (result.ladder, Caveat.ORDER_FREE in result.caveats) == ((), True)


def test_a_rank_correlation_at_its_threshold_is_enough():
    """Of four epochs before the last, two neighbours change places: Spearman's
    coefficient is 1 - 6 * 18 / (4 * 15) = -0.8."""
    curve = [70.0, 75.0, 30.0, 8.0, 0.0]
    result = claims.rate_c2(made_up_curves({"a": curve}, 80.0))
    assert effect(result, Quantity.ANGLE_TREND).estimate == -0.8
    assert result.verdict is Verdict.REPRODUCED


def made_up_vectors(first, others):
    """Angles of singular vectors, epoch by epoch, in one run."""
    curves = dict(enumerate([first, *others], start=1))
    table = made_up_curves(curves, 80.0).rename(columns={"run": "index"})
    return table.assign(run="a")


@pytest.mark.parametrize(
    ("first", "others", "verdict"),
    [
        (FALLING, [[85.0] * 6 + [0.0], [60.0] * 6 + [0.0]], "+"),
        (FALLING, [[85.0] * 6 + [0.0], FALLING], "-"),
        (FALLING, [[85.0] * 5 + [20.1, 0.0]], "+"),
        (FALLING, [[85.0] * 5 + [20.0, 0.0]], "-"),
        ([*FALLING[:5], 10.0, 0.0], [[85.0] * 6 + [0.0]], "+"),
        ([*FALLING[:5], 10.1, 0.0], [[85.0] * 6 + [0.0]], "-"),
        ([85.0] * 6 + [0.0], [[85.0] * 6 + [0.0]], "-"),
        (FALLING, [], "?"),
    ],
)
def test_c9(first, others, verdict):
    result = claims.rate_c9(made_up_vectors(first, others))
    assert (result.claim, result.verdict) == ("C9", VERDICTS[verdict])
    if not others:
        assert result.obstacle == Obstacle(Cause.TOO_FEW_VECTORS, needed=2, found=1)


@pytest.mark.parametrize(
    ("null_first", "null_others", "verdict"), [(9.0, 85.0, "0"), (9.0, 19.0, "+")]
)
def test_c9_the_null_may_tell_the_first_vector_from_the_others(
    null_first, null_others, verdict
):
    """The first has a large component along the constant vector, so that its null
    angle is small."""
    table = made_up_vectors(FALLING, [[85.0] * 6 + [0.0]])
    nulls = np.where(table["index"] == 1, null_first, null_others)
    result = claims.rate_c9(table.assign(null_angle_deg=nulls))
    assert result.verdict is VERDICTS[verdict]


@pytest.mark.parametrize(
    ("late", "verdict"), [([5.0, 70.0, 60.0], "+"), ([5.0, 15.0, 60.0], "-")]
)
def test_c9_judges_other_vectors_by_their_median(late, verdict):
    """Of the 27th to 29th of 30 epochs."""
    other = [80.0] * 27 + [*late, 0.0]
    first = np.linspace(80, 0, 31) ** 2 / 80
    result = claims.rate_c9(made_up_vectors(first, [other]))
    assert result.verdict is VERDICTS[verdict]
    others = effect(result, Quantity.OTHER_VECTORS_ANGLE)
    assert others.estimate == np.median(late)
    assert effect(result, Quantity.FIRST_VECTOR_ANGLE).estimate == first[27]


@pytest.mark.parametrize(
    ("shares", "constant", "verdict"),
    [
        ([0.2, 0.5, 0.9], 0.3, "+"),  # before training has no say
        ([0.9, 0.49, 0.9], 0.3, "-"),
        ([0.2, 0.6, 0.9], 0.5, "0"),
        ([0.9], 0.3, "+"),
    ],
)
def test_c12(shares, constant, verdict):
    rows = [
        {
            "run": "a",
            "epoch": epoch,
            "k": k,
            "explained": min(1.0, share + 0.05 * (k - 1)),
            "constant_share": constant,
        }
        for epoch, share in zip(range(2 - len(shares), 2), shares, strict=True)
        for k in (1, 2, 3)
    ]
    result = claims.rate_c12(pd.DataFrame(rows))
    assert (result.claim, result.verdict) == ("C12", VERDICTS[verdict])
    end, end_of_all = (
        effect(result, Quantity.END_EXPLAINED, group).estimate
        for group in ("k=1", "k=3")
    )
    assert end == shares[-1]
    assert end_of_all == pytest.approx(min(1.0, shares[-1] + 0.1))
    constants = effect(result.rung(Null.CONSTANT_VECTOR), Quantity.EXPLAINED)
    assert constants.estimate == pytest.approx(constant)


def made_up_correlations(tau, low, high, within, trivial=0.2, n=36):
    rows = [
        {
            "predictor": name,
            "factor": "all",
            "tau": tau if name == "angle_deg" else trivial,
            "low": low,
            "high": high,
            "n": n,
        }
        for name in analysis.PREDICTORS
    ]
    rows += [
        {
            "predictor": "angle_deg",
            "factor": factor,
            "tau": value,
            "low": value - 0.1 if factor == "model" else np.nan,
            "high": value + 0.1 if factor == "model" else np.nan,
            "n": 12 if factor == "model" else 3,
        }
        for factor, value in within.items()
    ]
    return pd.DataFrame(rows).assign(target="test_accuracy")


@pytest.mark.parametrize(
    ("correlations", "verdict"),
    [
        (made_up_correlations(-0.5, -0.7, -0.2, {"model": -0.3, "width": -0.1}), "+"),
        (made_up_correlations(-0.3, -0.7, -0.2, {"model": -0.3}), "+"),
        # Made by the architectures alone.
        (made_up_correlations(-0.5, -0.7, -0.2, {"model": -0.3, "width": 0.1}), "-"),
        (made_up_correlations(-0.5, -0.7, -0.2, {"model": -0.3, "width": 0.0}), "-"),
        (made_up_correlations(-0.29, -0.7, -0.2, {"model": -0.3}), "-"),
        (made_up_correlations(-0.5, -0.7, 0.1, {"model": -0.3}), "-"),
        (made_up_correlations(0.5, 0.2, 0.7, {"model": 0.3}), "-"),
        # A trivial predictor does as well, whichever its sign.
        (made_up_correlations(-0.5, -0.7, -0.2, {"model": -0.3}, trivial=0.5), "0"),
        (made_up_correlations(-0.5, -0.7, -0.2, {"model": -0.3}, trivial=-0.6), "0"),
        (made_up_correlations(-0.5, -0.7, -0.2, {}), "?"),
        # A factor, or trivial predictors, that cannot be rated have no say.
        (made_up_correlations(-0.5, -0.7, -0.2, {"model": -1, "width": np.nan}), "+"),
        (made_up_correlations(-0.5, -0.7, -0.2, {"model": -1}, trivial=np.nan), "+"),
    ],
)
def test_c10(correlations, verdict):
    result = claims.rate_c10(correlations)
    assert (result.claim, result.verdict) == ("C10", VERDICTS[verdict])


def test_c10_effects():
    within = {"model": -0.5, "width": -0.25, "rate": np.nan}
    correlations = made_up_correlations(-0.5, -0.7, -0.2, within)
    chosen = correlations["predictor"] == "n_parameters"
    correlations.loc[chosen, "tau"] = -0.4
    result = claims.rate_c10(correlations)
    overall, model, width = result.effects
    assert {e.quantity for e in result.effects} == {Quantity.KENDALL_TAU}
    assert (overall.estimate, overall.interval) == (-0.5, (-0.7, -0.2))
    assert (overall.n, overall.group) == (36, "")
    assert (model.group, model.estimate, model.n) == ("model", -0.5, 12)
    assert model.interval == pytest.approx((-0.6, -0.4))
    # Groups that are all alike have no interval.
    assert (width.group, width.estimate, width.n) == ("width", -0.25, 3)
    assert width.interval is None
    trivial = result.rung(Null.TRIVIAL_PREDICTORS)
    found = [(e.group, e.estimate) for e in trivial.effects]
    assert found[0] == ("n_parameters", -0.4)
    assert set(found[1:]) == {("train_loss", 0.2), ("cos_ones", 0.2)}


@pytest.mark.parametrize(
    ("tau", "n", "obstacle"),
    [
        (np.nan, 1, Obstacle(Cause.TOO_FEW_MODELS, needed=8, found=1)),
        (-1.0, 7, Obstacle(Cause.TOO_FEW_MODELS, needed=8, found=7)),
        (np.nan, 36, Obstacle(Cause.MODELS_ALIKE)),
    ],
)
def test_c10_is_not_tested_on_few_models_or_equal_ones(tau, n, obstacle):
    """No interval can be given for them that holds what it says."""
    within = {"model": tau}
    correlations = made_up_correlations(tau, np.nan, np.nan, within, np.nan, n)
    assert claims.rate_c10(correlations).obstacle == obstacle


def test_c10_needs_models_that_differ_in_one_factor():
    result = claims.rate_c10(made_up_correlations(-0.5, -0.7, -0.2, {}))
    assert result.obstacle == Obstacle(Cause.NO_FACTOR)


ANGLES = 5 * 1.3 ** np.arange(10)
WOBBLE = 1 + 0.02 * (-1) ** np.arange(10)  # a perfect line has no interval


def made_up_models(angles, accuracy, null):
    return pd.DataFrame(
        {"angle_deg": angles, "null_angle_deg": null, "test_accuracy": accuracy}
    )


UNRELATED = 50 + np.array([1.0, -3, 2, -1, 3, -2, 1, 3, -3, 0])


@pytest.mark.parametrize(
    ("models", "verdict"),
    [
        (made_up_models(ANGLES, 0.9 * WOBBLE * (ANGLES / 5) ** -0.4, UNRELATED), "+"),
        (made_up_models(ANGLES, 0.1 * WOBBLE * (ANGLES / 5) ** 0.4, UNRELATED), "-"),
        # The null predicts better than the angle.
        (
            made_up_models(
                ANGLES, 0.9 * WOBBLE * (ANGLES / 5) ** -0.4, ANGLES / WOBBLE**2.5
            ),
            "0",
        ),
        # Strong, but of too few models: -0.52, interval above zero.
        (
            made_up_models(
                np.exp([1.0, 2, 3, 4, 5, 6, 7, 8]),
                np.exp([-3.0, -1, -7, -2, -4, -8, -6, -5]),
                [9.0, 8, 7, 9, 8, 7, 9, 8],
            ),
            "-",
        ),
        (made_up_models(ANGLES[:7], WOBBLE[:7], UNRELATED[:7]), "?"),
        # Zeros have no logarithm.
        (made_up_models([0.0, *ANGLES[:8]], [*WOBBLE[:8], 0.0], UNRELATED[:9]), "?"),
    ],
)
def test_c11(models, verdict):
    result = claims.rate_c11(models)
    assert (result.claim, result.verdict) == ("C11", VERDICTS[verdict])


def test_c11_finds_the_exponent():
    accuracy = 0.9 * WOBBLE * (ANGLES / 5) ** -0.4
    result = claims.rate_c11(made_up_models(ANGLES, accuracy, UNRELATED))
    r, exponent = result.effects
    slope = np.polyfit(np.log(ANGLES), np.log(accuracy), 1)[0]
    assert (exponent.quantity, r.quantity) == (Quantity.EXPONENT, Quantity.PEARSON_R)
    assert exponent.estimate == pytest.approx(slope)
    assert r.estimate == pytest.approx(
        np.corrcoef(np.log(ANGLES), np.log(accuracy))[0, 1]
    )
    assert r.n == 10
    # Fisher's transformation: its standard error is 1 / sqrt(n - 3).
    z = np.arctanh(r.estimate) + np.array([-1, 1]) * 1.95996 / 7**0.5
    assert r.interval == pytest.approx(tuple(np.tanh(z)))


def test_c11_is_not_tested_on_models_that_are_alike():
    alike = made_up_models(ANGLES, 0.9, UNRELATED)
    assert claims.rate_c11(alike).obstacle == Obstacle(Cause.MODELS_ALIKE)
    few = made_up_models(ANGLES[:7], WOBBLE[:7], UNRELATED[:7])
    obstacle = Obstacle(Cause.TOO_FEW_MODELS, needed=8, found=7)
    assert claims.rate_c11(few).obstacle == obstacle


def test_the_registry():
    """Every claim of the paper once, in order; each is rated by a function that
    carries its id."""
    ids = [*(f"C{i}" for i in range(1, 6)), "C6a", "C6b"]
    ids += [f"C{i}" for i in range(7, 14)]
    assert list(CLAIMS) == ids
    for id, spec in CLAIMS.items():
        assert spec.id == id
        assert callable(getattr(claims, f"rate_{id.lower()}"))
        assert len(set(spec.readings)) == len(spec.readings)
        assert spec.primary is spec.readings[0]
        assert spec.id in claims.claims_of(spec.study)
    assert claims.PARTS == {"C6": ("C6a", "C6b")}


def test_primary_readings_take_the_words_literally():
    assert CLAIMS["C6b"].primary == Reading(Samples.TRAIN, RawData.PIXELS)
    # To itself, no raw data; the paper says which samples for these.
    assert {reading.raw_data for reading in CLAIMS["C2"].readings} == {None}
    assert CLAIMS["C4"].primary == Reading(Samples.BOTH)
    assert {reading.samples for reading in CLAIMS["C6a"].readings} == {Samples.TRAIN}


@pytest.mark.parametrize("samples", [Samples.TRAIN, Samples.TEST])
def test_a_result_knows_its_reading(samples):
    reading = Reading(samples)
    assert claims.rate_c1(made_up_pairs([12.0], 60.0), None, reading).reading == reading
    assert claims.rate_c1(made_up_pairs([], 60.0), None, reading).reading == reading


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("C14", Reading(), Verdict.REPRODUCED), "C14"),
        # It compares with no raw data.
        (("C1", Reading(Samples.TRAIN, RawData.PIXELS), Verdict.REPRODUCED), "PIXELS"),
        (("C1", Reading(Samples.TRAIN), Verdict.NOT_TESTED), "NOT_TESTED"),
    ],
)
def test_results_that_cannot_be(arguments, named):
    with pytest.raises(ValueError, match=named):
        ClaimResult(*arguments)


def test_a_claim_that_is_not_tested():
    obstacle = Obstacle(Cause.MISSING_REFERENCES, names=("simclr",))
    result = claims.not_tested("C5", obstacle)
    assert (result.claim, result.verdict) == ("C5", Verdict.NOT_TESTED)
    assert result.reading == CLAIMS["C5"].primary
    assert (result.obstacle, result.spec) == (obstacle, CLAIMS["C5"])
    assert (result.effects, result.met, result.ladder) == ((), None, ())


@pytest.mark.parametrize(("n_met", "verdict"), [(7, "-"), (8, "+")])
def test_a_criterion_may_ask_for_a_share(n_met, verdict):
    criterion = dataclasses.replace(CLAIMS["C2"].criterion, required_share=0.8)
    spec = dataclasses.replace(CLAIMS["C2"], criterion=criterion)
    met = pd.Series([True] * n_met + [False] * (10 - n_met))
    result = rate_units(spec, spec.primary, met, [])
    assert result.verdict is VERDICTS[verdict]
    assert result.met.fraction == n_met / 10
