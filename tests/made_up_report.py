"""A report of made-up tables and results, of two models with two seeds each."""

import base64

import numpy as np
import pandas as pd
from made_up_results import all_verdicts

from keras_pvec.reproduction import report
from keras_pvec.reproduction.claims import CLAIMS

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
SEEDS = (0, 1)
N_EPOCHS = 12


def angle_to_final(models=("mlp", "resnet18"), n_epochs=N_EPOCHS):
    """A table of curves: model `i` with seed `s` begins at `80 - 10 * i - s` degrees
    and falls linearly to 0; the null is 5 degrees above, and the column-centred angle
    half of the angle."""
    rows = []
    for i, model in enumerate(models):
        for seed in SEEDS:
            for epoch, share in enumerate(np.linspace(1, 0, n_epochs)):
                angle = (80 - 10 * i - seed) * share
                rows.append(
                    {
                        "run": f"{model}, seed {seed}",
                        "model": model,
                        "seed": seed,
                        "epoch": epoch,
                        "step": 10 * epoch,
                        "reference": "final",
                        "split": "train",
                        "angle_deg": angle,
                        "null_angle_deg": angle + 5,
                        "null_low_deg": angle + 4,
                        "null_high_deg": angle + 6,
                        "centered_angle_deg": angle / 2,
                    }
                )
    return pd.DataFrame(rows)


def angle_matrix(models=("mlp", "resnet18")):
    """A table of pairs, the `k`-th with `10 + k` degrees."""
    runs = [(model, f"{model}, seed {seed}") for model in models for seed in SEEDS]
    pairs = [(a, b) for i, a in enumerate(runs) for b in runs[i + 1 :]]
    return pd.DataFrame(
        {
            "run": [a for (_, a), _ in pairs],
            "other": [b for _, (_, b) in pairs],
            "group": [group for (group, _), _ in pairs],
            "other_group": [group for _, (group, _) in pairs],
            "angle_deg": 10.0 + np.arange(len(pairs)),
            "null_angle_deg": 85.0,
            "z": 30.0,
            "centered_angle_deg": 40.0,
        }
    )


def section(folder, tables, title="made-up data", results=None):
    """A section with a chart for each table, and results under all readings.

    Args:
        folder: An empty folder, for the figures.
        tables: By name; those of `angle_to_final` and `angle_matrix`.
        title: Title of the section.
        results: Under all readings; default, `all_verdicts()`.
    """
    results = all_verdicts() if results is None else results
    picture = folder / "picture.png"
    picture.write_bytes(PNG)
    tested = {result.claim: result for result in results}
    specification = report.Specification(
        results, picture, {claim: picture for claim in tested if claim != "C13"}
    )
    claims = [r for r in results if r.reading == CLAIMS[r.claim].primary]
    shown = [r for r in claims if r.claim in ("C1", "C2", "C3")]
    charts = report.charts_of(tables, shown)
    names = tuple(result.claim for result in shown)
    figures = {
        f"convergence: {name}": report.ReportFigure(picture, names, charts.get(name))
        for name in tables
    }
    return report.Section(title, claims, figures, [], specification=specification)
