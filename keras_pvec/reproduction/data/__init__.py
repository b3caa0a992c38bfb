"""Images by name, the sample sets drawn from them, and the batches for training.

Pixels are float32 in [0, 1]; models normalize them.
"""

from keras_pvec.reproduction.data.batches import (
    TASKS,
    EvaluationBatches,
    TrainingBatches,
)
from keras_pvec.reproduction.data.images import SPLITS, ImageData, ImageSplit
from keras_pvec.reproduction.data.sources import DATASETS, ImageDataSpec, load_data
from keras_pvec.reproduction.data.tfds_reader import (
    DatasetUnavailableError,
    stored_encoded_images,
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
    "load_data",
    "stored_encoded_images",
]
