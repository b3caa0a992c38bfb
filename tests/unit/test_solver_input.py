"""What the solver refuses: arguments, matrices, and rows that change."""

import numpy as np
import pytest
from oracles import degrees_between

import keras_pvec as kp
from keras_pvec.solver import (
    LeftSingularSolver,
    ZeroMatrixError,
    top_singular_triplets,
)


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": 1.5},
        {"k": 0},
        {"k": True},
        {"max_passes": 0},
        {"max_passes": None},
        {"block_size": -1},
        {"centered_passes": -1},
        {"centered_passes": 0.5},
        {"start": np.ones(100)},
        {"start": np.full((100, 2), np.nan)},
        *({"tolerance_deg": t} for t in (0, -1, np.nan, np.inf, "1", None, False)),
    ],
)
def test_arguments_are_checked_where_they_are_given(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`"):
        LeftSingularSolver(**arguments)


@pytest.mark.parametrize("tolerance_deg", [0, -1e-3, np.nan, np.inf, "1e-3", None])
@pytest.mark.parametrize("method", ["fast", "exact"])
def test_a_tolerance_has_to_be_a_positive_number(tolerance_deg, method):
    with pytest.raises(ValueError, match="tolerance_deg"):
        kp.p_vector(np.eye(3), method=method, tolerance_deg=tolerance_deg)
    with pytest.raises(ValueError, match="tolerance_deg"):
        top_singular_triplets([np.eye(3)], tolerance_deg=tolerance_deg)


def test_a_start_has_a_row_for_each_feature(rng):
    solver = LeftSingularSolver(start=np.ones((99, 2)))
    with pytest.raises(ValueError, match=r"100.*\(99, 2\)"):
        solver.update(rng.random((20, 100)))


@pytest.mark.parametrize(
    ("x", "error", "named"),
    [
        (np.zeros((5, 3)), ZeroMatrixError, None),
        (np.zeros((5, 300), np.float32), ZeroMatrixError, None),
        (np.ones((1, 3)), ValueError, None),
        (np.ones((1, 300), np.float32), ValueError, None),
        (np.ones((0, 3)), ValueError, None),
        (np.ones((3, 0)), ValueError, None),
        (np.ones(3), ValueError, None),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), ValueError, "NaN.*row 0"),
        (np.array([[1.0, 2.0], [np.inf, 2.0]]), ValueError, "infinity.*row 1"),
        (np.ones((3, 2), complex), ValueError, "complex"),
    ],
)
def test_bad_matrices(x, error, named):
    with pytest.raises(error, match=named):
        top_singular_triplets([x])


def test_extreme_entries_have_an_answer():
    found = top_singular_triplets([np.array([[1e-200, 1.0], [1.0, 1e300]])])
    assert degrees_between(found.left[:, 0], np.array([0.0, 1.0])) < 1e-6


def test_a_later_block_beyond_the_range_of_squares(rng):
    """The first block decides the scale; the second cannot be squared in it."""
    blocks = [rng.random((5, 300)), 1e300 * rng.random((5, 300))]
    with pytest.raises(ValueError):
        top_singular_triplets(blocks)


def test_no_blocks_and_unequal_blocks():
    with pytest.raises(ValueError):
        top_singular_triplets([])
    with pytest.raises(ValueError, match=r"5.*4"):
        top_singular_triplets([np.ones((3, 4)), np.ones((3, 5))])


def test_rows_that_change_between_passes(rng):
    x = rng.standard_normal((200, 100))
    for second in ([x[:150]], [x, x[:1]], []):
        solver = LeftSingularSolver()
        solver.update(x)
        solver.end_pass()
        with pytest.raises(ValueError, match=r"200.*pass 2"):
            for block in second:
                solver.update(block)
            solver.end_pass()


def test_a_shuffled_dataset_is_an_error(rng):
    tf = pytest.importorskip("tensorflow")
    x = rng.random((300, 100)) * rng.random((300, 1))
    shuffled = tf.data.Dataset.from_tensor_slices(x).shuffle(300, seed=1).batch(50)
    with pytest.raises(ValueError, match="300"):
        top_singular_triplets(shuffled)


def test_a_result_without_a_pass_is_an_error():
    solver = LeftSingularSolver()
    for ask in (solver.result, solver.directions):
        with pytest.raises(RuntimeError):
            ask()
    assert solver.n_passes == 0
