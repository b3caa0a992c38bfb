"""The fast solver against LAPACK in float64, its error bound, and bad input."""

import contextlib
import itertools
import threading

import numpy as np
import pytest
import tensorflow as tf
from keras_pvec.linalg import (
    LeftSingularSolver,
    exact_singular_triplets,
    top_singular_triplets,
)
from oracles import degrees_between, lapack_vector

import keras_pvec as kp
from keras_pvec import linalg, row_products

DECAY = np.linspace(0.9, 0.1, 60)


def relu_features(rng, n, d):
    return np.maximum(rng.standard_normal((n, d)), 0).astype(np.float32)


MATRICES = {
    "random": lambda rng, spec: rng.standard_normal((500, 120)),
    "relu tall": lambda rng, spec: relu_features(rng, 2000, 300),
    "relu wide": lambda rng, spec: relu_features(rng, 200, 3000),
    "few features": lambda rng, spec: relu_features(rng, 600, 10),
    "one feature": lambda rng, spec: rng.standard_normal((50, 1)),
    "two samples": lambda rng, spec: rng.standard_normal((2, 700)),
    "near degenerate": lambda rng, spec: spec(600, 300, np.r_[1, 0.99, DECAY]),
    "cluster below": lambda rng, spec: spec(600, 300, np.r_[1, np.full(40, 0.98)]),
    "steep": lambda rng, spec: spec(600, 300, 0.1 ** np.arange(12)),
    "tiny": lambda rng, spec: spec(400, 200, np.r_[1, DECAY] * 1e-20),
    "huge": lambda rng, spec: spec(400, 200, np.r_[1, DECAY] * 1e20),
    "beyond squaring": lambda rng, spec: spec(400, 200, np.r_[1, DECAY] * 1e200),
    "below squaring": lambda rng, spec: spec(400, 200, np.r_[1, DECAY] * 1e-200),
    "rank one": lambda rng, spec: spec(400, 200, [3.0]),
    "images": lambda rng, spec: rng.integers(0, 256, (300, 8, 8, 3), np.uint8),
    "boolean": lambda rng, spec: rng.random((300, 90)) < 0.2,
    "float16": lambda rng, spec: relu_features(rng, 300, 100).astype(np.float16),
}


