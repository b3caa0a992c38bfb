"""C1, C5 and C13 on made-up tables: both sides of each threshold and each rung."""

import numpy as np
import pandas as pd
import pytest
from claim_tables import VERDICTS, curves_table, effect, pairs_table

from keras_pvec.reproduction import claims
from keras_pvec.reproduction.claims import Cause, Caveat, Null, Obstacle, Quantity
from keras_pvec.reproduction.claims.verdicts import level_of

NEAR, FAR = 12.0, 30.0
UNTRAINED = pairs_table([40.0] * 4)


def shares(n_near, n=10):
    """Pairs of different architectures, of which so many are near."""
    return pairs_table([NEAR] * n_near + [FAR] * (n - n_near), n_seeds=1)


@pytest.mark.parametrize(
    ("angles", "verdict"),
    [
        ([NEAR] * 4, "+"),
        ([20.0] * 4, "+"),
        ([20.1] * 4, "-"),
        ([FAR] * 4, "-"),
        # Two runs of each kind: one seed of one is far from both of the other.
        ([NEAR, NEAR, FAR, FAR], "~"),
    ],
)
@pytest.mark.parametrize("rate", ["c1", "c13"])
def test_small_angles(angles, verdict, rate):
    pairs = pairs_table(angles)
    if rate == "c1":
        result = claims.rate_c1(pairs, UNTRAINED)
    else:
        result = claims.rate_c13(pairs, untrained=UNTRAINED)
    assert result.verdict is VERDICTS[verdict]


def test_c1_asks_for_nine_pairs_in_ten():
    """Nine of ten pairs of five networks, then eight: the interval holds both, but the
    criterion itself is 90%, and 50% in part."""
    criterion = claims.CLAIMS["C1"].criterion
    level = level_of
    assert (criterion.required_share, criterion.partial_share) == (0.9, 0.5)
    for share, verdict in ((0.9, "+"), (0.89, "/"), (0.5, "/"), (0.49, "-")):
        assert level(share, criterion) is VERDICTS[verdict]


@pytest.mark.parametrize(
    ("column", "null"),
    [
        ("null_angle_deg", Null.PERMUTATION),
        ("within_class_null_deg", Null.WITHIN_CLASS),
        ("image_statistics_null_deg", Null.IMAGE_STATISTICS),
    ],
)
@pytest.mark.parametrize(("angle", "verdict"), [(20.0, "0"), (20.1, "+")])
def test_c1_each_rung(column, null, angle, verdict):
    """A null meets the criterion where its own angles are small enough."""
    table = pairs_table([NEAR] * 4, **{column: [angle] * 4})
    result = claims.rate_c1(table, UNTRAINED)
    assert result.verdict is VERDICTS[verdict]
    assert result.explained_by == ((null,) if verdict == "0" else ())
    rung = result.rung(null)
    assert (rung.met.n_met, rung.n_beyond) == ((4, 0) if verdict == "0" else (0, 4))


@pytest.mark.parametrize(("untrained", "verdict"), [(NEAR, "-"), (NEAR + 0.1, "+")])
def test_c1_networks_have_to_be_closer_than_untrained_ones(untrained, verdict):
    result = claims.rate_c1(pairs_table([NEAR] * 4), pairs_table([untrained] * 4))
    assert result.verdict is VERDICTS[verdict]
    rung = result.rung(Null.UNTRAINED)
    assert (rung.met.n_met, rung.met.n, rung.meets) == (4, 4, True)
    found = effect(result, Quantity.UNTRAINED_ANGLE)
    assert found.estimate == untrained


def test_c1_untrained_pairs_are_of_the_same_kinds_and_other_networks():
    """Of the pairs of two kinds, only one has neither network of a given pair."""
    untrained = pairs_table([10.0, 20.0, 30.0, 40.0])
    result = claims.rate_c1(pairs_table([NEAR] * 4), untrained)
    # To each pair belongs the one at the other end of the table.
    assert effect(result, Quantity.UNTRAINED_ANGLE).spread == (10.0, 25.0, 40.0)
    assert result.met.n_met == 3
    # Kinds that no untrained pair is of.
    other = untrained.assign(group="x")
    assert Caveat.NO_UNTRAINED_PAIRS in claims.rate_c1(UNTRAINED, other).caveats


def test_c1_without_untrained_pairs():
    result = claims.rate_c1(pairs_table([NEAR] * 4))
    assert result.verdict is VERDICTS["+"]
    assert Caveat.NO_UNTRAINED_PAIRS in result.caveats
    assert [rung.null for rung in result.ladder] == [Null.PERMUTATION]


def test_c1_counts_pairs_of_different_kinds():
    pairs = pairs_table([NEAR] * 4)
    same = pairs.iloc[:1].assign(other="a1", other_group="a", angle_deg=FAR)
    both = pd.concat([pairs, same], ignore_index=True)
    assert claims.rate_c1(both, UNTRAINED).met.n == 4
    obstacle = Obstacle(Cause.TOO_FEW_NETWORKS, needed=2)
    assert claims.rate_c1(same).obstacle == obstacle
    assert claims.rate_c1(pairs.iloc[:0]).obstacle == obstacle


