"""Verdicts on made-up tables whose outcome is known."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from keras_pvec.reproduction import analysis, claims
from keras_pvec.reproduction.claims import (
    NOT_REPRODUCED,
    NOT_TESTED,
    NULL_EXPLAINS,
    REPRODUCED,
    Claim,
)

VERDICTS = {
    "+": REPRODUCED,
    "0": NULL_EXPLAINS,
    "-": NOT_REPRODUCED,
    "?": NOT_TESTED,
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
@pytest.mark.parametrize("name", ["C1", "C13"])
def test_small_angles(angles, null, verdict, name):
    claim = claims.small_angles(made_up_pairs(angles, null), name)
    assert (claim.claim, claim.verdict) == (name, VERDICTS[verdict])


def test_networks_as_close_to_untrained_ones_show_nothing():
    """The second null: only the trained ones' last rows count."""
    pairs = made_up_pairs([12.0, 15.0], 60.0)
    for last, verdict in ((19.0, "0"), (25.0, "+")):
        curves = {"a": [80.0, 70.0, last], "b": [90.0, 18.0], "c": [10.0, 30.0]}
        twins = made_up_curves(curves, null=60.0)
        claim = claims.small_angles(pairs, untrained=twins)
        assert claim.verdict == VERDICTS[verdict]
        assert f"18.00 to 30.00 degrees (median {last:.2f})" in claim.null


def test_how_many_meet_the_criterion_has_an_exact_interval():
    """None of five: the upper end is 1 - 0.025^(1/5)."""
    claim = claims.small_angles(made_up_pairs([30.0] * 5, 60.0))
    upper = 1 - 0.025 ** (1 / 5)
    assert claim.met == (
        "0 of 5 pairs, by the null alone 0; 95% interval of the share 0.00 to "
        f"{upper:.2f}, if pairs were independent"
    )


def test_means_of_enough_runs_have_an_interval():
    angles = np.linspace(10, 40, 40)
    claim = claims.small_angles(made_up_pairs(angles, 60.0))
    low, high = map(
        float, claim.measured.split("interval ")[1].split(")")[0].split(" to ")
    )
    # Student's t of 39 degrees of freedom has its 97.5% at 2.0227.
    half = 2.0227 * angles.std(ddof=1) / 40**0.5
    assert low == pytest.approx(25 - half, abs=0.006)
    assert high == pytest.approx(25 + half, abs=0.006)
    assert "interval" not in claim.null  # all the same


def test_small_angles_reports_what_was_measured():
    pairs = made_up_pairs([10.0, 30.0, 11.0], [50.0, 60.0, 55.0])
    claim = claims.small_angles(pairs)
    expected = "10.00 to 30.00 degrees (median 11.00) over 3 pairs"
    assert claim.measured == expected
    assert claim.null == "50.00 to 60.00 degrees (median 55.00)"
    pairs["centered_angle_deg"] = [np.nan, 42.0, np.nan]
    claim = claims.small_angles(pairs)
    assert claim.measured == f"{expected}; centred 42.00 degrees"


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
def test_convergence_to_the_end_of_a_training(curves, null, verdicts):
    angles = made_up_curves(curves, null)
    found = [claims.starts_large_and_falls(angles)]
    found += [claims.ends_under_ten_degrees(angles)]
    assert [claim.claim for claim in found] == ["C2", "C3"]
    assert [claim.verdict for claim in found] == [VERDICTS[v] for v in verdicts]


@pytest.mark.parametrize(
    ("eighteenth", "verdict"), [(10.0, REPRODUCED), (10.1, NOT_REPRODUCED)]
)
def test_the_last_tenth_of_twenty_epochs_is_two(eighteenth, verdict):
    """The last but two may be far; the last itself has no say, being its own
    reference."""
    curve = [90.0 - 4 * i for i in range(18)] + [eighteenth, 1.0, 0.0]
    claim = claims.ends_under_ten_degrees(made_up_curves({"a": curve}, 80.0))
    assert claim.verdict == verdict
    assert claim.measured.startswith(f"in the last tenth 1.00 to {eighteenth:.2f}")


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
    ("flat", "nulls", "c4", "c6"),
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
def test_first_epoch_peak(flat, nulls, c4, c6, matrix):
    curves = {kind: MONOTONE if kind in flat else PEAK for kind in KINDS}
    peaks = made_up_peaks(curves, nulls, matrix)
    found = [claims.first_epoch_peak(peaks, r) for r in ("final", matrix)]
    assert [claim.claim for claim in found] == ["C4", "C6"]
    assert [claim.verdict for claim in found] == [VERDICTS[c4], VERDICTS[c6]]


@pytest.mark.parametrize(
    "curve",
    [
        [40.0, 41.9, 41.0, 39.0],  # rises by less than two degrees
        [40.0, 45.0, 44.0, 43.1],  # falls by less than two
        [40.0, 41.0, 42.0, 43.0],  # only rises
    ],
)
def test_a_peak_rises_and_falls_by_two_degrees(curve):
    peaks = made_up_peaks(dict.fromkeys(KINDS, curve))
    for reference in ("final", "data"):
        claim = claims.first_epoch_peak(peaks, reference)
        assert claim.verdict == NOT_REPRODUCED