@pytest.mark.parametrize("name", MATRICES)
def test_agrees_with_lapack_and_keeps_its_bound(name, rng, with_spectrum):
    x = MATRICES[name](rng, with_spectrum)
    found = top_singular_triplets([x])
    truth = lapack_vector(x)
    error = degrees_between(found.left[:, 0], truth)
    assert error < 1e-3
    assert error <= found.error_deg[0] + 1e-10  # LAPACK rounds too
    flat = np.asarray(x, float).reshape(len(x), -1)
    largest = np.abs(flat).max()
    sigma = np.linalg.svd(flat / largest, compute_uv=False)[0] * largest
    np.testing.assert_allclose(found.singular_values[0], sigma, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_scale_does_not_matter(dtype, scale, rng, with_spectrum):
    x = with_spectrum(300, 150, np.r_[1, DECAY])
    plain = top_singular_triplets([x])
    scaled = top_singular_triplets([(x * scale).astype(dtype)])
    apart = degrees_between(plain.left[:, 0], scaled.left[:, 0])
    assert apart <= plain.error_deg[0] + scaled.error_deg[0] < 2e-3
    first, second = scaled.singular_values / scale
    assert first == pytest.approx(1.0, rel=1e-6)
    assert second == pytest.approx(0.9, rel=2e-3)


@pytest.mark.parametrize("dense", [200, 300])
def test_few_enough_features_take_a_single_pass(dense, rng, monkeypatch):
    monkeypatch.setattr(linalg, "_DENSE_FEATURES", dense)
    x = relu_features(rng, 500, 250)
    found = top_singular_triplets([x], k=3)
    assert (found.n_passes == 1) == (dense > 250)
    for i in range(3):
        error = degrees_between(found.left[:, i], lapack_vector(x, i))
        assert error <= found.error_deg[i] + 1e-9
    assert found.error_deg.max() < (1e-6 if dense > 250 else 1e-3)


def rows_left_out(n):
    """The rows that the start is not taken from."""
    fewest, most = linalg._SAMPLE_ROWS
    n_sampled = min(max(int(n**0.5), fewest), most)
    return np.setdiff1d(np.arange(n), np.arange(n_sampled) * (n // n_sampled))


def adversarial(rng, n, d):
    """The rows that the start is taken from know nothing of the answer, which lies in
    few of the others."""
    x = 0.01 * rng.standard_normal((n, d))
    x[rows_left_out(n)[-5:]] += 10 * rng.standard_normal(d)
    return x


@pytest.mark.parametrize("tolerance_deg", [1e-3, 10.0])
@pytest.mark.parametrize("d", [300, 20_000])
def test_an_answer_at_right_angles_to_the_start_is_found(d, tolerance_deg, rng):
    """The start is an eigenvector already, of the second largest eigenvalue: its
    residual is zero, and only the random direction knows of the other one."""
    x = np.zeros((400, d), np.float32)
    x[:, 0] = 1.0
    hidden = rows_left_out(400)[-5:]
    x[hidden] = 0.0
    x[hidden, 1] = 12.0
    found = top_singular_triplets([x], tolerance_deg=tolerance_deg)
    error = degrees_between(found.left[:, 0], np.isin(np.arange(400), hidden) / 5**0.5)
    assert error <= found.error_deg[0] <= tolerance_deg


RANDOM_MATRICES = {
    "spectrum": lambda rng, spec, n, d: spec(
        n, d, np.sort(rng.random(rng.integers(2, 70)))[::-1]
    ),
    "relu": lambda rng, spec, n, d: relu_features(rng, n, d),
    "relu of few": lambda rng, spec, n, d: np.maximum(
        rng.standard_normal((n, 5)) @ rng.standard_normal((5, d)), 0
    ).astype(np.float32),
    "clustered": lambda rng, spec, n, d: spec(
        n, d, np.r_[1, rng.uniform(0.95, 0.999, 20), rng.random(20) / 2]
    ).astype(np.float32),
    "adversarial": lambda rng, spec, n, d: adversarial(rng, n, d),
}


@pytest.mark.parametrize("kind", RANDOM_MATRICES)
def test_bound_holds_on_many_random_matrices(kind, with_spectrum):
    """For every vector, also where the solver has to stop early and errors are large,
    and where it is started at right angles to the answer."""
    rng = np.random.default_rng(1)
    for trial in range(60):
        n, d = rng.integers(130, 400, 2)
        x = RANDOM_MATRICES[kind](rng, with_spectrum, n, d)
        u, _, vt = np.linalg.svd(np.asarray(x, float), full_matrices=False)
        start = None
        if trial % 3 == 0:
            start = rng.standard_normal((d, 4))
            start -= np.outer(vt[0], vt[0] @ start)
        solver = LeftSingularSolver(
            k=3, max_passes=int(rng.integers(1, 12)) if trial % 2 else 200, start=start
        )
        while not solver.done:
            solver.update(x)
            solver.end_pass()
        found = solver.result()
        for i in range(3):
            error = degrees_between(found.left[:, i], u[:, i])
            assert error <= found.error_deg[i] + 1e-9, (trial, n, d, i)
        if solver.max_passes == 200 and kind != "clustered":
            assert found.error_deg[0] <= 1e-3


def test_a_moment_after_a_small_step_takes_one_or_two_passes(rng):
    """Features that moved by nothing, a little and more, from the directions of the
    moment before, as a layer that is streamed has it."""
    hidden = rng.standard_normal((1500, 40)) * np.exp(-0.05 * np.arange(40))
    weights, step = rng.standard_normal((2, 40, 900))
    noise = 0.3 * rng.standard_normal((1500, 900))
    start = None
    for moved, most in ((0, 30), (0, 2), (0.003, 2), (0.03, 3)):
        x = np.maximum(hidden @ (weights + moved * step) + noise, 0).astype(np.float32)
        solver = LeftSingularSolver(centered_passes=2, block_size=8, start=start)
        while not solver.done:
            solver.update(x)
            solver.end_pass()
        assert solver.n_passes <= most
        found, start = solver.result(), solver.directions()
        error = degrees_between(found.left[:, 0], lapack_vector(x))
        assert error <= found.error_deg[0] <= 1e-3
        centered = lapack_vector(x - x.mean(axis=0, dtype=float))
        error = degrees_between(found.centered_left, centered)
        assert error <= found.centered_error_deg <= 0.5


def sorted_by_class(rng, ratio=1.5):
    """Two classes of rows that share no feature, each of low rank; the second, which
    comes later, holds the larger values."""
    x = np.zeros((600, 900), np.float32)
    for rows, columns, scale in (
        (slice(0, 300), slice(0, 450), 1.0),
        (slice(300, 600), slice(450, 900), ratio),
    ):
        u = np.linalg.qr(rng.standard_normal((300, 3)))[0]
        v = np.linalg.qr(rng.standard_normal((450, 3)))[0]
        x[rows, columns] = scale * (u * [1.0, 0.7, 0.5]) @ v.T
    return x


@pytest.mark.parametrize("block_size", [1, 8])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_what_the_first_block_knows_nothing_of_is_found(k, block_size, rng):
    """All that the start spans are eigenvectors already; the answer is elsewhere."""
    x = sorted_by_class(rng)
    for max_passes in (1, 2, 200):
        solver = LeftSingularSolver(
            k, block_size=block_size, centered_passes=None, max_passes=max_passes
        )
        while not solver.done:
            solver.update(x[:300])
            solver.update(x[300:])
            solver.end_pass()
        found = solver.result()
        for i in range(found.left.shape[1]):
            error = degrees_between(found.left[:, i], lapack_vector(x, i))
            assert error <= found.error_deg[i] + 1e-9
    assert found.left.shape[1] == k
    assert found.error_deg.max() <= 1e-3


def test_a_new_direction_is_found_from_an_old_start(rng):
    """Something that was not there at the moment before, at right angles to all that
    was, is the largest now."""
    old = sorted_by_class(rng)
    solver = LeftSingularSolver(block_size=8, centered_passes=None)
    while not solver.done:
        solver.update(old)
        solver.end_pass()
    u, v = rng.standard_normal(600), rng.standard_normal(900)
    right = np.linalg.svd(old, full_matrices=False)[2][:6]
    v -= (v @ right.T) @ right
    new = old + (2 * np.outer(u, v) / np.linalg.norm(u) / np.linalg.norm(v))
    again = LeftSingularSolver(
        block_size=8, centered_passes=None, start=solver.directions()
    )
    while not again.done:
        again.update(new)
        again.end_pass()
    found = again.result()
    error = degrees_between(found.left[:, 0], lapack_vector(new))
    assert error <= found.error_deg[0] <= 1e-3


@pytest.mark.parametrize("offset", [1.0, 10.0, 1000.0])
@pytest.mark.parametrize("k", [1, 5])
def test_centred_bound_holds_after_turning_to_float64(k, offset, rng):
    """The mean has to be as exact as what is shifted by it."""
    x = (offset + rng.standard_normal((300, 100))).astype(np.float32)
    found = top_singular_triplets([x], k)
    exact = np.asarray(x, float)
    truth = lapack_vector(exact - exact.mean(axis=0))
    if found.centered_left is not None:
        error = degrees_between(found.centered_left, truth)
        assert error <= found.centered_error_deg + 1e-9
    assert k == 1 or found.centered_left is not None


@pytest.mark.parametrize("d", [40, 300])
@pytest.mark.parametrize("method", ["fast", "exact"])
def test_a_rank_below_k_gives_fewer_vectors(method, d, rng):
    x = np.zeros((200, d))
    x[:, :3] = relu_features(rng, 200, 3)
    solve = top_singular_triplets if method == "fast" else exact_singular_triplets
    found = solve([x] if method == "fast" else x, k=5)
    assert found.left.shape == (200, 3)
    assert found.right.shape == (d, 3)
    assert found.error_deg.shape == (3,)
    for i in range(3):
        assert degrees_between(found.left[:, i], lapack_vector(x, i)) < 1e-3


def test_turning_to_float64_with_a_basis_that_is_nearly_full(with_spectrum):
    """The directions that are kept are multiplied anew; the old ones are forgotten."""
    values = np.r_[1.0, np.linspace(0.3, 0.05, 200)]
    x = with_spectrum(400, 250, values).astype(np.float32)
    solver = LeftSingularSolver(5)
    widths = []
    while not solver.done:
        solver.update(x)
        solver.end_pass()
        widths.append((solver._dtype, len(solver._v)))
    turned = [a for a, b in itertools.pairwise(widths) if a[0] != b[0]]
    # What is kept would not fit beside what is there.
    assert turned[0][1] + 5 + 8 + 8 > linalg._MAX_BASIS + 5
    found = solver.result()
    for i in range(5):
        error = degrees_between(found.left[:, i], lapack_vector(x, i))
        assert error <= found.error_deg[i] <= 1e-3


def test_the_result_can_be_asked_for_after_any_pass(with_spectrum):
    """Also where the basis is about to be shrunk, or products to be made anew."""
    x = with_spectrum(300, 200, np.linspace(1, 0.7, 200)).astype(np.float32)
    solver = LeftSingularSolver(3)
    while not solver.done:
        solver.update(x)
        solver.end_pass()
        found = solver.result()
        for i in range(3):
            error = degrees_between(found.left[:, i], lapack_vector(x, i))
            assert error <= found.error_deg[i] + 1e-9
        assert len(solver.directions()) == 200
    assert solver.n_passes > 12


def test_sums_of_numbers_that_are_alike_are_bounded_as_well(rng):
    """Their rounding errors do not cancel."""
    x = np.repeat(rng.random((300, 1)).astype(np.float32), 4096, axis=1)
    found = top_singular_triplets([x], centered_passes=None)
    error = degrees_between(found.left[:, 0], np.asarray(x[:, 0], float))
    assert error <= found.error_deg[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 1.5}, "k=1.5"),
        ({"max_passes": 0}, "max_passes=0"),
        ({"block_size": -1}, "block_size=-1"),
        ({"start": np.ones((99, 2))}, r"\(100, columns\).*\(99, 2\)"),
        ({"start": np.ones(100)}, r"\(100, columns\).*\(100,\)"),
        ({"start": np.full((100, 2), np.nan)}, "finite"),
    ],
)
def test_arguments_that_cannot_be_followed(arguments, message, rng):
    with pytest.raises(ValueError, match=message):
        LeftSingularSolver(**arguments).update(rng.random((20, 100)))


