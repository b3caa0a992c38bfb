"""Images by name, the sample sets drawn from them, and the batches for training.

Pixels are handed on in [0, 1]; models normalise by themselves.
"""

from keras_pvec.reproduction.data.batches import (
    TASKS,
    EvaluationBatches,
    TrainingBatches,
)
from keras_pvec.reproduction.data.images import SPLITS, ImageData, ImageSplit
from keras_pvec.reproduction.data.sources import (
    DATASETS,
    DatasetUnavailableError,
    ImageDataSpec,
    is_online,
    load_data,
)

__all__ = [
    "DATASETS",
    "SPLITS",
    "TASKS",
    "DatasetUnavailableError",
    "EvaluationBatches",
    "ImageData",
    "ImageDataSpec",
    "ImageSplit",
    "TrainingBatches",
    "is_online",
    "load_data",
]
