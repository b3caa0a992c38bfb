"""The fast solver against LAPACK in float64: accuracy, errors and passes."""

import numpy as np
import pytest
from oracles import degrees_between, lapack_vector

import keras_pvec as kp
from keras_pvec.solver import (
    LeftSingularSolver,
    Limits,
    top_singular_triplets,
)
from keras_pvec.solver.sample import n_sampled_rows

DECAY = np.linspace(0.9, 0.1, 60)


def relu_features(rng, n, d):
    return np.maximum(rng.standard_normal((n, d)), 0).astype(np.float32)


def as_matrix(x):
    return np.asarray(x, np.float64).reshape(len(x), -1)


def left_vectors(x):
    """All left singular vectors by LAPACK in float64, one a column."""
    x = as_matrix(x)
    return np.linalg.svd(x / np.abs(x).max(), full_matrices=False)[0]


def solve(blocks, **arguments):
    """The solver after its last pass."""
    solver = LeftSingularSolver(**arguments)
    while not solver.done:
        for block in blocks:
            solver.update(block)
        solver.end_pass()
    return solver


def check_errors(found, truth, slack_deg=1e-9):
    """True angles are at most the errors, estimated and certified. LAPACK rounds too,
    which is what the slack is for."""
    for i in range(found.left.shape[1]):
        error = degrees_between(found.left[:, i], truth[:, i])
        assert error <= found.error_deg[i] + slack_deg, i
        assert error <= found.certified_error_deg[i] + slack_deg, i


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
def test_agrees_with_lapack_within_its_errors(name, rng, with_spectrum):
    x = MATRICES[name](rng, with_spectrum)
    found = top_singular_triplets([x])
    truth = lapack_vector(x)
    assert degrees_between(found.left[:, 0], truth) < 1e-3
    check_errors(found, truth[:, None], slack_deg=1e-10)
    flat = as_matrix(x)
    largest = np.abs(flat).max()
    sigma = np.linalg.svd(flat / largest, compute_uv=False)[0] * largest
    np.testing.assert_allclose(found.singular_values[0], sigma, rtol=1e-7)
    # Divided first: 1e200 cannot be squared.
    right = (flat / largest).T @ found.left[:, 0]
    assert degrees_between(found.right[:, 0], right) < 1e-2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("k", [1, 5])
def test_scale_does_not_matter(k, dtype, scale, rng, with_spectrum):
    """float32 is too narrow for the squares of these."""
    x = with_spectrum(300, 150, np.r_[1, DECAY])
    plain = top_singular_triplets([x], k)
    scaled = top_singular_triplets([(x * scale).astype(dtype)], k)
    assert scaled.error_deg.max() <= 1e-3
    for i in range(k):
        apart = degrees_between(plain.left[:, i], scaled.left[:, i])
        # float32 itself is another matrix, of which the pairs have narrow gaps.
        rounded = 1e-4 if dtype is np.float32 else 0.0
        assert apart <= plain.error_deg[i] + scaled.error_deg[i] + rounded
    first, second = scaled.singular_values[:2] / scale
    assert first == pytest.approx(1.0, rel=1e-6)
    assert second == pytest.approx(0.9, rel=2e-3)