class ProcessWide:
    """A BLAS whose number of threads is one number for all of the process."""

    def __init__(self):
        self.n_threads = 2

    @contextlib.contextmanager
    def limit(self, limits, user_api):
        before, self.n_threads = self.n_threads, limits
        yield
        self.n_threads = before


def test_the_blas_gets_its_threads_back(monkeypatch):
    """Of two callers that overlap, the first to come leaves first: the other one must
    neither lose the limit then nor restore the limited number afterwards."""
    blas = ProcessWide()
    monkeypatch.setattr(row_products, "_blas", lambda: blas)
    second_is_in, first_is_out = threading.Event(), threading.Event()

    @row_products.on_one_thread
    def first():
        thread.start()
        assert second_is_in.wait(10)

    @row_products.on_one_thread
    def second():
        second_is_in.set()
        first_is_out.wait(10)
        seen.append(blas.n_threads)

    seen = []
    thread = threading.Thread(target=second)
    first()
    first_is_out.set()
    thread.join()
    assert seen == [1]
    assert blas.n_threads == 2


def test_float32_turns_to_float64_where_it_cannot_tell(with_spectrum):
    """Vectors a hundred times smaller than the first are lost in its rounding."""
    x = with_spectrum(500, 300, [1.0, 0.8, 1e-2, 5e-3]).astype(np.float32)
    found = top_singular_triplets([x], k=4)
    for i in range(4):
        error = degrees_between(found.left[:, i], lapack_vector(x, i))
        assert error <= found.error_deg[i] <= 1e-3


