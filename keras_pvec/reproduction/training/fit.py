"""Trains a network into a run folder, or resumes an interrupted run."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping, Sequence

import keras

from keras_pvec.callback import PVectorLogger
from keras_pvec.reproduction.backends import backend
from keras_pvec.reproduction.data import (
    SPLITS,
    EvaluationBatches,
    ImageData,
    TrainingBatches,
)
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training.build import build_model
from keras_pvec.reproduction.training.checkpoint import (
    CheckpointWriter,
    RandomStateRestorer,
    remove_checkpoints,
    restore_checkpoint,
    stored_random_state,
)
from keras_pvec.reproduction.training.gate import rate_training
from keras_pvec.reproduction.training.linear_evaluation import note_linear_accuracy
from keras_pvec.reproduction.training.provenance import git_revision
from keras_pvec.reproduction.training.reference_accuracies import ReferenceAccuracy
from keras_pvec.reproduction.training.references import references_of
from keras_pvec.reproduction.training.run_state import (
    check_logs,
    complete_logs,
    is_finished,
    open_finished,
    reopen_logs,
)
from keras_pvec.reproduction.training.settings import (
    RunSettings,
    architecture_of,
    steps_per_epoch,
)
from keras_pvec.reproduction.training.weights import WeightKeeper, weight_moments
from keras_pvec.runs import (
    DamagedRunError,
    Reference,
    Run,
    RunFolder,
    bring_home,
    library_versions,
    open_run,
    replace_atomically,
)
from keras_pvec.samples import SampleSet
from keras_pvec.solver import available_cores


def train(
    settings: RunSettings,
    data: ImageData,
    path: str | os.PathLike,
    *,
    reference: ReferenceAccuracy | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Trains a run, unless its folder already holds it.

    A finished run is opened. An unfinished one resumes after its last epoch and ends
    with the same numbers as if it had not been interrupted.

    Args:
        settings: What to train.
        data: The data set that the settings name.
        path: Folder of the run.
        reference: The accuracy that a well-trained network of that size reaches.
        callbacks: Further Keras callbacks, such as a progress bar.

    Returns:
        The finished run.

    Raises:
        RunConflictError: The folder holds a run with other settings, or another process
            is writing to it.
        LayerChoiceError: The model lacks one of the watched layers.
        DamagedCheckpointError: All checkpoints of an unfinished run are damaged.
        DamagedRunError: Other files of the run are damaged, or rows are missing.
        ValueError: The data do not match the settings.
    """
    folder = RunFolder(path)
    if is_finished(settings, path):
        return open_finished(settings, path)

    # Wrong settings should fail before anything is written.
    if data.fingerprint() != settings.data_sha256:
        raise ValueError(
            f"The images of {data.name} do not match the settings. Expected "
            f"fingerprint: {settings.data_sha256[:12]}. "
            f"Received: {data.fingerprint()[:12]}. Load the "
            "images that the settings were made with."
        )
    samples = {
        split: data.samples(split, n) for split, n in settings.num_samples.items()
    }
    references = references_of(settings, samples, data)
    model = build_model(settings, data)

    bring_home(path)
    with folder.lock():
        # Another process may have finished the run since the first check.
        if is_finished(settings, path):
            return open_finished(settings, path)
        started = time.monotonic()
        folder.remove_partial_files()
        earlier_s = TrainingRecord.of(folder.read_info()).wall_time_s
        folder.update_info(versions=library_versions())
        folder.note(
            settings=settings.as_json(),
            status="running",
            git_revision=git_revision(),
            n_cores=available_cores(),
        )
        architecture = architecture_of(settings)
        has_labels = architecture.task == "classification"
        if not has_labels:  # before a checkpoint replaces the initial weights
            note_linear_accuracy(
                folder, model, architecture.feature_layer, data, "untrained"
            )
        first_epoch = restore_checkpoint(model, folder)
        if first_epoch > 0:
            check_logs(folder, settings.num_samples)
        if first_epoch < settings.epochs:
            reopen_logs(folder, settings.num_samples)
        logging = [
            *_loggers(settings, samples, references, folder),
            *_weight_keepers(settings, data, folder, first_epoch),
            CheckpointWriter(folder, started, earlier_s),
        ]
        if random_state := stored_random_state(folder, first_epoch):
            logging.append(RandomStateRestorer(random_state))
        _fit(model, settings, data, first_epoch, [*logging, *callbacks])
        complete_logs(folder, settings)
        accuracy = _note_evaluation(model, settings, data, folder)
        replace_atomically(folder.model_path, model.save)
        if not has_labels:
            accuracy = note_linear_accuracy(
                folder, model, architecture.feature_layer, data, "trained"
            )
        quality = rate_training(_losses(folder, settings), accuracy, reference)
        folder.note(training_quality=dataclasses.asdict(quality), status="finished")
        folder.seal(split for split in settings.num_samples if split != "train")
        remove_checkpoints(folder)
    return open_run(path)


