"""Trains a model once and leaves a run folder behind; resumes it; reuses it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import math
import os
import re
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_pvec.callback import PVectorLogger, Reference
from keras_pvec.data import SPLITS, ImageData, evaluation_batches, training_batches
from keras_pvec.evaluation import linear_accuracy
from keras_pvec.features import FeatureExtractor
from keras_pvec.linalg import ZeroMatrixError
from keras_pvec.measurement import model_p_vectors
from keras_pvec.models import MODELS, Architecture, parse_model_name
from keras_pvec.pvector import PVector, data_p_vector, p_vector
from keras_pvec.samples import SampleSet
from keras_pvec.store import (
    Run,
    RunConflictError,
    RunFolder,
    library_versions,
    open_run,
    replace_atomically,
)

# Far from the seeds that anyone lists.
_SEED_OF_TWIN = 1_000_003
_CHECKPOINT = re.compile(r"^checkpoint_(\d+)\.weights\.h5$")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is optimised.

    Attributes:
        optimizer: `"sgd"` (Nesterov momentum 0.9) or `"adam"`.
        learning_rate: At the start.
        weight_decay: Coefficient of the L2 penalty as papers give it; biases and
            BatchNormalization are spared. It is applied decoupled from the gradient
            (Loshchilov and Hutter 2019), at the strength that it has with momentum.
        milestones: Shares of the training after which the rate is multiplied by
            `factor`. Empty: the rate falls to zero along half a cosine.
        factor: See `milestones`.
        augment: Whether to pad, crop and flip, where that suits the data. Contrastive
            models learn from augmentation (of another kind) and cannot do without.
    """

    optimizer: str
    learning_rate: float
    weight_decay: float = 0.0
    milestones: Sequence[float] = ()
    factor: float = 0.1
    augment: bool = True


_MOMENTUM = 0.9