@pytest.mark.parametrize("kind", ["relu tall", "near degenerate", "images"])
def test_centred_vector_is_that_of_the_centred_matrix(kind, rng, with_spectrum):
    x = MATRICES[kind](rng, with_spectrum)
    if kind == "relu tall":  # pure noise has no distinct centred vector: give it one
        x = x + 3 * np.outer(rng.standard_normal(len(x)), rng.random(x.shape[1]))
    flat = np.asarray(x, float).reshape(len(x), -1)
    found = top_singular_triplets([x])
    if kind == "images":  # noise: the bound has to say how little is known
        error = degrees_between(
            found.centered_left, lapack_vector(flat - flat.mean(axis=0))
        )
        assert error <= found.centered_error_deg
        return
    assert found.centered_error_deg <= 1e-2
    truth = lapack_vector(flat - flat.mean(axis=0))
    assert degrees_between(found.centered_left, truth) <= found.centered_error_deg


@pytest.mark.parametrize("scale", [1.0, 1e-20])
@pytest.mark.parametrize("method", ["fast", "exact"])
def test_centred_energies_are_those_of_the_centred_matrix(method, scale, rng):
    x = scale * (relu_features(rng, 300, 90) + np.outer(rng.random(300), np.arange(90)))
    p = kp.p_vector(x.astype("float32"), method=method)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(p.centered_singular_value, values[0], rtol=1e-4)
    np.testing.assert_allclose(
        p.centered_frobenius_norm, np.linalg.norm(values), rtol=1e-4
    )


