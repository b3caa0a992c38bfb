"""Tables of stored runs, and verdicts on made-up tables whose outcome is known."""

import numpy as np
import pandas as pd
import pytest

import keras_pvec as kp
from keras_pvec import analysis
from keras_pvec.store import RunFolder, log_row


def made_up_angles(curves, nulls):
    """A table of `angles_to_final` from one curve and one null angle per run."""
    rows = [
        {"run": run, "epoch": epoch, "angle_deg": angle, "null_angle_deg": nulls[run]}
        for run, curve in curves.items()
        for epoch, angle in enumerate(curve, start=-1)
    ]
    return pd.DataFrame(rows)


def made_up_pairs(angles, null):
    return pd.DataFrame(
        {"angle_deg": angles, "null_angle_deg": null, "centered_angle_deg": np.nan}
    )


FALLING = [75.0, 60.0, 40.0, 20.0, 9.0, 5.0, 0.0]


@pytest.mark.parametrize(
    ("curves", "null", "pairs", "pair_null", "verdicts"),
    [
        # All as the paper says, far below the null.
        ({"a": FALLING, "b": FALLING}, 80.0, [12.0], 60.0, ["+", "+", "+"]),
        # The same angles, but chance gives angles as small.
        ({"a": FALLING, "b": FALLING}, 8.0, [12.0], 15.0, ["0", "+", "0"]),
        # Starts small; one pair far apart.
        ({"a": [30.0, *FALLING[1:]], "b": FALLING}, 80, [12.0, 40.0], 60, "--+"),
        # Does not fall.
        ({"a": [75.0, 9.0, 60.0, 8.0, 70.0, 9.0, 0.0]}, 80.0, [12.0], 60.0, "+--"),
        # One run alone: nothing to compare it with.
        ({"a": FALLING}, 80.0, [], 60.0, ["?", "+", "+"]),
    ],
)
def test_verdicts(curves, null, pairs, pair_null, verdicts):
    meaning = {
        "+": analysis.REPRODUCED,
        "0": analysis.NULL_EXPLAINS,
        "-": analysis.NOT_REPRODUCED,
        "?": analysis.NOT_TESTED,
    }
    angles = made_up_angles(curves, dict.fromkeys(curves, null))
    claims = analysis.convergence_claims(angles, made_up_pairs(pairs, pair_null))
    assert list(claims["claim"]) == ["C1", "C2", "C3"]
    assert list(claims["verdict"]) == [meaning[v] for v in verdicts]


def test_a_single_epoch_is_not_too_short():
    angles = made_up_angles({"a": [50.0, 0.0]}, {"a": 60.0})
    claims = analysis.convergence_claims(angles, made_up_pairs([], 0))
    assert list(claims["verdict"])[1:] == [analysis.NOT_REPRODUCED] * 2


def test_null_band_holds_95_percent_of_random_orders():
    rng = np.random.default_rng(0)
    p = kp.p_vector((rng.random(400) + 0.5)[:, None])
    q = kp.p_vector((rng.random(400) ** 2)[:, None])
    comparison = kp.compare(p, q)
    table = pd.DataFrame([vars(comparison)])
    band = analysis.with_null_band(table).iloc[0]
    cosines = [p.vector @ rng.permutation(q.vector) for _ in range(20000)]
    angles = np.degrees(np.arccos(cosines))
    inside = np.mean((angles > band["null_low_deg"]) & (angles < band["null_high_deg"]))
    np.testing.assert_allclose(inside, 0.95, atol=0.01)
    np.testing.assert_allclose(np.mean(angles), band["null_angle_deg"], rtol=0.01)


def test_tables_of_runs(tmp_path):
    """Two runs of three epochs, the second with a moment within its first epoch."""
    rng = np.random.default_rng(0)
    vectors = {}
    runs = []
    for seed in (0, 1):
        folder = RunFolder(tmp_path / str(seed))
        folder.update_info(settings={"model": "mlp", "seed": seed})
        moments = [(-1, 0), (0, 10), (1, 20)]
        for moment in moments if seed == 0 else [*moments[:1], (0, 5), *moments[1:]]:
            p = kp.p_vector(rng.random((50, 6)), layer="features")
            row = log_row(moment, p, "", kp.compare(p, p))
            folder.write_moment(moment, {"features": p}, [row])
            vectors[seed, moment] = p
        runs.append(kp.open_run(folder.path))

    angles = analysis.angles_to_final(runs)
    assert list(angles["run"]) == ["mlp, seed 0"] * 3 + ["mlp, seed 1"] * 3
    assert list(angles["epoch"]) == [-1, 0, 1] * 2
    last = vectors[1, (1, 20)]
    expected = [kp.angle(vectors[1, m], last) for m in ((-1, 0), (0, 10), (1, 20))]
    np.testing.assert_allclose(angles["angle_deg"][3:], expected)

    pairs = analysis.angles_between(runs)
    assert len(pairs) == 1
    expected = kp.angle(vectors[0, (1, 20)], last)
    np.testing.assert_allclose(pairs["angle_deg"], [expected])
    assert analysis.angles_between(runs[:1]).empty
