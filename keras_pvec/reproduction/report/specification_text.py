"""Specification curves in words."""

from __future__ import annotations

import pandas as pd

from keras_pvec.reproduction.figures import factor_label, quantity_label

HOW_TO_READ_READINGS = (
    "The paper's words can be turned into numbers in several ways. The primary reading "
    "takes them literally; the others change one factor at a time, and most of them "
    "centring as well. The share of readings that meet a claim says how much a verdict "
    "depends on the choice. It is no probability: all readings use the same runs. "
    "Shuffled rows are a known mistake, shown for comparison and not counted. The "
    "deciding factor is the one that changes the verdict most often when it alone "
    "leaves its primary level."
)


def summary_text(summary: pd.Series) -> str:
    """How many readings meet a claim, the median effect, and which factor decides.

    Args:
        summary: A row of `specification_summary`.
    """
    n_readings, n_rated = summary["n_readings"], summary["n_rated"]
    if not n_rated:
        return f"None of {n_readings} readings is rated."
    text = f"{summary['n_met']} of {n_rated} rated readings "
    text += f"({summary['share_met']:.0%}) meet the claim, at least in part"
    if n_rated < n_readings:
        text += f"; {n_readings - n_rated} more are not rated"
    parts = [text]
    if pd.notna(summary["median_effect"]):
        name = quantity_label(summary["quantity"], "")
        value = f"{summary['median_effect']:.2f} {summary['unit']}".strip()
        parts.append(f"Median {name}: {value}")
    parts += _factors(summary)
    return ". ".join(parts) + "."


def _factors(summary: pd.Series) -> list[str]:
    deciding, moving = summary["deciding_factor"], summary["moving_factor"]
    parts = []
    if pd.isna(deciding):
        parts.append("No single factor changes the verdict")
    else:
        parts.append(
            f"Deciding factor: {factor_label(deciding)}, which changes the verdict in "
            f"{summary['n_flips']} of {summary['n_changes']} comparisons"
        )
    if pd.notna(moving):
        value = f"{summary['mean_shift']:.2f} {summary['unit']}".strip()
        parts.append(f"Largest shift: {factor_label(moving)}, {value} on average")
    return parts
