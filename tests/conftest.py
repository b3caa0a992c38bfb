"""What several test modules need: matrices of known spectra, and real data."""

import os
import tempfile
from collections.abc import Callable

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# A cache of the tests' own, which goes with them.
_CACHE = tempfile.TemporaryDirectory(prefix="keras_pvec_cache_")
os.environ["KERAS_PVEC_CACHE"] = _CACHE.name


# Builder options that make every model quick to train.
SMALL_MODELS = {
    "mlp": {"width": 8},
    "resnet": {"width": 4},
    "wide_resnet": {"depth": 10, "widen": 1},
    "vgg": {"width": 4},
    "densenet": {"growth": 2},
    "autoencoder": {"width": 4},
    "denoising_autoencoder": {"width": 4},
    "dense_autoencoder": {"width": 8},
    "simclr": {"encoder": "resnet", "encoder_options": {"width": 4}},
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def with_spectrum(rng: np.random.Generator) -> Callable[..., np.ndarray]:
    """Makes a matrix with given singular values between random orthonormal vectors."""

    def make(n_samples: int, n_features: int, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values, float)
        u = np.linalg.qr(rng.standard_normal((n_samples, values.size)))[0]
        v = np.linalg.qr(rng.standard_normal((n_features, values.size)))[0]
        return (u * values) @ v.T

    return make


@pytest.fixture(scope="session")
def tfds_dir() -> str:
    """A tensorflow-datasets folder with real data; tests that need it are skipped
    where `TFDS_DATA_DIR` does not name one."""
    folder = os.environ.get("TFDS_DATA_DIR")
    if not folder or not os.path.isdir(folder):
        pytest.skip("TFDS_DATA_DIR names no folder with real data")
    return folder


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