def test_where_the_peak_is():
    claim = claims.first_epoch_peak(made_up_peaks({("train", "data"): PEAK}), "data")
    assert claim.measured == (
        "rise 2.00 degrees, fall 2.00 degrees, peak at 0.33 of the epoch, in 1 curves"
    )


def test_first_epoch_peak_needs_moments_within_the_epoch():
    """Two ends of an epoch, many updates apart, cannot show a peak between them."""
    peaks = made_up_peaks({kind: [50.0, 40.0] for kind in KINDS})
    for reference in ("final", "data"):
        claim = claims.first_epoch_peak(peaks, reference)
        assert claim.verdict == NOT_TESTED
        assert "--log_freq=first_epoch:1" in claim.measured


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
def test_common_subspace(ends, null, verdict):
    """Angles before training and after its last epoch, one pair for each reference."""
    tables = [
        made_up_curves({"a": [before, 89.0, end], "b": [85.0, 30.0, 10.0]}, null)
        for before, end in ends
    ]
    tables = [t.assign(reference=f"r{i}") for i, t in enumerate(tables)]
    claim = claims.common_subspace(pd.concat(tables, ignore_index=True))
    assert (claim.claim, claim.verdict) == ("C5", VERDICTS[verdict])
    assert f"{2 * len(ends)} pairs" in claim.measured


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
def test_falls_to_the_data(curve, null, verdict):
    others = {"b": np.linspace(90, 1, len(curve))}
    claim = claims.falls_to_the_data(made_up_curves({"a": curve, **others}, null))
    assert (claim.claim, claim.verdict) == ("C6", VERDICTS[verdict])


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
def test_turns_with_depth(table, verdict):
    claim = claims.turns_with_depth(table)
    assert (claim.claim, claim.verdict) == ("C7", VERDICTS[verdict])


def test_every_run_has_to_turn_with_depth():
    other = made_up_blocks(RISING, RISING).assign(run="b")
    table = pd.concat([made_up_blocks(RISING, ARCH), other], ignore_index=True)
    assert claims.turns_with_depth(table).verdict == NOT_REPRODUCED


@pytest.mark.parametrize(
    ("n_blocks", "chance"),
    [
        (6, "0.50"),  # of the orders of three blocks, three of six
        (8, "0.21"),  # of four, five of 24: one of -1, three of -0.8, one of -0.6
        (40, "0.01"),  # of twenty, the tail of Student's t: 0.012
    ],
)
def test_chance_of_falling_over_a_few_blocks_is_told(n_blocks, chance):
    curve = list(range(n_blocks))
    told = claims.turns_with_depth(made_up_blocks(curve, curve)).null
    assert told.endswith(f"with a probability of {chance}")


@pytest.mark.parametrize("n_blocks", [2, 3, 4])
def test_two_blocks_on_top_show_no_trend(n_blocks):
    table = made_up_blocks(RISING[:n_blocks], RISING[:n_blocks][::-1])
    assert claims.turns_with_depth(table).verdict == NOT_TESTED


@pytest.mark.parametrize(
    ("distances", "verdict"),
    [
        ([[5.0, 3.0, 2.0, 1.0, 0.0], [0.4, 0.3, 0.2, 0.1, 0.0]], "+"),
        ([[5.0, 3.0, 2.0, 1.0, 0.0], [0.1, 0.2, 0.3, 0.4, 0.0]], "-"),
        ([[5.0, 1.0, 4.0, 2.0, 0.0]], "-"),
        ([[0.0, 0.0, 0.0, 0.0, 0.0]], "-"),  # nothing drifts
        ([[5e-9, 3e-9, 2e-9, 1e-9, 0.0]], "-"),  # but rounding
        ([[5.0, 0.0]], "-"),  # a single epoch
    ],
)
def test_values_drift(distances, verdict):
    rows = [
        {"run": run, "epoch": epoch, "distance": distance}
        for run, curve in enumerate(distances)
        for epoch, distance in enumerate(curve, start=-1)
    ]
    claim = claims.values_drift(pd.DataFrame(rows))
    assert (claim.claim, claim.verdict) == ("C8", VERDICTS[verdict])


def test_a_rank_correlation_at_its_threshold_is_enough():
    """Of four epochs before the last, two neighbours change places: Spearman's
    coefficient is 1 - 6 * 18 / (4 * 15) = -0.8."""
    curve = [70.0, 75.0, 30.0, 8.0, 0.0]
    claim = claims.starts_large_and_falls(made_up_curves({"a": curve}, 80.0))
    assert "rank correlation -0.80" in claim.measured
    assert claim.verdict == REPRODUCED


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
        ([85.0] * 6 + [0.0], [[85.0] * 6 + [0.0]], "-"),
        (FALLING, [], "?"),
    ],
)
def test_others_do_not_converge(first, others, verdict):
    claim = claims.others_do_not_converge(made_up_vectors(first, others))
    assert (claim.claim, claim.verdict) == ("C9", VERDICTS[verdict])


