"""Builds and compiles the model of a run."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import keras

from keras_pvec.features import FeatureExtractor
from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.training.recipes import Recipe
from keras_pvec.reproduction.training.settings import (
    RunSettings,
    architecture_of,
    steps_per_epoch,
)
from keras_pvec.runs import RunFolder

_MOMENTUM = 0.9


def build_model(settings: RunSettings, data: ImageData) -> keras.Model:
    """Builds and compiles the model of a run; its weights depend on the seed alone."""
    with _strategy(settings.distribute).scope():
        return _build_model(settings, data)


def load_model(run: str | os.PathLike) -> keras.Model:
    """The model of a finished run, as it is after its last epoch.

    Some layers are of this package; `keras.saving.load_model` by itself does not find
    them in files that were written before they had moved to where they are.

    Args:
        run: Folder of the run.
    """
    return keras.saving.load_model(RunFolder(run).model_path)


def check_layers(settings: RunSettings, data: ImageData) -> None:
    """Raises `LayerChoiceError` if the model of a run lacks the watched layers."""
    FeatureExtractor(build_model(settings, data), settings.layers)


def standardising_moments(data: ImageData) -> tuple[list[float], list[float]]:
    """Mean and variance of each channel, as models are given them."""
    mean, variance = data.channel_moments()
    # A channel that never changes stays zero instead of becoming NaN.
    return mean, [max(v, 1e-12) for v in variance]


@functools.cache
def _strategy(name: str) -> Any:
    """One strategy for all runs of a process: each holds on to its devices."""
    import tensorflow as tf

    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "none":
        return tf.distribute.get_strategy()  # TensorFlow's default, which does nothing
    raise ValueError(f"`distribute` must be 'none' or 'mirrored'. Received: {name!r}")


def _build_model(settings: RunSettings, data: ImageData) -> keras.Model:
    if settings.deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    architecture = architecture_of(settings)
    if architecture.task == "contrastive" and not settings.recipe.augment:
        raise ValueError(
            f"{settings.model} learns to recognise augmented views of an image; "
            "without augmentation there is nothing to learn. Leave it on."
        )
    options = dict(settings.model_options)
    if architecture.task == "contrastive":
        options.setdefault("flip", data.augment)
    keras.utils.set_random_seed(settings.seed)
    mean, variance = standardising_moments(data)
    with _dtype_policy(settings.precision):
        model = architecture.build(
            data.input_shape, data.n_classes, mean=mean, variance=variance, **options
        )
    steps = settings.epochs * steps_per_epoch(settings, data)
    optimizer = build_optimizer(settings.recipe, steps)
    jit = settings.jit_compile
    if architecture.task == "contrastive":
        model.compile(optimizer, jit_compile=jit)  # it knows its loss
    elif architecture.task == "reconstruction":
        model.compile(optimizer, loss="mse", jit_compile=jit)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss=loss, metrics=["accuracy"], jit_compile=jit)
    # Mixed precision wraps the optimizer; build the one that the model has.
    model.optimizer.build(model.trainable_variables)
    return model


def build_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe, for a training of so many updates."""
    schedules = keras.optimizers.schedules
    if recipe.milestones:
        rate = schedules.PiecewiseConstantDecay(
            [round(share * steps) for share in recipe.milestones],
            [
                recipe.learning_rate * recipe.factor**i
                for i in range(len(recipe.milestones) + 1)
            ],
        )
    else:
        rate = schedules.CosineDecay(
            recipe.learning_rate,
            max(round(recipe.decay_share * steps), 1),
            alpha=recipe.final_rate,
        )
    if recipe.optimizer == "sgd":
        # A penalty in the gradient is summed up by the momentum; a decoupled decay
        # is not, and has to be that much stronger.
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


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """The dtype policy of the layers that are made within."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
