"""Trains a model once and leaves a run folder behind; resumes it; reuses it."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_pvec.callback import PVectorLogger
from keras_pvec.measurement import model_p_vectors
from keras_pvec.pvector import PVector, data_p_vector, p_vector
from keras_pvec.reproduction.data import (
    SPLITS,
    EvaluationBatches,
    ImageData,
    TrainingBatches,
)
from keras_pvec.reproduction.evaluation import linear_accuracy
from keras_pvec.reproduction.models import Architecture
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training.build import build_model, standardising_moments
from keras_pvec.reproduction.training.checkpoint import (
    CheckpointWriter,
    WeightKeeper,
    checkpoints,
    remove_checkpoints,
    restore_checkpoint,
)
from keras_pvec.reproduction.training.gate import rate_training
from keras_pvec.reproduction.training.recipes import ReferenceAccuracy
from keras_pvec.reproduction.training.settings import (
    RunSettings,
    architecture_of,
    differences,
    weight_moments,
)
from keras_pvec.runs import (
    Reference,
    Run,
    RunConflictError,
    RunFolder,
    library_versions,
    open_run,
    replace_atomically,
)
from keras_pvec.samples import SampleSet
from keras_pvec.solver import ZeroMatrixError, available_cores

# Far from the seeds that anyone lists.
_SEED_OF_TWIN = 1_000_003


def train(
    settings: RunSettings,
    data: ImageData,
    path: str | os.PathLike,
    *,
    reference: ReferenceAccuracy | None = None,
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
        reference: The accuracy that a well-trained network of that size has.
        callbacks: Further Keras callbacks, e.g. for progress.

    Raises:
        RunConflictError: `path` holds a run of other settings, or another process
            is writing there.
        LayerChoiceError: The model has no such layers.
        DamagedCheckpointError: No stored state of an unfinished run is whole.
        ValueError: The data are not those of the settings.
    """
    folder = RunFolder(path)
    if is_finished(settings, path):
        return open_run(path)

    # Whatever can be wrong with the settings shows before anything is written.
    if data.fingerprint() != settings.data_sha256:
        raise ValueError(
            f"The images of {data.name} are not those that the settings name: their "
            f"fingerprint is {data.fingerprint()[:12]}, not "
            f"{settings.data_sha256[:12]}."
        )
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
        earlier_s = TrainingRecord.of(folder.read_info()).wall_time_s
        folder.update_info(versions=library_versions())
        folder.note(
            settings=settings.as_json(),
            status="running",
            git_revision=_git_revision(),
            n_cores=available_cores(),
        )
        architecture = architecture_of(settings)
        if architecture.task != "classification":
            # The yardstick of what training adds; the model is still as initialised.
            _note_linear_accuracy(folder, model, architecture, data, "untrained")
        first_epoch = restore_checkpoint(model, folder)
        if first_epoch < settings.epochs:
            _reopen(folder, settings)
        batches = TrainingBatches(
            data,
            batch_size=settings.batch_size,
            seed=settings.seed,
            augment=settings.recipe.augment and data.augment,
            task=architecture.task,
            first_epoch=first_epoch,
        )
        keepers = []
        if settings.keep_weights:
            moments = weight_moments(settings.epochs, batches.steps_per_epoch)
            keepers.append(
                WeightKeeper(folder, moments, first_epoch, batches.steps_per_epoch)
            )
        model.fit(
            batches,
            steps_per_epoch=batches.steps_per_epoch,
            epochs=settings.epochs,
            initial_epoch=first_epoch,
            validation_data=_evaluation_batches(settings, data, "test"),
            callbacks=[
                *_loggers(settings, samples, references, folder),
                *keepers,
                CheckpointWriter(folder, started, earlier_s),
                *callbacks,
            ],
            shuffle=False,  # the batches are
            verbose=0,
        )
        evaluation = {
            split: model.evaluate(
                _evaluation_batches(settings, data, split), verbose=0, return_dict=True
            )
            for split in SPLITS
        }
        folder.note(
            evaluation=evaluation,
            n_parameters=sum(math.prod(w.shape) for w in model.trainable_weights),
            n_train=len(data.train),
        )
        replace_atomically(folder.model_path, model.save)
        accuracy = evaluation["test"].get("accuracy")
        if architecture.task != "classification":
            accuracy = _note_linear_accuracy(
                folder, model, architecture, data, "trained"
            )
        quality = rate_training(_training_losses(folder), accuracy, reference)
        folder.note(training_quality=dataclasses.asdict(quality), status="finished")
        remove_checkpoints(folder)
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
            RunFolder(path).note(settings=settings.as_json())
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
    mean, variance = standardising_moments(data)
    standardised = ((samples.x - mean) / np.sqrt(variance)).astype(np.float32)
    return {
        "data": data_p_vector(samples),
        "input": p_vector(standardised, layer="input", samples=samples),
    }


def _reopen(folder: RunFolder, settings: RunSettings) -> None:
    """Takes back that the logs are complete. They are once `fit` has ended, but a run
    that was stopped after that may have to repeat its last epoch."""
    for split in settings.num_samples:
        logged = folder if split == "train" else RunFolder(folder.path / split)
        described = logged.read_info().logged_with
        if described is not None and described.complete:
            reopened = dataclasses.replace(described, complete=False)
            logged.update_info(logged_with=reopened)


def _evaluation_batches(
    settings: RunSettings, data: ImageData, split: str
) -> EvaluationBatches:
    return EvaluationBatches(
        getattr(data, split),
        batch_size=settings.batch_size,
        task=architecture_of(settings).task,
    )


def is_finished(settings: RunSettings, path: str | os.PathLike) -> bool:
    """Whether `path` holds the finished run of these settings.

    Raises:
        RunConflictError: It holds a run of other settings.
    """
    folder = RunFolder(path)
    record = TrainingRecord.of(folder.read_info())
    if not record.settings:
        if folder.moments():
            raise RunConflictError(
                f"{folder.path} holds a run that was not made by an experiment. Choose "
                "another folder, or delete it."
            )
        return False
    different = differences(record.settings, settings)
    if record.status == "finished":
        # What matters on the way there no longer does.
        for key in ("batches", "keep_weights"):
            different.pop(key, None)
    if set(different) - {"keep_weights"} == {"batches"}:
        raise RunConflictError(
            f"{folder.path} holds a run that another version of keras_pvec began and "
            "did not finish; this one draws other batches from a seed. Choose another "
            "folder for the runs, or delete this one."
        )
    if different:
        raise RunConflictError(
            f"{folder.path} holds a run with other settings: "
            f"{'; '.join(different.values())}. Choose another folder for the runs, or "
            "delete this one."
        )
    return record.status == "finished"


def epochs_done(path: str | os.PathLike) -> int:
    """How many epochs an unfinished run need not train again."""
    return max((epoch for epoch, _ in checkpoints(RunFolder(path))), default=0)


def _training_losses(folder: RunFolder) -> list[float]:
    return [float(row["loss"]) for row in folder.metrics_rows()]


def _note_linear_accuracy(
    folder: RunFolder,
    model: keras.Model,
    architecture: Architecture,
    data: ImageData,
    moment: str,
) -> float:
    """Writes what a linear classifier makes of the features into `run.json`.

    Models without a classifier of their own are compared by this accuracy.
    """
    known = TrainingRecord.of(folder.read_info()).linear_accuracy
    if moment not in known:
        accuracy = linear_accuracy(
            model,
            architecture.feature_layer,
            data.samples("train"),
            data.samples("test"),
        )
        known = {**known, moment: accuracy}
        folder.note(linear_accuracy=known)
    return known[moment]


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
