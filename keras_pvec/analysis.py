"""Tables made of stored runs. Angles are in degrees: 0 = the same, 90 = unrelated.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.pvector import Comparison, compare, null_cosine_moments
from keras_pvec.store import Run

# Of a normal distribution, this many standard deviations hold 95%.
_BAND_STD = 1.96

# A training nears its end when this share of its epochs is done.
_END = 0.9

REPRODUCED = "reproduced"
NULL_EXPLAINS = "reproduced, but no more than the null explains"
NOT_REPRODUCED = "not reproduced"
NOT_TESTED = "not tested"


def run_label(run: Run) -> str:
    """What a run is called in tables and figures, e.g. `"resnet, seed 0"`."""
    settings = run.info.get("settings", {})
    if "model" not in settings:
        return run.path.name
    return f"{settings['model']}, seed {settings['seed']}"


def angles_to_final(runs: Sequence[Run]) -> pd.DataFrame:
    """Angle of each run's feature layer to its own last epoch, epoch by epoch.

    Returns:
        One row per run and epoch (-1 is before training), with the columns of
        `log.csv`, `run`, `model`, `seed`, and the 95% band of the null angle.
    """
    tables = []
    for run in runs:
        settings = run.info.get("settings", {})
        table = run.angles(to="final", layer=run.layers[0])
        # Moments within an epoch are another study's; keep the one that ends it.
        table = table.groupby("epoch", as_index=False).last()
        table.insert(0, "run", run_label(run))
        table.insert(1, "model", settings.get("model", run.path.name))
        table.insert(2, "seed", settings.get("seed"))
        tables.append(table)
    return with_null_band(pd.concat(tables, ignore_index=True))


def angles_between(runs: Sequence[Run]) -> pd.DataFrame:
    """Angles between the last epochs of all pairs of runs.

    Returns:
        One row per unordered pair of different runs, with `run`, `other`, the columns
        of a comparison, and the 95% band of the null angle.
    """
    final = {run_label(run): run.p_vector("final", run.layers[0]) for run in runs}
    rows = [
        {"run": a, "other": b, **dataclasses.asdict(compare(final[a], final[b]))}
        for a, b in itertools.combinations(final, 2)
    ]
    columns = ["run", "other", *(f.name for f in dataclasses.fields(Comparison))]
    return with_null_band(pd.DataFrame(rows, columns=columns))


def with_null_band(table: pd.DataFrame) -> pd.DataFrame:
    """Adds `null_low_deg` and `null_high_deg`: where 95% of the angles would lie if the
    samples of one side were in random order."""
    mean, std = null_cosine_moments(
        table["cos_ones"].astype(float),
        table["cos_ones_reference"].astype(float),
        table["n_samples"],
    )
    edges = [np.clip(np.abs(mean) + s * _BAND_STD * std, 0, 1) for s in (1, -1)]
    low, high = (np.degrees(np.arccos(edge)) for edge in edges)
    return table.assign(null_low_deg=low, null_high_deg=high)


def convergence_claims(angles: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Rates C1 to C3 by criteria that are fixed here, before any number is seen.

    A claim that the null angles would satisfy as well is rated as no more than the
    null explains.

    Args:
        angles: As `angles_to_final` gives them.
        pairs: As `angles_between` gives them.

    Returns:
        One row per claim: `claim`, `statement`, `criterion`, `measured`, `null`,
        `verdict`.
    """
    trend, before, late = [], [], []
    for _, run in angles.groupby("run"):
        run = run.sort_values("epoch")
        # The angle of the last epoch to itself is zero by definition.
        open_part = run.iloc[:-1]
        before.append(run.iloc[0])
        near_end = min(_END * (run["epoch"].max() + 1), open_part["epoch"].max() + 1)
        late.append(open_part[open_part["epoch"] + 1 >= near_end])
        trend.append(_rank_correlation(open_part["epoch"], open_part["angle_deg"]))
    before, late = pd.DataFrame(before), pd.concat(late)
    return pd.DataFrame(
        [
            _small_angles_claim(pairs),
            {
                "claim": "C2",
                "statement": "Training from scratch, the angle to the well-trained "
                "model starts large and falls.",
                "criterion": "before training at least 60 degrees in every run, and "
                "rank correlation of angle and epoch at most -0.8 in every run",
                "measured": f"before training {_range(before['angle_deg'])}; rank "
                f"correlation {_range(trend, '')}",
                "null": f"before training {_range(before['null_angle_deg'])}",
                "verdict": _verdict(
                    (before["angle_deg"] >= 60).all() and max(trend) <= -0.8
                ),
            },
            {
                "claim": "C3",
                "statement": "Every architecture and supervision follows the same "
                "curve, which ends under 10 degrees.",
                "criterion": "at most 10 degrees in every run in the last tenth of "
                "its epochs, and rank correlation of angle and epoch at most -0.8",
                "measured": f"in the last tenth {_range(late['angle_deg'])}; "
                f"rank correlation {_range(trend, '')}",
                "null": f"in the last tenth {_range(late['null_angle_deg'])}",
                "verdict": _verdict(
                    (late["angle_deg"] <= 10).all() and max(trend) <= -0.8,
                    null_passes=(late["null_angle_deg"] <= 10).all(),
                ),
            },
        ]
    )


def _small_angles_claim(pairs: pd.DataFrame) -> dict[str, str]:
    claim = {
        "claim": "C1",
        "statement": "Any two well-trained networks of one data set have a "
        "small angle.",
        "criterion": "at most 20 degrees (cosine 0.94) for every pair of runs",
    }
    if pairs.empty:
        needs = "needs at least two runs"
        return {**claim, "measured": needs, "null": "", "verdict": NOT_TESTED}
    verdict = _verdict(
        (pairs["angle_deg"] <= 20).all(),
        null_passes=(pairs["null_angle_deg"] <= 20).all(),
    )
    measured = f"{_range(pairs['angle_deg'])} over {len(pairs)} pairs"
    if pairs["centered_angle_deg"].notna().any():
        measured += f"; centred {_range(pairs['centered_angle_deg'].dropna())}"
    return {
        **claim,
        "measured": measured,
        "null": _range(pairs["null_angle_deg"]),
        "verdict": verdict,
    }


def _verdict(holds: bool, null_passes: bool = False) -> str:
    if not holds:
        return NOT_REPRODUCED
    return NULL_EXPLAINS if null_passes else REPRODUCED


def _rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Spearman's; 0 where it is not defined (fewer than three points, or constant)."""
    if len(x) < 3 or y.nunique() < 2:
        return 0.0
    return float(stats.spearmanr(x, y).statistic)


def _range(values: Sequence[float], unit: str = " degrees") -> str:
    low, high = min(values), max(values)
    if len(values) == 1:
        return f"{low:.2f}{unit}"
    return f"{low:.2f} to {high:.2f}{unit} (median {np.median(values):.2f})"
