"""The network of a finished run, to be run again with its stored weights."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import keras

from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training import (
    Recipe,
    RunSettings,
    load_model,
    load_weights,
    stored_weights,
)
from keras_pvec.runs import Moment, Run, RunFolder


def settings_of(run: Run) -> RunSettings:
    """The settings of a run, for a process that trains nothing."""
    stored = dict(TrainingRecord.of(run).settings)
    stored["recipe"] = Recipe(**stored["recipe"])
    # Weights are the same on every backend.
    here = keras.backend.backend()
    stored |= {"distribute": "none", "jit_compile": False, "backend": here}
    known = {field.name for field in dataclasses.fields(RunSettings)}
    return RunSettings(**{k: value for k, value in stored.items() if k in known})


def weight_loaders(run: Run) -> dict[Moment, Callable[[keras.Model], None]]:
    """What gives a model the weights of each kept moment, in order of time; empty for a
    run without stored weights."""
    folder = RunFolder(run.path)
    moments: dict[Moment, Callable[[keras.Model], None]] = {
        moment: functools.partial(load_weights, path=path)
        for moment, path in stored_weights(folder).items()
    }
    last = run.moments[-1]
    if moments and last not in moments and folder.model_path.exists():
        moments[last] = functools.partial(_take_weights, run=run)
    return moments


def _take_weights(model: keras.Model, run: Run) -> None:
    model.set_weights(load_model(run.path).get_weights())
