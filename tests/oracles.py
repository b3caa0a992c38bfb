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


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear resize of `(height, width, channels)` with antialiasing, in float64: a
    triangle filter around the centre of each new pixel, as wide as the coarser grid."""

    def weights(n: int, n_new: int) -> np.ndarray:
        scale = n / n_new
        centres = (np.arange(n_new) + 0.5) * scale - 0.5
        distances = np.abs(centres[:, None] - np.arange(n)) / max(scale, 1)
        triangles = np.maximum(1 - distances, 0)
        return triangles / triangles.sum(axis=1, keepdims=True)

    rows, columns = map(weights, image.shape[:2], size)
    image = image.astype(np.float64)
    return np.einsum("hi,wj,ijc->hwc", rows, columns, image, optimize=True)
