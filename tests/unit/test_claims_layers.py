"""C7, C9 and C12 on made-up tables: both sides of each threshold and each rung."""

import itertools

import numpy as np
import pandas as pd
import pytest
from claim_tables import VERDICTS, curves_table, effect, pairs_table

from keras_pvec.reproduction import claims
from keras_pvec.reproduction.claims import (
    Aspect,
    Cause,
    Null,
    Obstacle,
    Quantity,
    Verdict,
)


def blocks_table(first, last, null_first=None, null_last=None, n_runs=2):
    """Angles by block in the first, a middle and the last epoch."""
    rows = []
    for run, (epoch, angles, nulls) in itertools.product(
        range(n_runs),
        ((0, first, null_first), (4, [50.0] * len(first), None), (9, last, null_last)),
    ):
        rows += [
            {
                "run": f"run {run}",
                "model": "resnet18",
                "epoch": epoch,
                "block": block,
                "angle_deg": angle,
                "null_angle_deg": 70.0 if nulls is None else nulls[block - 1],
            }
            for block, angle in enumerate(angles, start=1)
        ]
    return pd.DataFrame(rows)


RISING = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
ARCH = [10.0, 20.0, 30.0, 40.0, 35.0, 30.0]


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        (blocks_table(RISING, ARCH), "+"),
        (blocks_table(RISING, RISING[::-1]), "+"),
        (blocks_table(RISING, RISING), "-"),
        (blocks_table(ARCH, RISING), "-"),
        # The slopes of both nulls differ as those of the angles do.
        (blocks_table(RISING, ARCH, RISING, ARCH), "0"),
        (blocks_table(RISING, ARCH, RISING, RISING), "+"),
    ],
)
def test_c7(table, verdict):
    result = claims.rate_c7(table)
    assert result.verdict is VERDICTS[verdict]


def test_c7_slopes_are_those_of_least_squares():
    result = claims.rate_c7(blocks_table(RISING, ARCH))
    slope = np.polyfit(np.arange(1, 7), ARCH, 1)[0]
    assert effect(result, Quantity.EARLY_SLOPE).estimate == pytest.approx(10)
    assert effect(result, Quantity.LATE_SLOPE).estimate == pytest.approx(slope)
    assert effect(result, Quantity.SLOPE_CHANGE).estimate == pytest.approx(slope - 10)


@pytest.mark.parametrize(
    ("change", "p", "meets"),
    [
        # Of four blocks, one order of 24 falls as steeply; of three, one of six.
        ([0.0, -1.0, -2.0, -3.0], 1 / 24, False),
        ([0.0, -1.0, -2.0], 1 / 6, True),
        # Slopes of all orders of 0, 0, 0, -4: a quarter puts it at the end.
        ([0.0, 0.0, 0.0, -4.0], 1 / 4, True),
    ],
)
def test_c7_the_order_of_few_blocks_explains_a_slope(change, p, meets):
    first = np.full(len(change), 50.0)
    result = claims.rate_c7(blocks_table(first, first + change))
    rung = result.rung(Null.BLOCK_ORDER)
    assert effect(rung, Quantity.BLOCK_ORDER_P).estimate == pytest.approx(p)
    assert rung.meets == meets
    assert result.verdict is VERDICTS["0" if meets else "+"]


def test_c7_orders_of_many_blocks_are_drawn():
    """The last block of ten alone differs, as in a tenth of the orders."""
    last = [50.0] * 9 + [40.0]
    rung = claims.rate_c7(blocks_table([50.0] * 10, last)).rung(Null.BLOCK_ORDER)
    found = effect(rung, Quantity.BLOCK_ORDER_P).estimate
    assert found == pytest.approx(0.1, abs=0.015)


def test_c7_needs_blocks():
    few = blocks_table(RISING[:2], ARCH[:2])
    for table, found in ((few, 2), (few.iloc[:0], 0)):
        obstacle = Obstacle(Cause.TOO_FEW_BLOCKS, needed=3, found=found)
        assert claims.rate_c7(table).obstacle == obstacle


def vectors_table(first, others, null=80.0):
    """Angles of singular vectors to the last of ten epochs, constant until then."""
    tables = []
    for index, angle in enumerate([first, *others], start=1):
        curve = [90.0, *([angle] * 9), 0.0]
        curves = dict.fromkeys(("a0", "b0"), curve)
        table = curves_table(curves, null, kinds={"a0": "a", "b0": "b"})
        tables.append(table.assign(index=index))
    return pd.concat(tables, ignore_index=True)