RECIPES: dict[str, Recipe] = {
    # Adam with the rate of its authors, and the images as they are (Kingma and Ba 2015,
    # section 6.2).
    "mlp": Recipe("adam", 1e-3, augment=False),
    # An autoencoder sees the images as they are.
    "autoencoder": Recipe("adam", 1e-3, augment=False),
    "denoising_autoencoder": Recipe("adam", 1e-3, augment=False),
    "dense_autoencoder": Recipe("adam", 1e-3, augment=False),
    # Decay and cosine of Chen et al. 2020 (section 2.2), with Adam in place of LARS,
    # which is made for batches of thousands.
    "simclr": Recipe("adam", 1e-3, weight_decay=1e-6),
    # What CIFAR models are customarily trained with: rate and momentum of He et al.
    # 2016 (section 4.2), decay of Zagoruyko and Komodakis 2016, cosine of Loshchilov
    # and Hutter 2017.
    "resnet": Recipe("sgd", 0.1, weight_decay=5e-4),
    # The same at half the rate, since there are no shortcuts.
    "vgg": Recipe("sgd", 0.05, weight_decay=5e-4),
    # Zagoruyko and Komodakis 2016, section 3: epochs 60, 120 and 160 of 200.
    "wide_resnet": Recipe(
        "sgd", 0.1, weight_decay=5e-4, milestones=[0.3, 0.6, 0.8], factor=0.2
    ),
    # Huang et al. 2017, section 4.2: half and three quarters of the epochs.
    "densenet": Recipe("sgd", 0.1, weight_decay=1e-4, milestones=[0.5, 0.75]),
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """How much of everything: data, epochs, width.

    Attributes:
        epochs: Passes over the training images.
        train_samples: Size of the training subset; `None` for all.
        test_samples: How many test images are evaluated; `None` for all.
        num_samples: How many samples of either split P-vectors are taken on; `None`
            for all.
        model_options: Keyword arguments of the builders, by model name; those of a
            variant such as `"resnet-50"` come on top of those of its key.
        variant_width: Factor on all widths in a study that trains many variants.
    """

    epochs: int
    train_samples: int | None
    test_samples: int | None
    num_samples: int | None
    model_options: Mapping[str, Mapping[str, Any]]
    variant_width: float = 1.0


PRESETS: dict[str, Preset] = {
    "small": Preset(
        epochs=15,
        train_samples=5000,
        test_samples=2000,
        num_samples=1000,
        model_options={
            "mlp": {"width": 256},
            "resnet": {"width": 16},
            "resnet-50": {"width": 8},
            "wide_resnet": {"depth": 16, "widen": 1},
            "vgg": {"width": 16},
            "densenet": {"growth": 8},
            "autoencoder": {"width": 16, "bottleneck": 64},
            "denoising_autoencoder": {"width": 16, "bottleneck": 64},
            "dense_autoencoder": {"width": 256, "bottleneck": 64},
        },
        variant_width=0.5,
    ),
    # 200 epochs of batch 128 on the whole set, at full width, as in the paper.
    "paper": Preset(
        epochs=200,
        train_samples=None,
        test_samples=None,
        num_samples=10000,
        model_options={},
    ),
}


def model_options(preset: Preset, model: str) -> dict[str, Any]:
    """Builder options of a model by name: the preset's, unless the name says other.

    Raises:
        ValueError: An unknown model, or a variant that it does not have.
    """
    key, variant = parse_model_name(model)
    if key == "simclr":
        encoder = model.removeprefix("simclr").removeprefix("-") or "resnet"
        return {
            "encoder": parse_model_name(encoder)[0],
            "encoder_options": model_options(preset, encoder),
        }
    of_preset = preset.model_options
    return {**of_preset.get(key, {}), **of_preset.get(model, {}), **variant}


def scale_width(
    model: str, options: Mapping[str, Any], factor: float
) -> dict[str, Any]:
    """Builder options that make a network `factor` times as wide."""
    architecture = MODELS[parse_model_name(model)[0]]
    name = architecture.width_option
    default = inspect.signature(architecture.build).parameters[name].default
    return {**options, name: max(1, round(factor * options.get(name, default)))}


def watched_layers(model: str) -> list[str]:
    """What is logged of a model by default: its features, then its blocks."""
    architecture = MODELS[parse_model_name(model)[0]]
    return [architecture.feature_layer, f"re:{architecture.block_layers}"]


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All that decides what a run will hold. Equal settings are the same run.

    Attributes:
        dataset: Name of the data set.
        data_sha256: Fingerprint of the images and labels that are used.
        model: A key of `MODELS`, with a variant if wanted, as in `"resnet-50"`.
        model_options: Keyword arguments of its builder.
        variant: What it is called in a study of many variants of a model.
        recipe: How it is optimised.
        epochs: Passes over the training images.
        batch_size: Images per update.
        seed: Seed of weights, order, augmentation and dropout.
        num_samples: How many samples P-vectors are taken on, by split.
        layers: Watched layers.
        layers_within_epoch: As in `PVectorLogger`.
        pooling: As in `PVectorLogger`.
        log_freq: As in `PVectorLogger`.
        k: How many left singular vectors are stored.
        method: As in `PVectorLogger`.
        label_noise: Share of the training labels that are wrong; `data` has them.
        precision: Keras's dtype policy, e.g. `"mixed_float16"`.
        jit_compile: Whether to train under XLA.
        deterministic: Whether TensorFlow has to repeat a training bit for bit also
            where that is slower. The switch holds for the rest of the process.
        distribute: `"none"`, or `"mirrored"` to share each batch among all the
            accelerators of the machine.
    """

    dataset: str
    data_sha256: str
    model: str
    model_options: Mapping[str, Any]
    recipe: Recipe
    epochs: int
    batch_size: int
    seed: int
    num_samples: Mapping[str, int]
    layers: Sequence[str]
    layers_within_epoch: str = "all"
    pooling: str | None = "avg"
    log_freq: str | int | Mapping[str, int] = "epoch"
    k: int = 1
    method: str = "fast"
    label_noise: float = 0.0
    variant: str = ""
    precision: str = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    distribute: str = "none"


def architecture_of(settings: RunSettings) -> Architecture:
    """The architecture that the settings name."""
    return MODELS[parse_model_name(settings.model)[0]]


def build_model(settings: RunSettings, data: ImageData) -> keras.Model:
    """Builds and compiles the model of a run; its weights depend on the seed alone."""
    with _strategy(settings.distribute).scope():
        return _build_model(settings, data)


@functools.cache
def _strategy(name: str) -> tf.distribute.Strategy:
    """One strategy for all runs of a process: each holds on to its devices."""
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "none":
        return tf.distribute.get_strategy()  # TensorFlow's default, which does nothing
    raise ValueError(f"`distribute` must be 'none' or 'mirrored'. Received: {name!r}")


def _build_model(settings: RunSettings, data: ImageData) -> keras.Model:
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    architecture = architecture_of(settings)
    if architecture.task == "contrastive" and not settings.recipe.augment:
        raise ValueError(
            f"{settings.model} learns to recognise augmented views of an image; "
            "without augmentation there is nothing to learn. Leave it on."
        )
    keras.utils.set_random_seed(settings.seed)
    mean, variance = _moments(data)
    with _dtype_policy(settings.precision):
        model = architecture.build(
            data.input_shape,
            data.n_classes,
            mean=mean,
            variance=variance,
            **settings.model_options,
        )
    steps = settings.epochs * steps_per_epoch(settings, data)
    optimizer = _optimizer(settings.recipe, steps)
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


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """The dtype policy of the layers that are made within."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def train(
    settings: RunSettings,
    data: ImageData,
    path: str | os.PathLike,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Makes sure that `path` holds the finished run of these settings.

    A finished run is opened, an unfinished one goes on from its last epoch and ends
    with the same numbers as if it had never stopped, and anything else in the place is
    an error.

    Args:
        settings: What to train.
        data: The data set that the settings name.
        path: Folder of the run.
        callbacks: Further Keras callbacks, e.g. for progress.

    Raises:
        RunConflictError: `path` holds a run of other settings, or another process
            is writing there.
        LayerChoiceError: The model has no such layers.
    """
    folder = RunFolder(path)
    if is_finished(settings, path):
        return open_run(path)

    # Whatever can be wrong with the settings shows before anything is written.
    samples = {
        split: data.samples(split, n) for split, n in settings.num_samples.items()
    }
    references = _references(settings, samples, data)
    model = build_model(settings, data)

    with folder.lock():
        # Another process may have finished it while this one waited or prepared.
        if is_finished(settings, path):
            return open_run(path)
        started = time.monotonic()
        earlier_s = folder.read_info().get("wall_time_s", 0.0)
        folder.update_info(
            settings=_as_json(settings),
            status="running",
            git_revision=_git_revision(),
            versions=library_versions(),
        )
        architecture = architecture_of(settings)
        if architecture.task != "classification":
            # The yardstick of what training adds; the model is still as initialised.
            _note_linear_accuracy(folder, model, architecture, data, "untrained")
        first_epoch = _restore(model, folder)
        model.fit(
            training_batches(
                data,
                batch_size=settings.batch_size,
                seed=settings.seed,
                augment=settings.recipe.augment and data.augment,
                task=architecture.task,
                first_epoch=first_epoch,
            ),
            steps_per_epoch=steps_per_epoch(settings, data),
            epochs=settings.epochs,
            initial_epoch=first_epoch,
            validation_data=_evaluation_batches(settings, data, "test"),
            callbacks=[
                *_loggers(settings, samples, references, folder),
                _Checkpoint(folder, started, earlier_s),
                *callbacks,
            ],
            shuffle=False,  # the batches are
            verbose=0,
        )
        folder.update_info(
            evaluation={
                split: model.evaluate(
                    _evaluation_batches(settings, data, split),
                    verbose=0,
                    return_dict=True,
                )
                for split in SPLITS
            },
            n_parameters=sum(math.prod(w.shape) for w in model.trainable_weights),
            n_train=len(data.train),
        )
        replace_atomically(folder.model_path, model.save)
        if architecture.task != "classification":
            _note_linear_accuracy(folder, model, architecture, data, "trained")
        folder.update_info(status="finished")
        for _, checkpoint in _checkpoints(folder):
            checkpoint.unlink()
    return open_run(path)


def _loggers(
    settings: RunSettings,
    samples: Mapping[str, SampleSet],
    references: Mapping[str, Mapping[str, Reference]],
    folder: RunFolder,
) -> list[PVectorLogger]:
    """One logger for each sample set. That of the training samples writes into the
    run's own folder; it stands last, so that `metrics.csv` there holds all angles."""
    loggers = []
    for split in sorted(samples, key=lambda split: split == "train"):
        path = folder.path if split == "train" else folder.path / split
        if split != "train":
            RunFolder(path).update_info(settings=_as_json(settings))
        loggers.append(
            PVectorLogger(
                path,
                samples[split],
                list(settings.layers),
                references=references[split],
                log_freq=settings.log_freq,
                layers_within_epoch=settings.layers_within_epoch,
                k=settings.k,
                method=settings.method,
                pooling=settings.pooling,
                name="pvec" if split == "train" else f"pvec_{split}",
                resume=True,
            )
        )
    return loggers


def _references(
    settings: RunSettings, samples: Mapping[str, SampleSet], data: ImageData
) -> dict[str, dict[str, Reference]]:
    """What every moment is compared with, by split and name: the data, and an untrained
    twin, the same network with initial weights of its own, which shows what
    architecture and data do alone."""
    references: dict[str, dict[str, Reference]] = {
        split: dict(_data_p_vectors(of_split, data))
        for split, of_split in samples.items()
    }
    twin = build_model(
        dataclasses.replace(settings, seed=settings.seed + _SEED_OF_TWIN), data
    )
    try:
        for split, of_split in samples.items():
            references[split]["untrained"] = model_p_vectors(
                twin,
                of_split,
                list(settings.layers),
                method=settings.method,
                pooling=settings.pooling,
            )
    except ZeroMatrixError as error:
        # A layer may start at zero; the training is not to fail for its twin.
        warnings.warn(f"Without an untrained twin: {error}", stacklevel=3)
    return references


def _data_p_vectors(samples: SampleSet, data: ImageData) -> dict[str, PVector]:
    """Of the pixels in [0, 1], and of the standardised ones that networks work on."""
    mean, variance = _moments(data)
    standardised = ((samples.x - mean) / np.sqrt(variance)).astype(np.float32)
    return {
        "data": data_p_vector(samples),
        "input": p_vector(standardised, layer="input", samples=samples),
    }


def _moments(data: ImageData) -> tuple[list[float], list[float]]:
    """Mean and variance of each channel, as models are given them."""
    mean, variance = data.channel_moments()
    # A channel that never changes stays zero instead of becoming NaN.
    return mean, [max(v, 1e-12) for v in variance]


def _evaluation_batches(
    settings: RunSettings, data: ImageData, split: str
) -> tf.data.Dataset:
    return evaluation_batches(
        data,
        split,
        batch_size=settings.batch_size,
        task=architecture_of(settings).task,
    )


def check_layers(settings: RunSettings, data: ImageData) -> None:
    """Raises `LayerChoiceError` if the model of a run lacks the watched layers."""
    FeatureExtractor(build_model(settings, data), settings.layers)


def is_finished(settings: RunSettings, path: str | os.PathLike) -> bool:
    """Whether `path` holds the finished run of these settings.

    Raises:
        RunConflictError: It holds a run of other settings.
    """
    folder = RunFolder(path)
    info = folder.read_info()
    stored, asked = info.get("settings"), _as_json(settings)
    if stored is None:
        if folder.moments():
            raise RunConflictError(
                f"{folder.path} holds a run that was not made by an experiment. Choose "
                "another folder, or delete it."
            )
        return False
    different = [
        f"{key} is {stored.get(key)!r} there and {asked.get(key)!r} now"
        for key in sorted({*stored, *asked})
        if stored.get(key) != asked.get(key)
    ]
    if different:
        raise RunConflictError(
            f"{folder.path} holds a run with other settings: {'; '.join(different)}. "
            "Choose another folder for the runs, or delete this one."
        )
    return info.get("status") == "finished"


def epochs_done(path: str | os.PathLike) -> int:
    """How many epochs an unfinished run need not train again."""
    return max((epoch for epoch, _ in _checkpoints(RunFolder(path))), default=0)


# Solving for P-vectors and writing them, per sample set and moment.
_MOMENT_S = 0.05


@dataclasses.dataclass(frozen=True)
class Speed:
    """How long a model takes on this machine.

    Attributes:
        start_s: Seconds until everything is built and compiled.
        sample_s: Seconds of a forward pass, per sample.
    """

    start_s: float
    sample_s: float


def measure_speed(settings: RunSettings, data: ImageData) -> Speed:
    """Times the forward pass of one batch of the model of a run.

    Building and compiling for training, evaluation and logging takes about four times
    what it takes for the forward pass.
    """
    started = time.monotonic()
    model = build_model(settings, data)
    batch = data.train.take(settings.batch_size).pixels()
    model.predict_on_batch(batch)
    compiled = time.monotonic()
    model.predict_on_batch(batch)
    return Speed(4 * (compiled - started), (time.monotonic() - compiled) / len(batch))


def expected_seconds(
    settings: RunSettings, data: ImageData, speed: Speed, epochs_done: int = 0
) -> float:
    """A rough forecast of the time that the rest of a training takes.

    An update costs about three forward passes (the backward pass computes two
    gradients), a logging moment and a validation one each per sample.
    """
    views = 2 if architecture_of(settings).task == "contrastive" else 1
    epochs = settings.epochs - epochs_done
    passes = epochs * views * (3 * len(data.train) + len(data.test))
    moments = epochs
    steps = steps_per_epoch(settings, data)
    if isinstance(settings.log_freq, int):
        moments += epochs * steps // settings.log_freq
    elif isinstance(settings.log_freq, Mapping) and not epochs_done:
        moments += steps // settings.log_freq["first_epoch"]
    passes += moments * sum(settings.num_samples.values())
    solving = moments * len(settings.num_samples) * _MOMENT_S
    return speed.start_s + speed.sample_s * passes + solving


class _Checkpoint(keras.callbacks.Callback):
    """Saves weights, optimizer and seeds after each epoch, once its rows are written.

    The file is named by the number of finished epochs and appears whole, so the newest
    one is always one to resume from.
    """

    def __init__(self, folder: RunFolder, started: float, earlier_s: float) -> None:
        super().__init__()
        self._folder = folder
        self._started = started
        self._earlier_s = earlier_s

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        path = self._folder.path / f"checkpoint_{epoch + 1:04d}.weights.h5"
        replace_atomically(path, self.model.save_weights, ".weights.h5")
        for done, older in _checkpoints(self._folder):
            if done <= epoch:
                older.unlink()
        elapsed = time.monotonic() - self._started
        self._folder.update_info(wall_time_s=round(self._earlier_s + elapsed, 1))


def _restore(model: keras.Model, folder: RunFolder) -> int:
    """Loads the newest checkpoint, if any; returns the epoch to go on with."""
    checkpoints = _checkpoints(folder)
    if not checkpoints:
        return 0
    epoch, path = checkpoints[-1]
    model.load_weights(path)
    return epoch


def _note_linear_accuracy(
    folder: RunFolder,
    model: keras.Model,
    architecture: Architecture,
    data: ImageData,
    moment: str,
) -> None:
    """Writes what a linear classifier makes of the features into `run.json`.

    Models without a classifier of their own are compared by this accuracy.
    """
    known = folder.read_info().get("linear_accuracy", {})
    if moment not in known:
        accuracy = linear_accuracy(
            model,
            architecture.feature_layer,
            data.samples("train"),
            data.samples("test"),
        )
        folder.update_info(linear_accuracy={**known, moment: accuracy})


def _checkpoints(folder: RunFolder) -> list[tuple[int, Path]]:
    found = []
    for path in folder.path.glob("checkpoint_*"):
        if match := _CHECKPOINT.match(path.name):
            found.append((int(match[1]), path))
    return sorted(found)


def _optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
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
        rate = schedules.CosineDecay(recipe.learning_rate, steps)
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


def steps_per_epoch(settings: RunSettings, data: ImageData) -> int:
    """Updates per epoch; the last one has fewer images where they do not divide."""
    return math.ceil(len(data.train) / settings.batch_size)


def _as_json(settings: RunSettings) -> dict[str, Any]:
    """The settings as they come back from a JSON file."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def _git_revision() -> str | None:
    """Revision of the checkout that this file lies in; `None` outside of one."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
