"""A training without a network, for tests of the lease of a run."""

import dataclasses

import numpy as np

import keras_pvec as kp
from keras_pvec.runs import LoggedWith, LogSchedule, Moment, Recorder, replace_file

N, STEPS, EPOCHS = 20, 2, 3
LAYERS = ("a",)


@dataclasses.dataclass
class Measured:
    p_vectors: dict
    failures: dict = dataclasses.field(default_factory=dict)


def measure_at(step):
    features = np.random.default_rng(step).random((N, 4))
    return lambda layers: Measured({x: kp.p_vector(features, layer=x) for x in layers})


def epochs_done(folder):
    found = folder.glob("checkpoint_?")
    return max((int(path.name.rpartition("_")[2]) for path in found), default=0)


def train(folder, check=lambda: None, until=EPOCHS):
    """A training without a network: it logs, and writes a checkpoint after each
    epoch."""
    start = epochs_done(folder)
    references = {"data": kp.p_vector(np.eye(N)[:, :4] + 1), "before": "previous"}
    recorder = Recorder(
        folder,
        references=references,
        schedule=LogSchedule.parse("epoch", "all"),
        resume=True,
        overwrite=True,
    )
    step = recorder.steps_before(start, start * STEPS)
    settings = LoggedWith(LAYERS, tuple(references), n_samples=N)
    recorder.begin(start, step, measure_at(step)(LAYERS), settings)
    for epoch in range(start, until):
        check()
        step = (epoch + 1) * STEPS
        angles = recorder.record(Moment(epoch, step), measure_at(step))
        recorder.end_epoch(epoch, step, {"loss": 1 / step, **angles})
        replace_file(folder / f"checkpoint_{epoch + 1}", b"state")
    if until == EPOCHS:
        recorder.end()


def content(folder):
    """The files of a run. Its notes and versions are those of any training."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