def test_equal_rows_have_no_centred_vector():
    found = top_singular_triplets([np.tile([[1.0, 2.0, 3.0]], (20, 1))])
    assert found.centered_left is None
    assert found.centered_singular_value is None
    assert found.centered_frobenius_norm < 1e-6 * found.frobenius_norm
    np.testing.assert_allclose(np.abs(found.left[:, 0]), 1 / np.sqrt(20))


def test_ambiguous_vector_is_reported(with_spectrum):
    found = top_singular_triplets([with_spectrum(200, 100, [1.0, 1.0, 0.5])])
    assert found.error_deg[0] == 90.0


def test_more_vectors(with_spectrum):
    x = with_spectrum(400, 250, np.r_[5, 4, 3, 2.5, 2, DECAY])
    found = top_singular_triplets([x], k=5)
    for i in range(5):
        error = degrees_between(found.left[:, i], lapack_vector(x, i))
        assert error <= found.error_deg[i] + 1e-9
        assert error < 1e-3
    np.testing.assert_allclose(found.singular_values[:5], [5, 4, 3, 2.5, 2], rtol=1e-9)
    # The one after them only serves ratios and is not iterated for.
    np.testing.assert_allclose(found.singular_values[5], 0.9, rtol=1e-2)
    np.testing.assert_allclose(found.left.T @ found.left, np.eye(5), atol=1e-9)


def test_blocks_give_what_the_whole_gives(rng):
    x = relu_features(rng, 500, 100)
    whole = top_singular_triplets([x])
    parts = top_singular_triplets([x[:3], x[3:200], x[200:]])
    apart = degrees_between(whole.left[:, 0], parts.left[:, 0])
    assert apart <= whole.error_deg[0] + parts.error_deg[0] < 2e-3


def test_long_iterations_restart_within_bounded_memory(with_spectrum):
    """A flat spectrum needs many passes; the basis must not grow with them."""
    x = with_spectrum(500, 400, np.r_[1.0, np.linspace(0.999, 0.9, 300)])
    solver = LeftSingularSolver()
    widest = 0
    while not solver.done:
        solver.update(x)
        solver.end_pass()
        widest = max(widest, len(solver._v))
    assert solver.n_passes > 30
    assert widest < 60
    error = degrees_between(solver.result().left[:, 0], lapack_vector(x))
    assert error < 1e-3