@pytest.mark.parametrize(
    ("null_first", "null_others", "verdict"), [(9.0, 85.0, "0"), (9.0, 19.0, "+")]
)
def test_others_may_not_converge_by_their_leaning_alone(
    null_first, null_others, verdict
):
    """The first leans to the constant vector, so any order of its samples is near."""
    table = made_up_vectors(FALLING, [[85.0] * 6 + [0.0]])
    nulls = np.where(table["index"] == 1, null_first, null_others)
    claim = claims.others_do_not_converge(table.assign(null_angle_deg=nulls))
    assert claim.verdict == VERDICTS[verdict]


@pytest.mark.parametrize(
    ("late", "verdict"), [([5.0, 70.0, 60.0], "+"), ([5.0, 15.0, 60.0], "-")]
)
def test_other_vectors_are_judged_by_their_median(late, verdict):
    """Of the 27th to 29th of 30 epochs."""
    other = [80.0] * 27 + [*late, 0.0]
    claim = claims.others_do_not_converge(
        made_up_vectors(np.linspace(80, 0, 31) ** 2 / 80, [other])
    )
    assert claim.verdict == VERDICTS[verdict]


@pytest.mark.parametrize(
    ("shares", "constant", "verdict"),
    [
        ([0.2, 0.5, 0.9], 0.3, "+"),  # before training has no say
        ([0.9, 0.49, 0.9], 0.3, "-"),
        ([0.2, 0.6, 0.9], 0.5, "0"),
        ([0.9], 0.3, "+"),
    ],
)
def test_explained_by_one(shares, constant, verdict):
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
    claim = claims.explained_by_one(pd.DataFrame(rows))
    assert (claim.claim, claim.verdict) == ("C12", VERDICTS[verdict])
    assert f"k=3 after the last epoch {min(1.0, shares[-1] + 0.1):.2f}" in (
        claim.measured
    )


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
def test_goes_with_generalization(correlations, verdict):
    claim = claims.goes_with_generalization(correlations)
    assert (claim.claim, claim.verdict) == ("C10", VERDICTS[verdict])


def test_goes_with_generalization_names_the_best_trivial_predictor():
    within = {"model": -0.5, "width": -0.25}
    correlations = made_up_correlations(-0.5, -0.7, -0.2, within)
    chosen = correlations["predictor"] == "n_parameters"
    correlations.loc[chosen, "tau"] = -0.4
    claim = claims.goes_with_generalization(correlations)
    assert claim.null == "trivial predictors reach |tau| = 0.40 (n_parameters)"
    assert claim.measured == (
        "tau -0.50 (-0.70 to -0.20) over 36 models, means of their seeds; within "
        "factors: model -0.50 (-0.60 to -0.40), width -0.25 (all 3 groups alike)"
    )


@pytest.mark.parametrize(("tau", "n"), [(np.nan, 1), (-1.0, 7), (np.nan, 36)])
def test_generalization_is_not_tested_on_few_models_or_equal_ones(tau, n):
    """No interval can be given for them that holds what it says."""
    within = {"model": tau}
    correlations = made_up_correlations(tau, np.nan, np.nan, within, np.nan, n)
    assert claims.goes_with_generalization(correlations).verdict == NOT_TESTED


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
def test_log_log_relation(models, verdict):
    claim = claims.log_log_relation(models)
    assert (claim.claim, claim.verdict) == ("C11", VERDICTS[verdict])


def test_log_log_relation_finds_the_exponent():
    accuracy = 0.9 * WOBBLE * (ANGLES / 5) ** -0.4
    models = made_up_models(ANGLES, accuracy, UNRELATED)
    measured = claims.log_log_relation(models).measured
    slope = np.polyfit(np.log(ANGLES), np.log(accuracy), 1)[0]
    r = np.corrcoef(np.log(ANGLES), np.log(accuracy))[0, 1]
    assert f"exponent {slope:.2f} " in measured
    assert f"r = {r:.2f} (" in measured
    assert "over 10 models" in measured


def test_a_claim_that_is_not_tested():
    claim = claims.not_tested("C9", "What is said.", "No such runs.")
    assert claim.verdict == NOT_TESTED
    assert (claim.claim, claim.statement) == ("C9", "What is said.")
    assert claim.measured == "No such runs."


def test_table_of_claims():
    found = [claims.not_tested(name, "x", "y") for name in ("C1", "C2")]
    table = claims.as_table(found)
    assert list(table) == [field.name for field in dataclasses.fields(Claim)]
    assert list(table["claim"]) == ["C1", "C2"]
    assert list(claims.as_table([])) == list(table)
