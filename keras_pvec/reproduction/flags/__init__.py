"""The command line of the experiments: their flags, the settings made from the flags,
and the program that runs an experiment.

Only this package and `experiments/` import absl, and only they read flags.
"""

import os

# TensorFlow reads this variable when it is imported, which happens below.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Installed by the extra [experiments].
_OF_THE_EXTRA = ("absl", "matplotlib", "PIL", "sklearn", "tqdm")

try:
    from keras_pvec.reproduction.flags.configs import (
        archive_config,
        experiment_config,
        imagenet_config,
        publication_config,
        reproduction_config,
    )
    from keras_pvec.reproduction.flags.definitions import (
        define_archive_flags,
        define_experiment_flags,
        define_imagenet_flags,
        define_publication_flags,
        define_reproduction_flags,
    )
    from keras_pvec.reproduction.flags.program import run
except ModuleNotFoundError as error:
    _missing = (error.name or "").split(".")[0]
    if _missing in _OF_THE_EXTRA:
        raise SystemExit(
            f"Error: The experiments need {_missing!r}, which is not installed. "
            "Install all that they need: pip install 'keras-pvec[reproduction]'; on "
            "JAX or PyTorch, 'keras-pvec[experiments]'."
        ) from None
    if error.name not in ("tensorflow", "jax", "torch"):
        raise
    _extras = (
        "reproduction" if error.name == "tensorflow" else f"{error.name},experiments"
    )
    raise SystemExit(
        f"Error: The Keras backend {error.name!r} is not installed. Install it, pip "
        f"install 'keras-pvec[{_extras}]', or name another one in the variable "
        "KERAS_BACKEND: tensorflow, jax or torch."
    ) from None

__all__ = [
    "archive_config",
    "define_archive_flags",
    "define_experiment_flags",
    "define_imagenet_flags",
    "define_publication_flags",
    "define_reproduction_flags",
    "experiment_config",
    "imagenet_config",
    "publication_config",
    "reproduction_config",
    "run",
]