@pytest.mark.parametrize("k", [1, 3])
def test_exact_method_is_tensorflows_svd(k, rng):
    x = relu_features(rng, 200, 50)
    exact = exact_singular_triplets(tf.constant(x), k)
    fast = top_singular_triplets([x], k)
    for i in range(k):
        truth = lapack_vector(x, i)
        assert degrees_between(exact.left[:, i], truth) <= exact.error_deg[i] + 1e-10
        assert degrees_between(fast.left[:, i], exact.left[:, i]) < 1e-4
    np.testing.assert_allclose(exact.singular_values, fast.singular_values, rtol=1e-9)
    np.testing.assert_allclose(exact.frobenius_norm, np.linalg.norm(x), rtol=1e-6)
    centred = lapack_vector(x - x.mean(axis=0, dtype=float))
    assert degrees_between(exact.centered_left, centred) < 1e-6


@pytest.mark.parametrize(
    "solve", [lambda x: top_singular_triplets([x]), exact_singular_triplets]
)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((5, 3)), "zero matrix"),
        (np.ones((1, 3)), "one row"),
        (np.ones((0, 3)), "empty"),
        (np.ones((3, 0)), "empty"),
        (np.ones(3), "two axes"),
        (np.float64(3.0), "two axes"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "NaN, first in row 0"),
        (np.array([[1.0, 2.0], [np.inf, 2.0]]), "infinity, first in row 1"),
        (np.ones((3, 2), complex), "real numbers"),
        (np.array([["a", "b"], ["c", "d"]]), "real numbers"),
        (np.array([[1e-200, 1.0], [1.0, 1e300]]), None),
    ],
)
def test_bad_matrices(solve, x, message):
    if message is None:  # extreme, but it has an answer
        assert degrees_between(solve(x).left[:, 0], np.array([0.0, 1.0])) < 1e-6
        return
    with pytest.raises(ValueError, match=message):
        solve(x)


def test_no_blocks_and_unequal_blocks():
    with pytest.raises(ValueError, match="empty"):
        top_singular_triplets([])
    with pytest.raises(ValueError, match="same number of features"):
        top_singular_triplets([np.ones((3, 4)), np.ones((3, 5))])


def test_rows_that_change_between_passes():
    solver = LeftSingularSolver()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 100))
    solver.update(x)
    solver.end_pass()
    solver.update(x[:150])
    with pytest.raises(ValueError, match="200 in the first; pass 2 has another number"):
        solver.end_pass()


def test_a_shuffled_dataset_is_an_error(rng):
    x = relu_features(rng, 300, 100) * rng.random((300, 1))
    shuffled = tf.data.Dataset.from_tensor_slices(x).shuffle(300, seed=1).batch(50)
    with pytest.raises(ValueError, match="shuffled"):
        top_singular_triplets(shuffled)


def test_global_random_state_is_not_touched(rng):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    top_singular_triplets([relu_features(rng, 200, 100)])
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_tensors_on_an_accelerator_are_multiplied_where_they_are(rng, monkeypatch):
    """The accelerator's code on a CPU tensor: the same numbers come out."""
    x = relu_features(rng, 300, 120)
    expected = top_singular_triplets([x[:200], x[200:]])
    monkeypatch.setattr(
        "keras_pvec.row_products.on_accelerator", lambda block: tf.is_tensor(block)
    )
    half = [tf.constant(x[:200]), tf.constant(x[200:])]
    found = top_singular_triplets(half)
    assert degrees_between(found.left[:, 0], expected.left[:, 0]) < 1e-3
    assert degrees_between(found.centered_left, expected.centered_left) <= (
        found.centered_error_deg + expected.centered_error_deg
    )
    half[1] = tf.constant(np.where(x[200:] > 2, np.nan, x[200:]))
    with pytest.raises(ValueError, match="NaN"):
        top_singular_triplets(half)
    with pytest.raises(ValueError, match="two axes"):
        top_singular_triplets([tf.constant([1.0, 2.0])])
    images = tf.reshape(tf.constant(x), (300, 4, 5, 6))
    flat = top_singular_triplets([images])
    assert degrees_between(flat.left[:, 0], expected.left[:, 0]) < 1e-3
