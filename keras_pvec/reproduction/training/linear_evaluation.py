"""Linear evaluation of networks without labels, noted in `run.json`."""

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
    """Notes the accuracy of a linear classifier on the features of a run.

    If it is noted already, it is not computed again.

    Args:
        folder: The run.
        model: Its model.
        layer: The feature layer.
        data: The data set.
        state: Which state the model is in.

    Returns:
        The accuracy on the test images.
    """
    noted = TrainingRecord.of(folder.read_info()).linear_accuracy
    if state not in noted:
        train, test = data.samples("train"), data.samples("test")
        noted = {**noted, state: linear_accuracy(model, layer, train, test)}
        folder.note(linear_accuracy=noted)
    return noted[state]
