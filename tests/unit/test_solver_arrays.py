"""Arrays of every library: the same numbers, on any Keras backend or none."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from oracles import degrees_between, lapack_vector

import keras_pvec as kp
from keras_pvec.solver import exact_singular_triplets, top_singular_triplets
from keras_pvec.solver.arrays import library_of, to_numpy

LIBRARIES = ["numpy", "tensorflow", "jax", "torch"]


def make_array(library, x, dtype=None):
    """An array of a library, cast to one of its types by name."""
    module = pytest.importorskip(library)
    if library == "tensorflow":
        return module.cast(x, dtype or x.dtype)
    if library == "torch":
        return module.tensor(x, dtype=getattr(module, dtype or str(x.dtype)))
    if library == "jax":
        return module.numpy.asarray(x, dtype)
    return x.astype(dtype or x.dtype)


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    return np.maximum(rng.standard_normal((300, 120)), 0).astype(np.float32)


@pytest.mark.parametrize("method", ["fast", "exact"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_the_p_vector_of_numpy(library, method, x):
    array = make_array(library, x)
    truth = lapack_vector(x)
    images = make_array(library, x.reshape(300, 4, 30))
    for features in (array, images):
        found = kp.p_vector(features, method=method)
        assert found.n_features == 120
        assert degrees_between(found.vector, truth) <= found.error_deg[0] + 1e-10


@pytest.mark.parametrize("library", ["tensorflow", "jax", "torch"])
def test_bfloat16_is_the_matrix_that_it_holds(library, x):
    array = make_array(library, x, "bfloat16")
    held = to_numpy(array)
    assert held.dtype == np.float32
    np.testing.assert_allclose(held, x, rtol=2**-8)
    truth = lapack_vector(held)
    streams = iter([array[:100], array[100:]])  # kept in a file
    for found in (kp.p_vector(array), kp.p_vector(streams)):
        assert degrees_between(found.vector, truth) <= found.error_deg[0] <= 1e-3


@pytest.mark.parametrize("make", ["tensor", "parameter", "subclass"])
def test_torch_tensors_that_require_gradients(make, x):
    torch = pytest.importorskip("torch")

    class Features(torch.Tensor):
        pass

    tensor = torch.tensor(x, requires_grad=True)
    features = {
        "tensor": tensor,
        "parameter": torch.nn.Parameter(tensor.detach()),
        "subclass": tensor.as_subclass(Features),
    }[make]
    for method in ("fast", "exact"):
        found = kp.p_vector(features, method=method)
        assert (
            degrees_between(found.vector, lapack_vector(x)) <= found.error_deg + 1e-10
        )
    assert features.requires_grad
    assert tensor.grad is None


@pytest.mark.parametrize("library", ["tensorflow", "jax", "torch"])
def test_arrays_on_an_accelerator_are_multiplied_where_they_are(
    library, x, monkeypatch
):
    """What runs on an accelerator, here on the CPU."""
    expected = top_singular_triplets([x])
    blocks = [make_array(library, x[:200]), make_array(library, x[200:])]
    module = library_of(blocks[0])
    monkeypatch.setattr(module, "is_on_accelerator", lambda array: True)
    found = top_singular_triplets(blocks)
    error = degrees_between(found.left[:, 0], lapack_vector(x))
    assert error <= found.error_deg[0] <= 1e-3
    assert degrees_between(found.centered_left, expected.centered_left) <= (
        found.centered_error_deg + expected.centered_error_deg
    )
    np.testing.assert_allclose(found.row_norms, expected.row_norms, rtol=1e-6)
    with pytest.raises(ValueError, match=r"NaN.*row 207"):
        changed = x[200:].copy()
        changed[7, 3] = np.nan
        top_singular_triplets([blocks[0], make_array(library, changed)])
    with pytest.raises(ValueError):
        top_singular_triplets([make_array(library, x[0])])
    images = make_array(library, x.reshape(300, 4, 30))
    flat = top_singular_triplets([images])
    assert degrees_between(flat.left[:, 0], found.left[:, 0]) < 1e-3
    with pytest.raises(ValueError, match="complex64"):
        top_singular_triplets([make_array(library, x, "complex64")])


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
@pytest.mark.parametrize("library", LIBRARIES)
def test_products_are_those_of_float64(library, scale, x, monkeypatch):
    """Part by part, where JAX would make float32 of them, and beyond its range."""
    monkeypatch.setattr("keras_pvec.solver.arrays.base._DEVICE_PART_ENTRIES", 120 * 70)
    rng = np.random.default_rng(1)
    v = np.linalg.qr(rng.standard_normal((120, 3)))[0].T
    module = library_of(make_array(library, x))
    entries = x.astype(np.float64) / scale
    matrix = module.from_numpy(entries)
    products = module.products(matrix, v, scale)
    exact = entries * scale
    np.testing.assert_allclose(products.y, v @ exact.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(products.z, v @ exact.T @ exact, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(products.column_sums, exact.sum(axis=0), rtol=1e-12)
    squares = (exact**2).sum(axis=1)
    np.testing.assert_allclose(products.row_squares, squares, rtol=1e-12)
    assert module.largest_magnitude(matrix) == entries.max()


@pytest.mark.parametrize("library", LIBRARIES)
def test_factors_are_those_of_lapack(library, x):
    module = library_of(make_array(library, x))
    mean = x.mean(axis=0, dtype=float)
    for subtracted in (None, mean):
        found = module.top_factors(module.from_numpy(x), 2, 3.0, subtracted)
        exact = 3.0 * x.astype(float) - (0 if subtracted is None else subtracted)
        values = np.linalg.svd(exact, compute_uv=False)
        np.testing.assert_allclose(found.values, values, rtol=1e-10)
        for i in range(2):
            assert degrees_between(found.left[:, i], lapack_vector(exact, i)) < 1e-8
            right = exact.T @ found.left[:, i] / values[i]
            np.testing.assert_allclose(found.right[:, i], right, atol=1e-10)


def test_frameworks_are_not_imported_for_arrays_of_numpy():
    """Nor is TensorFlow for those of another framework, or needed at all."""
    program = """
        import importlib.util
        import sys

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "tensorflow":
                    raise ModuleNotFoundError(name, name=name)

        sys.meta_path.insert(0, Blocked())

        import numpy as np
        import keras_pvec as kp

        x = np.maximum(np.random.default_rng(0).standard_normal((90, 70)), 0)
        expected = kp.p_vector(x)
        frameworks = {"tensorflow", "jax", "torch", "keras"}
        assert not frameworks & set(sys.modules), sys.modules
        arrays = []
        if importlib.util.find_spec("jax"):
            import jax
            with jax.enable_x64(True):
                arrays.append(jax.numpy.asarray(x))
        if importlib.util.find_spec("torch"):
            import torch
            arrays.append(torch.from_numpy(x))
        for array in arrays:
            for method in ("fast", "exact"):
                assert kp.angle(expected, kp.p_vector(array, method=method)) < 1e-3
        # Keras may lack its backend now, and NumPy serves.
        assert kp.angle(expected, kp.p_vector(x, method="exact")) < 1e-3
        assert "tensorflow" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_exact_triplets_agree_between_libraries(x):
    expected = exact_singular_triplets(x, 2)
    for library in ("tensorflow", "jax", "torch"):
        try:
            array = make_array(library, x)
        except pytest.skip.Exception:
            continue
        found = exact_singular_triplets(array, 2)
        np.testing.assert_allclose(
            found.singular_values, expected.singular_values, rtol=1e-12
        )
        apart = degrees_between(found.centered_left, expected.centered_left)
        assert apart <= found.centered_error_deg + expected.centered_error_deg
