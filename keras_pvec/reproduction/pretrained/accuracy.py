"""How many images a classifier gets right."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np

from keras_pvec.reproduction.pretrained.images import NetworkInputs

_TOP = 5


class Accuracy(NamedTuple):
    """Shares of images whose class is the best, or among the best five, of a
    classifier, in [0, 1]."""

    top1: float
    top5: float


def accuracy(
    model: keras.Model, inputs: NetworkInputs, labels: np.ndarray, batch_size: int
) -> Accuracy | None:
    """Accuracy of a classifier.

    Args:
        model: Its output is one score per class.
        inputs: The images.
        labels: Indices of classes, shape `(n,)`.
        batch_size: Images run at a time.

    Returns:
        `None` for a classifier of fewer classes than the labels have.
    """
    ranks = []
    start = 0
    for batch in inputs.batches(batch_size):
        scores = np.asarray(model.predict_on_batch(batch), np.float64)
        of_batch = labels[start : start + len(batch)]
        start += len(batch)
        if scores.shape[1] <= labels.max():
            return None
        own = np.take_along_axis(scores, of_batch[:, None], axis=1)
        # Equal scores rank by index, as for `argmax`: a constant output tells nothing.
        is_earlier = np.arange(scores.shape[1]) < of_batch[:, None]
        ranks.append(((scores > own) | ((scores == own) & is_earlier)).sum(axis=1))
    rank = np.concatenate(ranks)
    return Accuracy(float(np.mean(rank < 1)), float(np.mean(rank < _TOP)))
