"""What the tests of foreign programs check: the training is the same with the callback,
and its P-vectors are those of features that are captured without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from frameworks import as_numpy
from oracles import degrees_between, lapack_vector

import keras_pvec as kp

# A program: callbacks -> the model that it trained, the same in each call.
Program = Callable[[list[keras.callbacks.Callback]], keras.Model]


def check_program(
    folder: Path,
    train: Program,
    samples: kp.SampleSet,
    capture: Callable[[keras.Model], Mapping[str, np.ndarray]],
    *,
    max_degrees: float = 2e-3,
    **options: Any,
) -> tuple[keras.Model, kp.Run]:
    """Trains with and without the callback and compares.

    Args:
        folder: Of the run.
        train: The program.
        samples: The samples of the callback.
        capture: Features of the trained model on the samples by layer, computed without
            the package.
        max_degrees: Largest angle of a P-vector to LAPACK's.
        **options: Of `PVectorLogger`.

    Returns:
        The model that was trained with the callback, and its run.
    """
    options = {"batch_size": 8, **options}
    logger = kp.PVectorLogger(folder, samples, **options)
    logged, plain = seeded(train, [logger]), seeded(train, [])
    for one, other in zip(logged.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    run = kp.open_run(folder)
    features = capture(logged)
    assert list(features) == run.layers
    for layer, matrix in features.items():
        found = run.p_vector("final", layer)
        truth = lapack_vector(as_numpy(matrix))
        assert degrees_between(found.vector, truth) < max_degrees, layer
    assert run.info.complete
    return logged, run


def seeded(train: Program, callbacks: list[keras.callbacks.Callback]) -> keras.Model:
    """Runs a program from the same random state."""
    keras.utils.set_random_seed(3)
    return train(callbacks)


def output_of(model: keras.Model, layer: str, x: Any) -> np.ndarray:
    """The output of a layer of a functional or Sequential model."""
    part = keras.Model(model.inputs, model.get_layer(layer).output)
    return part.predict(x, verbose=0)