@pytest.mark.parametrize(
    ("trained", "others_trained", "verdict", "n", "n_left_out"),
    [
        (True, True, "+", 4, 0),
        (True, [True, False, True, False], "+", 2, 1),
        ([False] * 4, True, "!", 4, 2),
        ([False] * 4, [False] * 4, "!", 4, 4),
        (None, None, "+", 4, 0),
    ],
)
def test_c1_counts_well_trained_networks(
    trained, others_trained, verdict, n, n_left_out
):
    table = pairs_table(
        [NEAR] * 4, well_trained=trained, other_well_trained=others_trained
    )
    result = claims.rate_c1(table, UNTRAINED)
    assert result.verdict is VERDICTS[verdict]
    assert (result.met.n, result.n_left_out) == (n, n_left_out)
    assert (Caveat.QUALITY_UNKNOWN in result.caveats) == (trained is None)


def test_c13_is_not_tested_on_random_weights():
    pairs = pairs_table([NEAR, FAR, NEAR, FAR])
    result = claims.rate_c13(pairs, random_weights=True)
    assert result.obstacle == Obstacle(Cause.RANDOM_WEIGHTS)
    assert result.met == claims.rate_c13(pairs).met


def references_table(curves, null=80.0, seeds=(1, 1)):
    """Two runs to each of three references of seed 0."""
    tables = []
    for reference in ("r0", "r1", "r2"):
        table = curves_table(
            {"x": curves[0], "y": curves[1]},
            null,
            kinds={"x": "mlp", "y": "vgg"},
            seeds={"x": seeds[0], "y": seeds[1]},
        )
        tables.append(table.assign(reference=reference))
        itself = curves_table({reference: [50.0, 0.0]}, seeds={reference: 0})
        tables.append(itself.assign(reference="r0"))
    return pd.concat(tables, ignore_index=True)


FALL = [30.0, 60.0, 20.0]


@pytest.mark.parametrize(
    ("curve", "null", "verdict"),
    [
        (FALL, 80.0, "+"),
        ([30.0, 60.0, 20.1], 80.0, "-"),
        ([10.0, 12.0, 10.0], 80.0, "+"),
        ([10.0, 11.9, 10.0], 80.0, "-"),
        (FALL, [30.0, 22.0, 20.0], "0"),
        (FALL, [21.9, 21.0, 20.0], "+"),
    ],
)
def test_c5(curve, null, verdict):
    result = claims.rate_c5(references_table([curve, curve], null))
    assert result.verdict is VERDICTS[verdict]
    assert (result.met.n, result.met.n_networks) == (2, 2)
    assert effect(result, Quantity.END_ANGLE, "r1").n == 2


def test_c5_a_run_has_to_reach_every_reference():
    table = references_table([FALL, FALL])
    chosen = (
        (table["reference"] == "r2") & (table["run"] == "x") & (table["epoch"] == 1)
    )
    table.loc[chosen, "angle_deg"] = 40.0
    result = claims.rate_c5(table)
    assert (result.met.n_met, result.met.n) == (1, 2)


def test_c5_compares_with_references_of_other_seeds():
    result = claims.rate_c5(references_table([FALL, [30.0, 60.0, 50.0]], seeds=(1, 0)))
    assert (result.met.n_met, result.met.n) == (1, 1)
    alone = claims.rate_c5(references_table([FALL, FALL], seeds=(0, 0)))
    assert alone.obstacle == Obstacle(Cause.TOO_FEW_SEEDS, needed=2, found=1)


def test_c5_counts_well_trained_networks():
    table = references_table([FALL, FALL])
    badly = table.assign(well_trained=table["run"] != "x")
    result = claims.rate_c5(badly)
    assert (result.met.n, result.n_left_out) == (1, 1)
    no_reference = table.assign(well_trained=~table["run"].str.startswith("r"))
    assert claims.rate_c5(no_reference).verdict is VERDICTS["!"]


def test_effects_of_pairs():
    pairs = pairs_table([10.0, 30.0, 11.0, 17.0], [50.0, 60.0, 55.0, 55.0])
    result = claims.rate_c1(pairs)
    angle = effect(result, Quantity.ANGLE)
    assert (angle.spread, angle.estimate, angle.n) == ((10.0, 14.0, 30.0), 17.0, 4)
    null = effect(result.rung(Null.PERMUTATION), Quantity.ANGLE)
    assert null.spread == (50.0, 55.0, 60.0)
    pairs["centered_angle_deg"] = [np.nan, 42.0, np.nan, np.nan]
    centered = effect(claims.rate_c1(pairs), Quantity.CENTERED_ANGLE)
    assert (centered.estimate, centered.n) == (42.0, 1)
