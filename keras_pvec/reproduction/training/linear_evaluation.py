"""Linear evaluation of networks trained without labels, recorded in `run.json`."""

from __future__ import annotations

from typing import Literal

import keras

from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.evaluation import linear_accuracy
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import RunFolder


def note_linear_accuracy(
    folder: RunFolder,
    model: keras.Model,
    layer: str,
    data: ImageData,
    state: Literal["untrained", "trained"],
) -> float:
    """Records the accuracy of a linear classifier on the features of a run.

    An accuracy that is already recorded is not computed again.

    Args:
        folder: The run.
        model: Its model.
        layer: The feature layer.
        data: The data set.
        state: The state of the model.

    Returns:
        The accuracy on the test images.
    """
    noted = TrainingRecord.of(folder.read_info()).linear_accuracy
    if state not in noted:
        train, test = data.samples("train"), data.samples("test")
        noted = {**noted, state: linear_accuracy(model, layer, train, test)}
        folder.note(linear_accuracy=noted)
    return noted[state]
