"""The flags that all experiments have, and errors that are told without a traceback."""

from __future__ import annotations

from absl import flags

from keras_pvec.reproduction.data import DATASETS, SPLITS
from keras_pvec.reproduction.devices import DEVICES
from keras_pvec.reproduction.models import MODELS, parse_model_name
from keras_pvec.reproduction.studies import DATA_MATRICES
from keras_pvec.reproduction.training import PRESETS

FLAGS = flags.FLAGS

# What --pooling means to the callback.
POOLINGS = {"avg": "avg", "flatten": None}


class RunsFailedError(RuntimeError):
    """No run of an experiment came to its end."""


class UsageError(ValueError):
    """A flag, or a combination of flags, that cannot be followed."""


def define_flags() -> None:
    """Defines the flags that all experiments have."""
    flags.DEFINE_enum("dataset", "digits", DATASETS, "Data set to train on.")
    flags.DEFINE_list(
        "models",
        None,
        f"Models to look at, of {', '.join(MODELS)}; with a variant if wanted, as in "
        "resnet-50, wide_resnet-28-2, mlp-512x3 or simclr-wide_resnet; default as the "
        "study needs.",
    )
    flags.DEFINE_enum(
        "preset",
        "small",
        list(PRESETS),
        "How much of everything: 'small' takes minutes on two cores, 'whole' trains "
        "narrow networks on the whole data set until they are well trained, in hours, "
        "'paper' is the setting of the paper. Other flags win over it.",
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of tensorflow-datasets; default TFDS_DATA_DIR, else its own default.",
    )
    flags.DEFINE_string("runs_dir", "runs", "Where trained runs are kept and reused.")
    flags.DEFINE_string(
        "out_dir", None, "Where tables and figures go; default results/<dataset>."
    )
    flags.DEFINE_list("seeds", ["0"], "Seeds; each gives a run of its own.")
    flags.DEFINE_integer("epochs", None, "Epochs to train.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Images per update.", lower_bound=1)
    flags.DEFINE_integer(
        "train_samples", None, "Size of the training subset.", lower_bound=2
    )
    flags.DEFINE_integer(
        "num_samples",
        None,
        "Samples of either split that P-vectors are taken on.",
        lower_bound=2,
    )
    flags.DEFINE_enum("split", "train", SPLITS, "Which of those samples to look at.")
    flags.DEFINE_enum(
        "data_matrix",
        "data",
        DATA_MATRICES,
        "What the raw data are: 'data' for pixels in [0, 1], 'input' for the "
        "standardised ones that the networks work on.",
    )
    flags.DEFINE_string(
        "log_freq",
        "first_epoch:1",
        "When to log besides the end of each epoch: 'epoch' for no more than that, a "
        "number of steps, or 'first_epoch:<steps>'.",
    )
    flags.DEFINE_list(
        "layers",
        None,
        "Layers to watch, by name or as 're:<regular expression>'; default the "
        "feature layer and the blocks of each model. The first one is analysed.",
    )
    flags.DEFINE_enum(
        "pooling",
        "avg",
        list(POOLINGS),
        "What becomes of feature maps: 'avg' averages each channel over the image, "
        "'flatten' takes every entry as a feature.",
    )
    flags.DEFINE_enum(
        "method",
        "fast",
        ["fast", "exact"],
        "How P-vectors are computed; 'exact' is tf.linalg.svd.",
    )
    flags.DEFINE_enum(
        "optimizer", None, ["sgd", "adam"], "Instead of the model's own recipe's."
    )
    flags.DEFINE_float(
        "learning_rate", None, "Instead of the recipe's.", lower_bound=1e-12
    )
    flags.DEFINE_float(
        "weight_decay", None, "Instead of the recipe's.", lower_bound=0.0
    )
    flags.DEFINE_boolean("augment", None, "Instead of the recipe's.")
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "mixed_float16", "mixed_bfloat16"],
        "Keras's dtype policy.",
    )
    flags.DEFINE_boolean("jit_compile", False, "Train under XLA.")
    flags.DEFINE_boolean(
        "deterministic", False, "Repeat a training bit for bit, even where slower."
    )
    flags.DEFINE_enum(
        "distribute",
        "none",
        ["none", "mirrored"],
        "Share each batch among all accelerators of this machine.",
    )
    flags.DEFINE_integer(
        "workers",
        1,
        "Processes that train different runs at the same time, each with its share of "
        "the cores.",
        lower_bound=1,
    )
    flags.DEFINE_boolean(
        "keep_weights",
        None,
        "Keep the weights of about ten moments of each run; default with every preset "
        "but 'small'.",
    )
    flags.DEFINE_enum("device", "auto", DEVICES, "Where to train.")
    flags.DEFINE_boolean(
        "train", True, "Train what is missing; --notrain looks at what is there alone."
    )
    flags.register_validator("models", _check_models)
    flags.register_validator(
        "layers",
        lambda layers: layers is None or bool(layers),
        "must name at least one layer",
    )
    flags.register_validator(
        "seeds",
        lambda seeds: (
            all(seed.isdecimal() for seed in seeds)
            and _are_different([int(seed) for seed in seeds])
        ),
        "must be different whole numbers, not negative",
    )
    flags.register_validator(
        "log_freq",
        lambda text: parse_log_freq(text) is not None,
        "must be 'epoch', a positive number, or 'first_epoch:<positive number>'",
    )


def _check_models(names: list[str] | None) -> bool:
    """Validates --models."""
    if names is None:
        return True
    if not _are_different(names):
        raise flags.ValidationError("must be different models, at least one")
    for name in names:
        try:
            parse_model_name(name)
        except ValueError as error:
            raise flags.ValidationError(str(error)) from error
    return True


def _are_different(values: list) -> bool:
    return bool(values) and len(set(values)) == len(values)


def parse_log_freq(text: str) -> str | int | dict[str, int] | None:
    """The value that `PVectorLogger` takes; `None` if the text is not one."""
    if text == "epoch":
        return text
    where, _, number = text.rpartition(":")
    if where not in ("", "first_epoch") or not number.isdecimal() or int(number) < 1:
        return None
    return {where: int(number)} if where else int(number)