def between_table(first, others, null=80.0, null_others=80.0):
    angles = [first, *others]
    nulls = [null] + [null_others] * len(others)
    return pd.concat(
        [
            pairs_table(
                [angle], null_angle, n_seeds=1, index=index,
                best_match_angle_deg=angle - 5, subspace_angle_deg=angle + 5,
            ).replace({"a0": "a0"})
            for index, (angle, null_angle) in enumerate(
                zip(angles, nulls, strict=True), start=1
            )
        ],
        ignore_index=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "others", "holds"),
    [
        (20.0, [45.0, 60.0], True),
        (20.1, [45.0, 60.0], False),
        (20.0, [44.9, 60.0], False),
        (20.0, [60.0, 60.0, 60.0, 60.0, 10.0], True),  # the sixth has no say
    ],
)
def test_c9(first, others, holds):
    """Between networks, and to the own end: each part by itself, then both."""
    good = 10.0, [80.0] * 2
    for own, between, verdict in (
        ((first, others), (first, others), "+" if holds else "-"),
        (good, (first, others), "+" if holds else "/"),
        ((first, others), good, "+" if holds else "/"),
    ):
        result = claims.rate_c9(vectors_table(*own), between_table(*between))
        assert result.verdict is VERDICTS[verdict]
    parts = [part.aspect for part in result.parts]
    assert parts == [Aspect.BETWEEN, Aspect.OWN_END]
    assert [part.met.n for part in result.parts] == [1, 2]


def test_c9_without_other_networks():
    result = claims.rate_c9(vectors_table(10.0, [80.0]))
    assert [part.aspect for part in result.parts] == [Aspect.OWN_END]


def test_c9_the_null_may_tell_the_first_vector_from_the_others():
    """The first has a large component along the constant vector, so that its null
    angle is small."""
    table = vectors_table(10.0, [80.0])
    nulls = np.where(table["index"] == 1, 19.0, 85.0)
    result = claims.rate_c9(
        table.assign(null_angle_deg=nulls), between_table(10.0, [80.0], null=19.0)
    )
    assert result.verdict is Verdict.NO_MORE_THAN_CHANCE
    assert result.explained_by == (Null.PERMUTATION,)


def test_c9_best_match_and_span_stand_beside():
    result = claims.rate_c9(
        vectors_table(10.0, [80.0]), between_table(10.0, [80.0, 60.0])
    )
    assert effect(result, Quantity.OTHER_VECTORS_ANGLE).estimate == 60.0
    assert effect(result, Quantity.BEST_MATCH_ANGLE).estimate == 65.0
    assert effect(result, Quantity.SPAN_ANGLE).estimate == 75.0


def test_c9_looks_at_the_middle_of_a_training():
    """From the first to the eighth of ten epochs, by the median."""
    table = vectors_table(10.0, [80.0])
    own = claims.rate_c9(table).parts[0]
    late = table["epoch"].between(8, 9) | (table["epoch"] == -1)
    table.loc[late, "angle_deg"] = 1.0
    assert claims.rate_c9(table).parts[0] == own
    table.loc[table["epoch"] < 5, "angle_deg"] = 1.0  # five of eight
    assert claims.rate_c9(table).parts[0] != own


def test_c9_needs_other_vectors():
    result = claims.rate_c9(vectors_table(10.0, []))
    assert result.obstacle == Obstacle(Cause.TOO_FEW_VECTORS, needed=2, found=1)


def test_c12_is_described_under_three_definitions():
    rows = [
        {
            "run": "a",
            "model": "mlp",
            "epoch": epoch,
            "k": k,
            "explained": share + 0.05 * (k - 1),
            "pca_share": 0.2 + epoch / 10,
            "score_variance_share": 0.1,
        }
        for epoch, share in ((-1, 0.1), (0, 0.4), (1, 0.6))
        for k in (1, 2, 3)
    ]
    result = claims.rate_c12(pd.DataFrame(rows))
    assert result.verdict is Verdict.DESCRIBED
    for quantity, group, value in (
        (Quantity.EXPLAINED, "k=1", 0.4),  # the smallest after an epoch
        (Quantity.END_EXPLAINED, "k=1", 0.6),
        (Quantity.END_EXPLAINED, "k=3", 0.7),
        (Quantity.PCA_SHARE, "", 0.3),
        (Quantity.SCORE_VARIANCE_SHARE, "", 0.1),
    ):
        assert effect(result, quantity, group).estimate == pytest.approx(value)
