"""The references that the P-vectors of a run are compared with at every moment."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping

import numpy as np

from keras_pvec.measurement import model_p_vectors
from keras_pvec.pvector import PVector, data_p_vector, p_vector
from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.training.build import build_model, input_moments
from keras_pvec.reproduction.training.settings import RunSettings
from keras_pvec.runs import Reference
from keras_pvec.samples import SampleSet
from keras_pvec.solver import ZeroMatrixError

# Added to the seed of a run; larger than most seeds that users choose.
TWIN_SEED_OFFSET = 1_000_003


def references_of(
    settings: RunSettings, samples: Mapping[str, SampleSet], data: ImageData
) -> dict[str, dict[str, Reference]]:
    """The references of a run, by split and name.

    - `"data"`: the pixels in [0, 1].
    - `"input"`: the standardized pixels, which the network computes first.
    - `"untrained"`: an untrained twin, that is, the same network with other initial
      weights. It shows which part of the structure comes from architecture and data
      alone. It is missing if one of its layers has no P-vector.

    Args:
        settings: The run.
        samples: The samples by split.
        data: The data set.
    """
    references: dict[str, dict[str, Reference]] = {
        split: dict(_data_p_vectors(of_split, data))
        for split, of_split in samples.items()
    }
    twin = build_model(
        dataclasses.replace(settings, seed=settings.seed + TWIN_SEED_OFFSET), data
    )
    try:
        for split, of_split in samples.items():
            references[split]["untrained"] = model_p_vectors(
                twin,
                of_split,
                list(settings.layers),
                method=settings.method,
                pooling=settings.pooling,
            )
    except ZeroMatrixError as error:
        # The features of a layer may start at zero; the run itself can continue.
        warnings.warn(
            f"The run is not compared with an untrained twin: {error}", stacklevel=3
        )
    return references


def _data_p_vectors(samples: SampleSet, data: ImageData) -> dict[str, PVector]:
    mean, variance = input_moments(data)
    standardized = ((samples.x - mean) / np.sqrt(variance)).astype(np.float32)
    return {
        "data": data_p_vector(samples),
        "input": p_vector(standardized, layer="input", samples=samples),
    }