def _losses(folder: RunFolder, settings: RunSettings) -> list[float]:
    """The training loss of each epoch.

    Raises:
        DamagedRunError: `metrics.csv` does not have all of them.
    """
    try:
        losses = [float(row["loss"]) for row in folder.metrics_rows()]
    except (KeyError, ValueError) as error:
        reason = f"it has no loss in some row ({error!r})"
        raise DamagedRunError(folder.metrics_path, reason) from error
    if len(losses) != settings.epochs:
        reason = f"it has {len(losses)} rows, not one for each of {settings.epochs}"
        raise DamagedRunError(folder.metrics_path, f"{reason} epochs")
    return losses


def _fit(
    model: keras.Model,
    settings: RunSettings,
    data: ImageData,
    first_epoch: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    n_shares = backend().n_shares(settings.distribute)
    batches = TrainingBatches(
        data,
        batch_size=settings.batch_size,
        seed=settings.seed,
        augment=settings.recipe.augment and data.augment,
        task=architecture_of(settings).task,
        first_epoch=first_epoch,
        n_shares=n_shares,
    )
    with backend().fit_scope(settings.distribute):
        model.fit(
            batches,
            steps_per_epoch=batches.steps_per_epoch,
            epochs=settings.epochs,
            initial_epoch=first_epoch,
            validation_data=_evaluation_batches(settings, data, "test", n_shares),
            callbacks=[*callbacks],
            shuffle=False,  # the batches are shuffled already
            verbose=0,
        )


def _loggers(
    settings: RunSettings,
    samples: Mapping[str, SampleSet],
    references: Mapping[str, Mapping[str, Reference]],
    folder: RunFolder,
) -> list[PVectorLogger]:
    """One logger for each split.

    The logger of the training samples writes to the folder of the run. It is the last
    one, so that `metrics.csv` there has the angles of all splits.
    """
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
                overwrite=True,  # where there is no checkpoint
            )
        )
    return loggers


def _weight_keepers(
    settings: RunSettings, data: ImageData, folder: RunFolder, first_epoch: int
) -> list[WeightKeeper]:
    if not settings.keep_weights:
        return []
    steps = steps_per_epoch(settings, data)
    moments = weight_moments(settings.epochs, steps)
    return [WeightKeeper(folder, moments, first_epoch, steps)]


def _note_evaluation(
    model: keras.Model, settings: RunSettings, data: ImageData, folder: RunFolder
) -> float | None:
    """Records the loss and metrics of both splits, and the size of the run.

    Returns:
        The accuracy on the test images; `None` for networks trained without labels.
    """
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
    return evaluation["test"].get("accuracy")


def _evaluation_batches(
    settings: RunSettings, data: ImageData, split: str, n_shares: int = 1
) -> EvaluationBatches:
    return EvaluationBatches(
        getattr(data, split),
        batch_size=settings.batch_size,
        task=architecture_of(settings).task,
        n_shares=n_shares,
    )
