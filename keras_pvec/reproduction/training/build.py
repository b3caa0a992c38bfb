"""Builds and compiles the model of a run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import keras

from keras_pvec.features import FeatureExtractor
from keras_pvec.reproduction.backends import (
    UnsupportedOnBackendError,
    backend,
    check_distribution,
)
from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.training.optimizer import build_optimizer
from keras_pvec.reproduction.training.settings import (
    RunSettings,
    architecture_of,
    steps_per_epoch,
)
from keras_pvec.runs import DamagedRunError, RunFolder, check_file


def build_model(settings: RunSettings, data: ImageData) -> keras.Model:
    """Builds and compiles the model of a run; its weights depend only on the seed.

    Raises:
        ValueError: The settings contradict each other, or do not suit the Keras backend
            in use.
    """
    in_use = keras.backend.backend()
    if settings.backend != in_use:
        raise UnsupportedOnBackendError(
            f"The settings are of a run on the Keras backend {settings.backend!r}. "
            f"Received: {in_use!r}. Set KERAS_BACKEND={settings.backend}."
        )
    check_distribution(settings.distribute)
    with backend().build_scope(settings.distribute):
        return _build_model(settings, data)


def load_model(run: str | os.PathLike) -> keras.Model:
    """Loads the model of a finished run, after its last epoch.

    `keras.saving.load_model` alone does not find the layers of this package in files of
    earlier versions, in which they belong to other modules.

    Args:
        run: Folder of the run.

    Returns:
        The compiled model.

    Raises:
        DamagedRunError: The file is missing or damaged, or does not match the checksum
            of the run.
    """
    folder = RunFolder(run)
    check_file(folder.path, folder.model_path)
    try:
        return keras.saving.load_model(folder.model_path)
    # The type of the error depends on where the file is damaged.
    except Exception as error:
        reason = f"it holds no model that can be loaded ({type(error).__name__})"
        raise DamagedRunError(folder.model_path, reason) from error


def check_layers(settings: RunSettings, data: ImageData) -> None:
    """Checks that the model of a run has the watched layers.

    Raises:
        LayerChoiceError: A watched layer does not exist.
    """
    FeatureExtractor(build_model(settings, data), settings.layers)


def input_moments(data: ImageData) -> tuple[list[float], list[float]]:
    """Mean and variance of each channel, with which models standardize their input."""
    mean, variance = data.channel_moments()
    # A constant channel becomes zero instead of NaN.
    return mean, [max(v, 1e-12) for v in variance]


def _build_model(settings: RunSettings, data: ImageData) -> keras.Model:
    if settings.deterministic:
        backend().enable_determinism()  # Keras has no option for it
    architecture = architecture_of(settings)
    if architecture.task == "contrastive" and not settings.recipe.augment:
        raise ValueError(
            f"{settings.model} learns from augmented views of the images and cannot be "
            "trained without augmentation. Received: a recipe with `augment=False`"
        )
    options = dict(settings.model_options)
    if architecture.task == "contrastive":
        options.setdefault("flip", data.augment)
    keras.utils.set_random_seed(settings.seed)
    mean, variance = input_moments(data)
    with _dtype_policy(settings.precision):
        model = architecture.build(
            data.input_shape, data.n_classes, mean=mean, variance=variance, **options
        )
    steps = settings.epochs * steps_per_epoch(settings, data)
    optimizer = build_optimizer(settings.recipe, steps)
    jit = backend().jit_option(settings.jit_compile)
    if architecture.task == "contrastive":
        model.compile(optimizer, jit_compile=jit)  # the model computes its own loss
    elif architecture.task == "reconstruction":
        model.compile(optimizer, loss="mse", jit_compile=jit)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss=loss, metrics=["accuracy"], jit_compile=jit)
    # With mixed precision, `compile` wraps the optimizer; the wrapper is built.
    model.optimizer.build(model.trainable_variables)
    return model


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Sets the dtype policy of the layers that are created in the context."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
