"""From a recipe to a run folder: what is trained, how, and what it leaves behind."""

from keras_pvec.reproduction.training.build import build_model, check_layers, load_model
from keras_pvec.reproduction.training.checkpoint import (
    DamagedCheckpointError,
    load_weights,
    stored_weights,
)
from keras_pvec.reproduction.training.fit import epochs_done, is_finished, train
from keras_pvec.reproduction.training.forecast import (
    Speed,
    expected_seconds,
    measure_speed,
)
from keras_pvec.reproduction.training.gate import TrainingQuality, rate_training
from keras_pvec.reproduction.training.recipes import (
    PRESETS,
    RECIPES,
    REFERENCE_ACCURACIES,
    Preset,
    Recipe,
    ReferenceAccuracy,
    epochs_of,
    model_options,
    recipe_of,
    scale_width,
    watched_layers,
)
from keras_pvec.reproduction.training.settings import (
    RunSettings,
    architecture_of,
    steps_per_epoch,
    weight_moments,
)

__all__ = [
    "PRESETS",
    "RECIPES",
    "REFERENCE_ACCURACIES",
    "DamagedCheckpointError",
    "Preset",
    "Recipe",
    "ReferenceAccuracy",
    "RunSettings",
    "Speed",
    "TrainingQuality",
    "architecture_of",
    "build_model",
    "check_layers",
    "epochs_done",
    "epochs_of",
    "expected_seconds",
    "is_finished",
    "load_model",
    "load_weights",
    "measure_speed",
    "model_options",
    "rate_training",
    "recipe_of",
    "scale_width",
    "steps_per_epoch",
    "stored_weights",
    "train",
    "watched_layers",
    "weight_moments",
]
