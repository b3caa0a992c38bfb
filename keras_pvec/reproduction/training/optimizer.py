"""The optimizer of a recipe."""

from __future__ import annotations

import keras

from keras_pvec.reproduction.training.recipes import Recipe

_MOMENTUM = 0.9


def build_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Builds the optimizer of a recipe.

    Args:
        recipe: The recipe.
        steps: Number of updates of the whole training.

    Raises:
        ValueError: The recipe names an unknown optimizer.
    """
    rate = _learning_rate(recipe, steps)
    if recipe.optimizer == "sgd":
        # Momentum accumulates a penalty that is part of the gradient, but not a
        # decoupled decay, which must be stronger by that factor.
        decay = recipe.weight_decay / (1 - _MOMENTUM)
        optimizer = keras.optimizers.SGD(
            rate, momentum=_MOMENTUM, nesterov=True, weight_decay=decay or None
        )
    elif recipe.optimizer == "adam":
        decay = recipe.weight_decay
        optimizer = keras.optimizers.Adam(rate, weight_decay=decay or None)
    else:
        raise ValueError(
            f"`optimizer` must be 'sgd' or 'adam'. Received: {recipe.optimizer!r}"
        )
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _learning_rate(
    recipe: Recipe, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if recipe.milestones:
        return schedules.PiecewiseConstantDecay(
            [round(share * steps) for share in recipe.milestones],
            [
                recipe.learning_rate * recipe.factor**i
                for i in range(len(recipe.milestones) + 1)
            ],
        )
    return schedules.CosineDecay(
        recipe.learning_rate,
        max(round(recipe.decay_share * steps), 1),
        alpha=recipe.final_rate,
    )
