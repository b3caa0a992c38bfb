"""Checks of P-vectors: some are not well determined, some say little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from keras_pvec.diagnostics.findings import Finding, Kind
from keras_pvec.diagnostics.log_checks import moments_of

if TYPE_CHECKING:
    from keras_pvec.comparison import Comparison

_AMBIGUOUS_RATIO = 0.99
_INACCURATE_DEG = 1.0
_CONSTANT_COSINE = 0.9999
_FEW_SAMPLES_SHARE = 0.02


def check_vectors(log: pd.DataFrame) -> list[Finding]:
    """Findings about P-vectors that may mislead, from their log rows."""
    return [
        finding
        for _, rows in log.groupby("layer", sort=False)
        for finding in _check_layer(rows)
    ]


def kinds_of(comparison: Comparison) -> list[Kind]:
    """Ways in which the P-vectors of a comparison may mislead."""
    row = pd.DataFrame([comparison.as_row()])
    masks = {**_vector_masks(row), Kind.INACCURATE: _is_inaccurate(row)}
    return [kind for kind, mask in masks.items() if mask.any()]


def _check_layer(rows: pd.DataFrame) -> Iterator[Finding]:
    layer = rows["layer"].iloc[0]
    # The numbers of a vector are the same in the rows of all references.
    once = rows.drop_duplicates(["epoch", "step"])
    for kind, mask in _vector_masks(once).items():
        if mask.any():
            yield Finding(
                kind,
                layer=layer,
                moments=moments_of(once[mask]),
                count=int(mask.sum()),
                total=len(once),
                values=_worst(once[mask])[kind],
            )
    # The error bounds of two vectors add up, so each reference has its own.
    for reference, of_reference in rows.groupby("reference", sort=False):
        mask = _is_inaccurate(of_reference)
        if mask.any():
            yield Finding(
                Kind.INACCURATE,
                layer=layer,
                reference=reference or None,
                moments=moments_of(of_reference[mask]),
                count=int(mask.sum()),
                total=len(of_reference),
                values={
                    "angle_error_deg": float(of_reference["angle_error_deg"].max())
                },
            )


def _vector_masks(rows: pd.DataFrame) -> dict[Kind, pd.Series]:
    few = np.maximum(_FEW_SAMPLES_SHARE * rows["n_samples"], 2)
    return {
        Kind.AMBIGUOUS: rows["sigma2_over_sigma1"] > _AMBIGUOUS_RATIO,
        Kind.CONSTANT: rows["cos_ones"].abs() > _CONSTANT_COSINE,
        Kind.FEW_SAMPLES: rows["participation"] < few,
    }


def _is_inaccurate(rows: pd.DataFrame) -> pd.Series:
    """Where the error bound is large, although the vector itself is not ambiguous."""
    is_ambiguous = _vector_masks(rows)[Kind.AMBIGUOUS]
    return (rows["angle_error_deg"] > _INACCURATE_DEG) & ~is_ambiguous


def _worst(rows: pd.DataFrame) -> dict[Kind, dict[str, float]]:
    """The numbers that each kind of finding reports."""
    return {
        Kind.AMBIGUOUS: {
            "sigma2_over_sigma1": float(rows["sigma2_over_sigma1"].max()),
            "angle_error_deg": float(rows["angle_error_deg"].max()),
        },
        Kind.CONSTANT: {"cos_ones": float(rows["cos_ones"].abs().max())},
        Kind.FEW_SAMPLES: {
            "participation": float(rows["participation"].min()),
            "n_samples": float(rows["n_samples"].max()),
        },
    }
