"""Independent computations that results are held against."""

import numpy as np


def lapack_vector(matrix: np.ndarray, index: int = 0) -> np.ndarray:
    """Left singular vector by LAPACK in float64, scaled against over- and underflow."""
    x = np.asarray(matrix, np.float64).reshape(len(matrix), -1)
    return np.linalg.svd(x / np.abs(x).max(), full_matrices=False)[0][:, index]


def degrees_between(u: np.ndarray, v: np.ndarray) -> float:
    """Angle of two lines by the sine and cosine of a projection, in degrees."""
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    cosine = abs(float(u @ v))
    sine = float(np.linalg.norm(u - (u @ v) * v))
    return float(np.degrees(np.arctan2(sine, cosine)))
