"""A training without Keras: its P-vectors are made of random features, so that a run
takes milliseconds, and a run of the same seed always leaves the same files.

The run looks as one of the experiments: the training samples are logged in the folder
of the run and the test samples in `test`, `run.json` has notes of the training, and one
layer has no P-vector at one moment.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import keras_pvec as kp
from keras_pvec.runs import LogSchedule, Moment, Recorder, RunFolder
from keras_pvec.solver import ZeroMatrixError

EPOCHS = 3
STEPS = 4  # per epoch
LAYERS = ("features", "block/1")
SPLITS = {"test": 10, "train": 12}  # samples; the logger of "train" comes last
N_FEATURES = 4
_EVERY_IN_FIRST_EPOCH = 2
# The block is all zero here.
_DEAD = Moment(0, 2)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What the recorder receives of a moment."""

    p_vectors: Mapping[str, kp.PVector]
    failures: Mapping[str, ValueError]


@dataclasses.dataclass(frozen=True)
class MeasuredWith:
    k: int = 2
    method: str = "fast"
    pooling: str | None = "avg"


@functools.cache
def samples_of(split: str, seed: int = 0) -> kp.SampleSet:
    rng = np.random.default_rng([seed, len(split)])
    x = rng.random((SPLITS[split], 2, 2, 1), np.float32)
    labels = np.arange(SPLITS[split]) % 3
    return kp.SampleSet(x, labels, name=f"small/{split}")


@functools.cache
def p_vector_of(split: str, layer: str, step: int, seed: int) -> kp.PVector:
    samples = samples_of(split)
    rng = np.random.default_rng([seed, len(split), len(layer), step])
    leading = np.outer(1 + samples.x.mean((1, 2, 3)), rng.random(N_FEATURES))
    features = leading + 0.3 * rng.random((len(samples), N_FEATURES))
    return kp.p_vector(features, k=2, layer=layer, samples=samples)


@functools.cache
def reference_of(split: str) -> kp.PVector:
    return kp.data_p_vector(samples_of(split))


def measure(split: str, moment: Moment, layers: Sequence[str], seed: int) -> Measured:
    """P-vectors of the layers at a moment; one of them has none at one moment."""
    dead = [layer for layer in layers if moment == _DEAD and layer != LAYERS[0]]
    return Measured(
        {
            layer: p_vector_of(split, layer, moment.step, seed)
            for layer in layers
            if layer not in dead
        },
        {layer: ZeroMatrixError("All features are zero.") for layer in dead},
    )


def train(
    path: Path,
    *,
    first_epoch: int = 0,
    epochs: int = EPOCHS,
    seed: int = 0,
    overwrite: bool = True,
    on_checkpoint: Callable[[int], None] = lambda epochs: None,
) -> None:
    """Trains from the start of an epoch, as a training with checkpoints is resumed.

    Args:
        path: Folder of the run.
        first_epoch: The number of epochs in the checkpoint.
        epochs: Number of epochs of the whole training.
        seed: Seed of the features.
        overwrite: Whether a training from the beginning replaces what there is, as one
            that has no checkpoint yet.
        on_checkpoint: Receives the number of finished epochs when a checkpoint would be
            written, which is after everything else of an epoch.
    """
    folder = RunFolder(path)
    with folder.lock(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Layer .* has no P-vector")
        warnings.filterwarnings("ignore", "Rows were missing in")
        folder.remove_partial_files()
        folder.note(settings=settings_of(seed), status="running")
        if first_epoch < epochs:
            _reopen_logs(folder)
        recorders = {split: _recorder(path, split, overwrite) for split in SPLITS}
        for split, recorder in recorders.items():
            step = recorder.steps_before(first_epoch, first_epoch * STEPS)
            _begin(recorder, split, first_epoch, step, seed)
        for epoch in range(first_epoch, epochs):
            for i in range(1, STEPS + 1):
                _step(recorders, Moment(epoch, epoch * STEPS + i), seed)
            _end_epoch(recorders, Moment(epoch, (epoch + 1) * STEPS), seed)
            on_checkpoint(epoch + 1)
        for recorder in recorders.values():
            recorder.end()
        evaluation = {split: {"accuracy": 0.5, "loss": 1.0} for split in SPLITS}
        folder.note(evaluation=evaluation, n_parameters=100, status="finished")
        folder.seal(["test"])


def _reopen_logs(folder: RunFolder) -> None:
    """Marks the logs as incomplete, as a training does whose last epoch is repeated."""
    for logged in (folder, RunFolder(folder.path / "test")):
        described = logged.read_info().logged_with
        if described is not None and described.complete:
            reopened = dataclasses.replace(described, complete=False)
            logged.update_info(logged_with=reopened)


def settings_of(seed: int) -> dict:
    """The entry `settings` of `run.json`."""
    return {
        "model": "mlp",
        "seed": seed,
        "layers": list(LAYERS),
        "variant": "",
        "epochs": EPOCHS,
        "num_samples": SPLITS,
    }


def _recorder(path: Path, split: str, overwrite: bool) -> Recorder:
    return Recorder(
        path if split == "train" else path / split,
        references={"data": reference_of(split), "before": "previous"},
        schedule=LogSchedule.parse({"first_epoch": _EVERY_IN_FIRST_EPOCH}),
        prefix="pvec" if split == "train" else f"pvec_{split}",
        resume=True,
        overwrite=overwrite,
    )


def _begin(recorder: Recorder, split: str, epoch: int, step: int, seed: int) -> None:
    samples = samples_of(split)
    settings = recorder.settings_of(LAYERS, samples, MeasuredWith())
    measured = measure(split, Moment(epoch - 1, step), LAYERS, seed)
    recorder.begin(epoch, step, measured, settings)
    recorder.write_samples(samples.y, samples.statistics())


def _step(recorders: Mapping[str, Recorder], moment: Moment, seed: int) -> None:
    for split, recorder in recorders.items():
        if recorder.schedule.is_due(moment.epoch, moment.step - 1, moment.step):
            recorder.record(
                moment,
                functools.partial(_measure, split, moment, seed),
                within_epoch=True,
            )


def _end_epoch(recorders: Mapping[str, Recorder], moment: Moment, seed: int) -> None:
    logs = {"loss": 1 / moment.step, "accuracy": 1 - 1 / moment.step}
    for split, recorder in recorders.items():
        logs |= recorder.record(
            moment, functools.partial(_measure, split, moment, seed)
        )
        recorder.end_epoch(moment.epoch, moment.step, logs)


def _measure(split: str, moment: Moment, seed: int, layers: Sequence[str]) -> Measured:
    return measure(split, moment, layers, seed)
