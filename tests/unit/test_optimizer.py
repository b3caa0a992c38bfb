"""Optimisers of recipes: schedules and weight decay, against plain loops."""

import keras
import numpy as np
import pytest

from keras_pvec.reproduction.training import PRESETS, Recipe, recipe_of
from keras_pvec.reproduction.training.optimizer import build_optimizer


def rate_after(optimizer, steps):
    optimizer.iterations.assign(steps)
    return float(optimizer.learning_rate)


def test_steps_of_the_learning_rate():
    recipe = Recipe("sgd", 0.1, milestones=[0.3, 0.6, 0.8], factor=0.2)
    optimizer = build_optimizer(recipe, 200)
    for share, rate in ((0, 0.1), (0.1, 0.1), (0.4, 0.02), (0.7, 0.004), (0.9, 0.0008)):
        np.testing.assert_allclose(rate_after(optimizer, share * 200), rate, rtol=1e-6)


def test_cosines():
    """Half a cosine to zero, and one that ends early at a hundredth of the rate."""
    whole = build_optimizer(Recipe("adam", 0.4), 100)
    for steps in (0, 25, 50, 100):
        expected = 0.4 * (1 + np.cos(np.pi * steps / 100)) / 2
        np.testing.assert_allclose(rate_after(whole, steps), expected, atol=1e-7)
    early = build_optimizer(recipe_of(PRESETS["whole"], "wide_resnet28_1"), 1000)
    for steps, rate in (
        (0, 0.1),
        (450, 0.1 * (0.01 + 0.99 / 2)),
        (900, 0.001),
        (990, 0.001),
    ):
        np.testing.assert_allclose(rate_after(early, steps), rate, rtol=1e-5)


def test_an_unknown_optimizer():
    with pytest.raises(ValueError, match="lars"):
        build_optimizer(Recipe("lars", 0.1), 10)


def test_weight_decay_is_as_strong_as_the_penalty_of_the_papers():
    """Shrinkage of a weight without any other gradient, against gradient descent with
    an L2 penalty and momentum."""
    rate, penalty, steps = 0.01, 0.05, 3000
    weight, velocity = 1.0, 0.0
    for _ in range(steps):
        velocity = 0.9 * velocity + penalty * weight
        weight -= rate * velocity
    variable = keras.Variable(1.0, name="kernel")
    recipe = Recipe("sgd", rate, weight_decay=penalty, milestones=[1.0])
    optimizer = build_optimizer(recipe, 10 * steps)
    for _ in range(steps // 10):
        optimizer.apply([0.0], [variable])
    np.testing.assert_allclose(np.log(variable), np.log(weight) / 10, rtol=0.05)


def test_biases_and_normalization_do_not_decay():
    """One update at rate 0.1 without a gradient: kernels shrink by a penalty of 0.05,
    tenfold because of the momentum."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, bias_initializer="ones"),
            keras.layers.BatchNormalization(beta_initializer="ones"),
        ]
    )
    optimizer = build_optimizer(Recipe("sgd", 0.1, weight_decay=0.05), 100)
    variables = model.trainable_variables
    before = {v.path: np.array(keras.ops.convert_to_numpy(v)) for v in variables}
    optimizer.apply([keras.ops.zeros_like(v) for v in variables], variables)
    assert len(variables) == 4
    for variable in variables:
        factor = 1 - 0.1 * 0.05 * 10 if variable.name == "kernel" else 1
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(variable),
            before[variable.path] * factor,
            rtol=1e-5,
        )
