"""How a network is shown images: augmented, or with the statistics of each batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_pvec.reproduction.claims import Extraction
from keras_pvec.reproduction.data.augmentation import random_crops
from keras_pvec.samples import SampleSet

AUGMENTED = (Extraction.AUGMENTED, Extraction.AUGMENTED_APART)
_AUGMENTATION_SEED = 20211005


class ShownImages:
    """Images in place of samples whose name and fingerprint they keep: row `i` still
    belongs to sample `i`."""

    def __init__(self, samples: SampleSet, x: np.ndarray) -> None:
        self.name = samples.name
        self.sha256 = samples.sha256
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        for start in range(0, len(self), batch_size):
            yield self.x[start : start + batch_size]


def shown_images(samples: SampleSet, extraction: Extraction, draws: str) -> ShownImages:
    """The samples as a network is shown them.

    Args:
        samples: The samples, images in [0, 1].
        extraction: How features are computed.
        draws: Names the network and the moment, which have draws of their own under
            `AUGMENTED_APART`; otherwise without effect.
    """
    if extraction not in AUGMENTED:
        return ShownImages(samples, samples.x)
    own = draws if extraction is Extraction.AUGMENTED_APART else ""
    rng = np.random.default_rng([_AUGMENTATION_SEED, *own.encode()])
    return ShownImages(samples, random_crops(samples.x, rng))


def even_batch_size(n: int, largest: int) -> int:
    """A batch size that divides `n`, so that no batch is filled up with copies, which
    would change its statistics: the largest up to `largest`, or `n` if that is less
    than half of it."""
    largest = min(largest, n)
    size = next(b for b in range(largest, 0, -1) if n % b == 0)
    return size if 2 * size >= largest else n


@contextlib.contextmanager
def batch_statistics(model: keras.Model) -> Iterator[None]:
    """Runs batch normalization in training mode while the block runs, whatever mode
    the model runs in; other layers, such as dropout, keep theirs.

    Moving statistics are updated unless the model runs in a `keras.StatelessScope`.
    """
    layers = _batch_normalizations(model)
    try:
        for layer in layers:
            # On the instance, past Keras's attribute tracking.
            object.__setattr__(layer, "call", _in_training_mode(layer.call))
        yield
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")


def _batch_normalizations(model: keras.Model) -> Sequence[keras.layers.Layer]:
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def _in_training_mode(call: Callable[..., Any]) -> Callable[..., Any]:
    def in_training_mode(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        del training
        return call(inputs, training=True, mask=mask)

    return in_training_mode
