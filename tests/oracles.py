"""Independent computations that results are held against."""

from collections.abc import Mapping, Sequence

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


# Weights of the layers of a network by name, in the order in which Keras has them.
Weights = Mapping[str, Sequence[np.ndarray]]


def convolved(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """Convolution of `(n, height, width, channels)` with zeros around, so that a stride
    of one keeps the size; what is odd of them comes after the image."""
    size = len(kernel)
    sides = x.shape[1:3]
    out = [-(-side // stride) for side in sides]
    missing = [
        max((o - 1) * stride + size - s, 0) for o, s in zip(out, sides, strict=True)
    ]
    x = np.pad(x, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])
    y = np.zeros((len(x), *out, kernel.shape[-1]))
    for i, j in np.ndindex(size, size):
        rows = slice(i, i + (out[0] - 1) * stride + 1, stride)
        columns = slice(j, j + (out[1] - 1) * stride + 1, stride)
        y += x[:, rows, columns] @ kernel[i, j]
    return y


def mlp_features(
    weights: Weights, x: np.ndarray, depth: int = 3
) -> dict[str, np.ndarray]:
    """Outputs of the hidden layers of an MLP by name."""
    features = {}
    x = x.reshape(len(x), -1)
    for name in [*(f"block_{i}" for i in range(1, depth)), "features"]:
        kernel, bias = weights[name]
        features[name] = x = np.maximum(x @ kernel + bias, 0)
    return features


def autoencoder_features(weights: Weights, x: np.ndarray) -> dict[str, np.ndarray]:
    """Channel means of the blocks of the convolutional encoder, and the bottleneck."""
    features = {}
    for name in ("block_1", "block_2", "block_3"):
        kernel, bias = weights[name]
        x = np.maximum(convolved(x, kernel, 2) + bias, 0)
        features[name] = x.mean((1, 2))
    kernel, bias = weights["bottleneck"]
    features["bottleneck"] = x.reshape(len(x), -1) @ kernel + bias
    return features


def resnet18_features(weights: Weights, x: np.ndarray) -> dict[str, np.ndarray]:
    """Channel means of the blocks of a ResNet-18 in inference mode."""

    def convolved_and_normalized(x: np.ndarray, name: str, stride: int) -> np.ndarray:
        (kernel,) = weights[f"{name}_conv"]
        gamma, beta, mean, variance = weights[f"{name}_norm"]
        y = convolved(x, kernel, stride)
        return (y - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    features = {}
    x = np.maximum(convolved_and_normalized(x, "stem", 1), 0)
    for i in range(1, 9):
        name, stride = f"block_{i}", 2 if i in (3, 5, 7) else 1
        y = np.maximum(convolved_and_normalized(x, f"{name}_1", stride), 0)
        y = convolved_and_normalized(y, f"{name}_2", 1)
        if stride > 1:
            x = convolved_and_normalized(x, f"{name}_shortcut", stride)
        x = np.maximum(x + y, 0)
        features[name] = x.mean((1, 2))
    features["avg_pool"] = features[name]
    return features
