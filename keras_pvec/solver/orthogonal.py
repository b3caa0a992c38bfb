"""Orthonormal rows."""

from __future__ import annotations

import numpy as np


def orthonormal_complement(
    candidates: np.ndarray, basis: np.ndarray, smallest: float
) -> np.ndarray:
    """Orthonormal rows that span what `candidates` add to a basis.

    Args:
        candidates: Shape `(candidates, n_features)`.
        basis: Orthonormal rows, shape `(m, n_features)`.
        smallest: Candidates of at most this norm are left out.

    Returns:
        Shape `(r, n_features)`, with `r` at most the number of candidates.
    """
    lengths = np.linalg.norm(candidates, axis=1)
    rows = (candidates / np.maximum(lengths, 1e-300)[:, None])[lengths > smallest]
    rows = rows[: basis.shape[1] - len(basis)]
    for _ in range(2):  # "twice is enough" (Parlett)
        rows = rows - (rows @ basis.T) @ basis
        rows = orthonormal_rows(rows)
    return rows


def orthonormal_rows(rows: np.ndarray) -> np.ndarray:
    """Orthonormal rows that span a few rows of at most unit norm, by Gram-Schmidt.

    Rows that earlier ones span are left out: what remains is only rounding errors.
    """
    found = np.empty_like(rows)
    n = 0
    for row in rows:
        row = row - (found[:n] @ row) @ found[:n]
        length = np.linalg.norm(row)
        if length > 1e-8:
            found[n] = row / length
            n += 1
    return found[:n]