def rows_left_out(n):
    """The rows that the start is not computed from."""
    n_sampled = n_sampled_rows(n, Limits())
    return np.setdiff1d(np.arange(n), np.arange(n_sampled) * (n // n_sampled))


@pytest.mark.parametrize("tolerance_deg", [1e-3, 10.0])
@pytest.mark.parametrize("d", [300, 20_000])
def test_an_answer_at_right_angles_to_the_start_is_found(d, tolerance_deg):
    """The start is an eigenvector already, of the second largest eigenvalue: its
    residual is zero, and only the random direction has a component along the first."""
    x = np.zeros((400, d), np.float32)
    x[:, 0] = 1.0
    hidden = rows_left_out(400)[-5:]
    x[hidden] = 0.0
    x[hidden, 1] = 12.0
    found = top_singular_triplets([x], tolerance_deg=tolerance_deg)
    error = degrees_between(found.left[:, 0], np.isin(np.arange(400), hidden) / 5**0.5)
    assert error <= found.error_deg[0] <= tolerance_deg


def adversarial(rng, n, d):
    """The rows that the start is computed from are noise; the answer lies in few of
    the others."""
    x = 0.01 * rng.standard_normal((n, d))
    x[rows_left_out(n)[-5:]] += 10 * rng.standard_normal(d)
    return x


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
def test_errors_hold_on_many_random_matrices(kind, with_spectrum):
    """For every vector, also where the solver has to stop early and errors are large,
    and where it is started at right angles to the answer."""
    rng = np.random.default_rng(1)
    for trial in range(36):
        n, d = rng.integers(130, 300, 2)
        x = RANDOM_MATRICES[kind](rng, with_spectrum, n, d)
        u, _, vt = np.linalg.svd(np.asarray(x, float), full_matrices=False)
        start = None
        if trial % 3 == 0:
            start = rng.standard_normal((d, 4))
            start -= np.outer(vt[0], vt[0] @ start)
        max_passes = int(rng.integers(1, 12)) if trial % 2 else 200
        found = solve([x], k=3, max_passes=max_passes, start=start).result()
        check_errors(found, u)
        if max_passes == 200 and kind != "clustered":
            assert found.error_deg[0] <= 1e-3


def test_the_certified_error_holds_where_the_estimate_does_not(with_spectrum):
    """A start that spans two singular vectors but not the first, and no passes to find
    it: the assumption behind the estimate is false."""
    x = with_spectrum(400, 300, [3.0, 2.0, 1.0])
    vt = np.linalg.svd(x, full_matrices=False)[2]
    found = solve(
        [x],
        start=vt[1:3].T,
        max_passes=1,
        centered_passes=None,
        limits=Limits(exploration_passes_warm=1),
    ).result()
    assert degrees_between(found.left[:, 0], lapack_vector(x)) > 80
    assert found.error_deg[0] < 1e-3
    assert found.certified_error_deg[0] == 90
    # With the passes that the defaults give it, the first one is found and certified.
    found = solve([x], start=vt[1:3].T, centered_passes=None).result()
    error = degrees_between(found.left[:, 0], lapack_vector(x))
    assert error <= found.error_deg[0] <= 1e-3
    assert error <= found.certified_error_deg[0] <= 1e-3


def test_features_with_a_dominant_direction_are_certified(rng):
    """As those of a layer after a ReLU are, whose mean is large."""
    x = relu_features(rng, 500, 200) + np.float32(1.0)
    found = top_singular_triplets([x])
    error = degrees_between(found.left[:, 0], lapack_vector(x))
    assert error <= found.certified_error_deg[0] <= 2e-3


def test_warm_starts_take_one_to_three_passes(rng):
    """Features that moved by nothing, a little and more, from the directions of the
    moment before: as a streamed layer in a training."""
    hidden = rng.standard_normal((1000, 40)) * np.exp(-0.05 * np.arange(40))
    weights, step = rng.standard_normal((2, 40, 600))
    noise = 0.3 * rng.standard_normal((1000, 600))
    start = None
    for moved, most in ((0, 30), (0, 2), (0.003, 2), (0.03, 3)):
        x = np.maximum(hidden @ (weights + moved * step) + noise, 0).astype(np.float32)
        solver = solve([x], centered_passes=2, block_size=8, start=start)
        assert solver.n_passes <= most
        found, start = solver.result(), solver.directions()
        error = degrees_between(found.left[:, 0], lapack_vector(x))
        assert error <= found.error_deg[0] <= 1e-3
        centered = lapack_vector(x - x.mean(axis=0, dtype=float))
        error = degrees_between(found.centered_left, centered)
        assert error <= found.centered_error_deg <= 0.5


def sorted_by_class(rng):
    """Two classes of rows that share no feature, each of low rank; the second, which
    comes later, holds the larger values."""
    x = np.zeros((600, 900), np.float32)
    for rows, columns, scale in (
        (slice(0, 300), slice(0, 450), 1.0),
        (slice(300, 600), slice(450, 900), 1.5),
    ):
        u = np.linalg.qr(rng.standard_normal((300, 3)))[0]
        v = np.linalg.qr(rng.standard_normal((450, 3)))[0]
        x[rows, columns] = scale * (u * [1.0, 0.7, 0.5]) @ v.T
    return x


@pytest.fixture(scope="module")
def classes():
    x = sorted_by_class(np.random.default_rng(0))
    return x, left_vectors(x)


@pytest.mark.parametrize("block_size", [1, 8])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_directions_that_the_first_block_lacks_are_found(k, block_size, classes):
    """All that the start spans are eigenvectors already; the answer is elsewhere."""
    x, truth = classes
    for max_passes in (1, 2, 200):
        found = solve(
            [x[:300], x[300:]],
            k=k,
            block_size=block_size,
            centered_passes=None,
            max_passes=max_passes,
        ).result()
        check_errors(found, truth)
    assert found.left.shape[1] == k
    assert found.error_deg.max() <= 1e-3


def test_a_new_direction_is_found_from_an_old_start(rng, classes):
    """One at right angles to all that the start knows is the largest now."""
    old, _ = classes
    arguments = {"block_size": 8, "centered_passes": None}
    start = solve([old], **arguments).directions()
    u, v = rng.standard_normal(600), rng.standard_normal(900)
    right = np.linalg.svd(old, full_matrices=False)[2][:6]
    v -= (v @ right.T) @ right
    new = old + (2 * np.outer(u, v) / np.linalg.norm(u) / np.linalg.norm(v))
    found = solve([new], **arguments, start=start).result()
    error = degrees_between(found.left[:, 0], lapack_vector(new))
    assert error <= found.error_deg[0] <= 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("k", "n_given"),
    [(79, None), (80, None), (70, None), (1, 79), (3, 100)],
)
def test_a_start_that_spans_all_features(k, n_given, dtype, rng, with_spectrum):
    """More vectors, or more given directions, than are left to choose from."""
    values = np.linspace(10.0, 1.0, 80)
    x = with_spectrum(400, 80, values).astype(dtype)
    start = None if n_given is None else rng.standard_normal((80, n_given))
    found = solve([x], k=k, start=start).result()
    assert found.left.shape == (400, k)
    check_errors(found, left_vectors(x))
    assert found.error_deg.max() <= 1e-3
    np.testing.assert_allclose(found.singular_values[:k], values[:k], rtol=1e-6)
    for i in range(k):
        assert degrees_between(x @ found.right[:, i], found.left[:, i]) < 1e-3


def test_a_basis_that_is_complete_after_two_passes_misses_nothing(rng):
    """Fewer passes than are needed to explore a larger space."""
    x = rng.standard_normal((3000, 80))
    few_rows = Limits(start_rows=50, sampled_share=3000)
    solver = solve([x], k=80, limits=few_rows)
    assert solver.n_passes == 2
    found = solver.result()
    check_errors(found, left_vectors(x))
    assert max(found.error_deg.max(), found.certified_error_deg.max()) < 1e-3


@pytest.mark.parametrize("offset", [1.0, 10.0, 1000.0])
@pytest.mark.parametrize("k", [1, 5])
def test_centred_errors_hold_after_the_turn_to_float64(k, offset, rng):
    """The mean has to be as accurate as what it is subtracted from."""
    x = (offset + rng.standard_normal((300, 100))).astype(np.float32)
    found = top_singular_triplets([x], k)
    exact = np.asarray(x, float)
    truth = lapack_vector(exact - exact.mean(axis=0))
    if found.centered_left is not None:
        error = degrees_between(found.centered_left, truth)
        assert error <= found.centered_error_deg + 1e-9
    assert k == 1 or found.centered_left is not None


@pytest.mark.parametrize("d", [40, 300])
def test_a_rank_below_k_gives_fewer_vectors(d, rng):
    x = np.zeros((200, d))
    x[:, :3] = relu_features(rng, 200, 3)
    found = top_singular_triplets([x], k=5)
    assert found.left.shape == (200, 3)
    assert found.right.shape == (d, 3)
    assert found.error_deg.shape == found.certified_error_deg.shape == (3,)
    check_errors(found, left_vectors(x)[:, :3])
    assert found.error_deg.max() < 1e-3


def test_the_result_can_be_asked_for_after_any_pass(with_spectrum):
    """Also where the basis is about to be shrunk, or products to be made anew, and
    while the next pass is open."""
    x = with_spectrum(300, 200, np.linspace(1, 0.7, 200)).astype(np.float32)
    truth = left_vectors(x)
    solver = LeftSingularSolver(3)
    before = None
    while not solver.done:
        solver.update(x[:100])
        if before is not None:
            open_pass = solver.result()
            np.testing.assert_array_equal(open_pass.left, before.left)
            assert open_pass.n_passes == before.n_passes
        solver.update(x[100:])
        solver.end_pass()
        before = solver.result()
        check_errors(before, truth)
        assert len(solver.directions()) == 200
    assert solver.n_passes > 12


def test_sums_of_equal_numbers_are_within_the_errors_as_well(rng):
    """Their rounding errors do not cancel."""
    x = np.repeat(rng.random((300, 1)).astype(np.float32), 4096, axis=1)
    found = top_singular_triplets([x], centered_passes=None)
    error = degrees_between(found.left[:, 0], np.asarray(x[:, 0], float))
    assert error <= found.error_deg[0]


def test_float32_turns_to_float64_where_it_is_too_coarse(with_spectrum):
    """Vectors a hundred times smaller than the first are lost in its rounding."""
    x = with_spectrum(500, 300, [1.0, 0.8, 1e-2, 5e-3]).astype(np.float32)
    found = top_singular_triplets([x], k=4)
    check_errors(found, left_vectors(x))
    assert found.error_deg.max() <= 1e-3


@pytest.mark.parametrize("kind", ["relu tall", "near degenerate", "images"])
def test_centred_vector_is_that_of_the_centred_matrix(kind, rng, with_spectrum):
    x = MATRICES[kind](rng, with_spectrum)[:500]
    if kind == "relu tall":  # pure noise has no distinct centred vector: give it one
        x = x + 3 * np.outer(rng.standard_normal(len(x)), rng.random(x.shape[1]))
    flat = as_matrix(x)
    found = top_singular_triplets([x])
    truth = lapack_vector(flat - flat.mean(axis=0))
    assert degrees_between(found.centered_left, truth) <= found.centered_error_deg
    # Images are noise here, and the error has to say so.
    assert (found.centered_error_deg <= 1e-2) == (kind != "images")


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
    assert found.centered_error_deg == 90
    assert found.centered_frobenius_norm < 1e-6 * found.frobenius_norm
    np.testing.assert_allclose(np.abs(found.left[:, 0]), 1 / np.sqrt(20))


def test_the_centred_vector_can_be_left_out(rng):
    found = top_singular_triplets([relu_features(rng, 100, 80)], centered_passes=None)
    assert found.centered_left is None
    assert found.centered_frobenius_norm is None


def test_equal_singular_values_leave_the_vector_undetermined(with_spectrum):
    found = top_singular_triplets([with_spectrum(200, 100, [1.0, 1.0, 0.5])])
    assert found.error_deg[0] == found.certified_error_deg[0] == 90


def test_more_vectors(with_spectrum):
    x = with_spectrum(400, 250, np.r_[5, 4, 3, 2.5, 2, DECAY])
    found = top_singular_triplets([x], k=5)
    check_errors(found, left_vectors(x))
    assert found.error_deg.max() <= 1e-3
    np.testing.assert_allclose(found.singular_values[:5], [5, 4, 3, 2.5, 2], rtol=1e-9)
    # The one after them only serves ratios and is not iterated for.
    np.testing.assert_allclose(found.singular_values[5], 0.9, rtol=1e-2)
    np.testing.assert_allclose(found.left.T @ found.left, np.eye(5), atol=1e-9)


def test_norms_are_those_of_the_matrix(rng):
    x = relu_features(rng, 300, 100)
    found = top_singular_triplets([x[:100], x[100:]])
    np.testing.assert_allclose(found.frobenius_norm, np.linalg.norm(x), rtol=1e-6)
    np.testing.assert_allclose(found.row_norms, np.linalg.norm(x, axis=1), rtol=1e-6)


def test_blocks_give_what_the_whole_gives(rng):
    x = relu_features(rng, 500, 100)
    whole = top_singular_triplets([x])
    parts = top_singular_triplets([x[:3], x[3:3], x[3:200], x[200:]])
    apart = degrees_between(whole.left[:, 0], parts.left[:, 0])
    assert apart <= whole.error_deg[0] + parts.error_deg[0] < 2e-3


def test_global_random_state_is_not_touched(rng):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    top_singular_triplets([relu_features(rng, 200, 100)])
    np.testing.assert_array_equal(before, np.random.get_state()[1])
