"""From the name of a network to a run folder: presets, recipes, training, resuming."""

from keras_pvec.reproduction.training.build import build_model, check_layers, load_model
from keras_pvec.reproduction.training.checkpoint import DamagedCheckpointError
from keras_pvec.reproduction.training.fit import train
from keras_pvec.reproduction.training.forecast import (
    Speed,
    expected_seconds,
    measure_speed,
)
from keras_pvec.reproduction.training.gate import TrainingQuality, rate_training
from keras_pvec.reproduction.training.networks import (
    Network,
    canonical_name,
    epochs_of,
    model_options,
    recipe_of,
    resolve_network,
    scale_width,
    watched_layers,
)
from keras_pvec.reproduction.training.presets import PRESETS, Preset
from keras_pvec.reproduction.training.recipes import RECIPES, Recipe
from keras_pvec.reproduction.training.reference_accuracies import (
    REFERENCE_ACCURACIES,
    ReferenceAccuracy,
)
from keras_pvec.reproduction.training.run_state import (
    epochs_done,
    existing_or_new_path,
    is_finished,
    open_finished,
    stored_backend,
)
from keras_pvec.reproduction.training.settings import (
    RunSettings,
    architecture_of,
    steps_per_epoch,
)
from keras_pvec.reproduction.training.weights import (
    load_weights,
    stored_weights,
    weight_moments,
)

__all__ = [
    "PRESETS",
    "RECIPES",
    "REFERENCE_ACCURACIES",
    "DamagedCheckpointError",
    "Network",
    "Preset",
    "Recipe",
    "ReferenceAccuracy",
    "RunSettings",
    "Speed",
    "TrainingQuality",
    "architecture_of",
    "build_model",
    "canonical_name",
    "check_layers",
    "epochs_done",
    "epochs_of",
    "existing_or_new_path",
    "expected_seconds",
    "is_finished",
    "load_model",
    "load_weights",
    "measure_speed",
    "model_options",
    "open_finished",
    "rate_training",
    "recipe_of",
    "resolve_network",
    "scale_width",
    "steps_per_epoch",
    "stored_backend",
    "stored_weights",
    "train",
    "watched_layers",
    "weight_moments",
]
