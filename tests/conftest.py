"""What several test modules need: matrices of known spectra, and real data."""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (its BLAS has to be loaded to be limited)
from threadpoolctl import threadpool_limits

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Caches of the tests' own, which go with them; Keras reads its variable on import.
_CACHE = tempfile.TemporaryDirectory(prefix="keras_pvec_cache_")
os.environ["KERAS_PVEC_CACHE"] = _CACHE.name
_KERAS_HOME = tempfile.TemporaryDirectory(prefix="keras_home_")
os.environ["KERAS_HOME"] = _KERAS_HOME.name


def pytest_collection_finish() -> None:
    """Exempts what is imported by now, mostly TensorFlow, from garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def short_garbage_collections() -> Iterator[None]:
    """Exempts what outlives a module, such as the graphs that TensorFlow keeps.
    Otherwise each collection visits them all, and the last modules take three times
    as long as the first ones."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def single_threaded_blas() -> Iterator[None]:
    """Keeps OpenBLAS to one thread: on a busy machine its threads wait for each other,
    and the reference SVDs of the tests take ten times as long."""
    with threadpool_limits(1, user_api="blas"):
        yield


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
