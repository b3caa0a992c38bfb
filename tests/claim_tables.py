"""Made-up tables for claims, as `analysis` gives them."""

import itertools

import numpy as np
import pandas as pd

from keras_pvec.reproduction.claims import Verdict

VERDICTS = {
    "+": Verdict.REPRODUCED,
    "/": Verdict.PARTLY_REPRODUCED,
    "0": Verdict.NO_MORE_THAN_CHANCE,
    "-": Verdict.NOT_REPRODUCED,
    "~": Verdict.INCONCLUSIVE,
    "!": Verdict.PRECONDITION_NOT_MET,
    "?": Verdict.NOT_TESTED,
    "d": Verdict.DESCRIBED,
}


def curves_table(curves, null=80.0, kinds=None, seeds=None, **columns):
    """Angles epoch by epoch, from before training on.

    Args:
        curves: Angles by run.
        null: One null angle, or a curve, the same for all runs.
        kinds: Architecture by run; by default all are alike.
        seeds: Seed by run.
        **columns: Of all rows.
    """
    rows = [
        {
            "run": run,
            "model": (kinds or {}).get(run, "mlp"),
            "seed": (seeds or {}).get(run, 0),
            "well_trained": True,
            "epoch": epoch,
            "angle_deg": angle,
            "null_angle_deg": null_angle,
        }
        for run, curve in curves.items()
        for epoch, (angle, null_angle) in enumerate(
            zip(curve, np.broadcast_to(null, len(curve)), strict=True), start=-1
        )
    ]
    return pd.DataFrame(rows).assign(**columns)


def pairs_table(angles, null=60.0, n_seeds=2, **columns):
    """All pairs of different architectures, in the order of their angles.

    Args:
        angles: As many as there are pairs of two architectures, of `n_seeds` each; or
            of more architectures with one seed each if `n_seeds` is 1.
        null: One null angle, or one for each pair.
        n_seeds: Number of seeds of each architecture.
        **columns: Of all rows.
    """
    kinds = "ab" if n_seeds > 1 else "abcdefghij"
    networks = [(kind, seed) for kind in kinds for seed in range(n_seeds)]
    pairs = [
        pair for pair in itertools.combinations(networks, 2) if pair[0][0] != pair[1][0]
    ]
    pairs = pairs[: len(angles)]
    assert len(pairs) == len(angles)
    table = {
        "run": ["{}{}".format(*first) for first, _ in pairs],
        "other": ["{}{}".format(*second) for _, second in pairs],
        "group": [first[0] for first, _ in pairs],
        "other_group": [second[0] for _, second in pairs],
        "angle_deg": np.asarray(angles, float),
        "null_angle_deg": null,
        "centered_angle_deg": np.nan,
        "well_trained": True,
        "other_well_trained": True,
    }
    return pd.DataFrame(table | columns)


def effect(result, quantity, group=""):
    """The one effect of a result, part or rung, of that quantity and group."""
    (found,) = (
        e for e in result.effects if e.quantity is quantity and e.group == group
    )
    return found
