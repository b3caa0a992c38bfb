"""P-vectors of the raw data, of the same images as those of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from keras_pvec.pvector import PVector, p_vector
from keras_pvec.reproduction.claims import RawData
from keras_pvec.samples import SampleSet


@dataclasses.dataclass(frozen=True, eq=False)
class RawImages:
    """The images that the P-vectors of runs were taken on.

    Attributes:
        samples: By split; pixels in [0, 1].
        mean: Mean of each channel over the training images.
        variance: Variance of each channel over the training images.
    """

    samples: Mapping[str, SampleSet]
    mean: Sequence[float]
    variance: Sequence[float]


def raw_data_p_vectors(
    pixels: np.ndarray, mean: Sequence[float], variance: Sequence[float], *, k: int = 1
) -> dict[str, PVector]:
    """P-vectors of images, by the names of the references in `log.csv`.

    Args:
        pixels: In [0, 1], shape `(n_samples, height, width, channels)`.
        mean: Of each channel, to standardise with.
        variance: Of each channel. A constant channel becomes zero.
        k: How many singular vectors.
    """
    scale = np.sqrt(np.maximum(variance, 1e-12))
    matrices = {
        RawData.PIXELS: pixels,
        RawData.STANDARDISED: ((pixels - mean) / scale).astype(np.float32),
    }
    return {
        level.value: p_vector(matrix.reshape(len(pixels), -1), k=k, layer=level.value)
        for level, matrix in matrices.items()
    }
