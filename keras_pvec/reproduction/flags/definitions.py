"""The flags of the experiments."""

from __future__ import annotations

from absl import flags

from keras_pvec.reproduction import config
from keras_pvec.reproduction.backends import DISTRIBUTIONS
from keras_pvec.reproduction.data import DATASETS, SPLITS
from keras_pvec.reproduction.devices import DEVICES
from keras_pvec.reproduction.flag_values import POOLINGS
from keras_pvec.reproduction.flags.defaults import (
    describe_epochs,
    describe_preset,
    describe_recipe,
)
from keras_pvec.reproduction.model_names import MODEL_NAMES
from keras_pvec.reproduction.reproduction_config import CLAIM_IDS
from keras_pvec.reproduction.studies import DATA_MATRICES
from keras_pvec.reproduction.training import PRESETS

# The flags belong to the program that calls the functions below, so --help lists them.
flags.disclaim_key_flags()


def define_experiment_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags that all studies share, one for each field of
    `ExperimentConfig`."""
    _define_data_flags(values)
    _define_measurement_flags(values)
    _define_training_flags(values)
    _define_execution_flags(values)


def define_imagenet_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the comparison of pretrained networks."""
    _define_data_dir(values)
    flags.DEFINE_string(
        "out_dir", "results", "Folder of tables and figures.", flag_values=values
    )
    _define_device(values)
    _define_pretrained_flags("models", values)


def define_publication_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the program that publishes results."""
    flags.DEFINE_string(
        "out_dir",
        None,
        "Results of experiments, whose small tables are copied. Default: none; the "
        "page is written again.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "folder", "results/published", "Where published tables are.", flag_values=values
    )
    flags.DEFINE_string(
        "page",
        "results/README.md",
        "The page that is made of the tables.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "readme", None, "Page whose headline is written too.", flag_values=values
    )


def define_archive_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the program that packs runs into an archive."""
    flags.DEFINE_list("runs", None, "Run folders to pack.", flag_values=values)
    flags.DEFINE_string(
        "out", "trajectories.npz", "New file to write.", flag_values=values
    )
    flags.DEFINE_boolean(
        "overwrite", False, "Replace an existing file.", flag_values=values
    )
    flags.DEFINE_boolean(
        "features",
        True,
        "Also compute features, at the moments whose weights are stored.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_samples",
        None,
        "Number of samples of each split whose features are stored, evenly spaced. "
        "Default: all samples of the run's P-vectors.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "layers",
        None,
        "Layers whose features are stored. Default: all watched layers.",
        flag_values=values,
    )
    _define_data_dir(values)
    _define_device(values)


def define_reproduction_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the program that runs all studies."""
    define_experiment_flags(values)
    _define_pretrained_flags("pretrained", values)
    flags.DEFINE_list(
        "datasets",
        None,
        f"Data sets to study, of {', '.join(DATASETS)}. Default: the one of --dataset.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "only",
        None,
        f"Claims to test, of {', '.join(CLAIM_IDS)}. Default: all of them.",
        flag_values=values,
    )


def _define_data_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "dataset", "digits", DATASETS, "Data set to train on.", flag_values=values
    )
    flags.DEFINE_list(
        "models",
        None,
        f"Models to train, of {', '.join(MODEL_NAMES)}, and other sizes of them such "
        "as wide_resnet16_2, mlp_512x3 or simclr_resnet50. Default: those of the "
        "study.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "preset",
        "small",
        list(PRESETS),
        "Scale of the experiment. 'small' takes minutes on two cores. 'whole' trains "
        "narrow networks to convergence on the whole data set, in hours. 'paper' is "
        "the setting of the paper. Other flags override the preset.",
        flag_values=values,
    )
    _define_data_dir(values)
    flags.DEFINE_string(
        "runs_dir",
        "runs",
        "Folder of trained runs. Later experiments reuse them.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "out_dir",
        None,
        "Folder of tables and figures. Default: results/<dataset>.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "seeds", ["0"], "Seeds. One run per model and seed.", flag_values=values
    )
    flags.DEFINE_integer(
        "train_samples",
        None,
        "Number of training images, a fixed random subset. Default by preset: "
        f"{describe_preset('train_samples')}; for generalization.py: "
        f"{describe_preset('variant_train_samples', 'train_samples')}.",
        flag_values=values,
    )


def _define_measurement_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "num_samples",
        None,
        "Number of samples of each split that P-vectors are computed on. Default by "
        f"preset: {describe_preset('num_samples')}.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "split",
        "train",
        SPLITS,
        "Samples to analyse. P-vectors are stored for both splits.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "data_matrix",
        "data",
        DATA_MATRICES,
        "The raw data: 'data' for pixels in [0, 1], 'input' for the standardized input "
        "of the networks.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "readings",
        "primary",
        config.READINGS,
        "The readings of the paper's words under which claims are rated: 'primary' for "
        "the literal and the column-centred one, 'stored' for all that stored "
        "P-vectors allow, 'all' for those too that take forward passes of stored "
        "weights.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "log_freq",
        "first_epoch:1",
        "When to compute P-vectors: 'epoch' for the end of each epoch, a number n for "
        "also every n steps, or 'first_epoch:n' for also every n steps of the first "
        "epoch.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "layers",
        None,
        "Layers to watch, by name or as 're:<regular expression>'. The first one is "
        "analysed. Default: the feature layer and the blocks of each model.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "pooling",
        "avg",
        list(POOLINGS),
        "Features of a feature map: 'avg' for the spatial mean of each channel, "
        "'flatten' for all entries.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "method",
        "fast",
        config.METHODS,
        "Solver of P-vectors. 'exact' is the SVD of the Keras backend.",
        flag_values=values,
    )


def _define_training_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "epochs",
        None,
        f"Epochs to train. Default by preset: {describe_epochs()}.",
        flag_values=values,
    )
    flags.DEFINE_integer("batch_size", 128, "Images per update.", flag_values=values)
    flags.DEFINE_enum(
        "optimizer",
        None,
        config.OPTIMIZERS,
        f"Optimizer. Default by model: {describe_recipe('optimizer')}.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "learning_rate",
        None,
        f"Initial learning rate. Default by model: {describe_recipe('learning_rate')}.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "weight_decay",
        None,
        "Coefficient of the L2 penalty. Default by model: "
        f"{describe_recipe('weight_decay')}.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "augment",
        None,
        "Augment training images, if that suits the data set. Default by model: "
        f"{describe_recipe('augment')}.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        config.PRECISIONS,
        "Keras's dtype policy.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "jit_compile",
        False,
        "Compile the training: by XLA on TensorFlow, by torch.compile on PyTorch. JAX "
        "always compiles it.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "deterministic",
        False,
        "Make training reproducible bit for bit, even if that is slower.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "keep_weights",
        None,
        "Keep the weights of about ten moments of each run. Default: false for the "
        "preset 'small' unless --readings=all, true for the others.",
        flag_values=values,
    )


def _define_execution_flags(values: flags.FlagValues) -> None:
    _define_device(values)
    flags.DEFINE_enum(
        "distribute",
        "none",
        DISTRIBUTIONS,
        "Share each batch among all accelerators of this machine: 'mirrored' on "
        "TensorFlow, 'data_parallel' on JAX.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "workers",
        1,
        "Number of runs that are trained at the same time, each in a process with its "
        "share of the cores. With --cluster=ray, the cluster decides.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "cluster",
        "none",
        config.CLUSTERS,
        "'ray' trains the runs as tasks of a Ray cluster, whose nodes share "
        "--runs_dir. Needs pip install 'keras-pvec[ray]'.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "ray_address",
        None,
        "Ray cluster: 'auto' or '<host>:<port>' of its head node. Default: "
        "RAY_ADDRESS, otherwise Ray is started on this machine.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_cpus", 1, "CPU cores of each run on a cluster.", flag_values=values
    )
    flags.DEFINE_float(
        "num_gpus",
        0.0,
        "GPUs of each run on a cluster. A fraction lets several runs share one.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "train",
        True,
        "Train missing runs. --notrain analyses existing runs only.",
        flag_values=values,
    )


def _define_pretrained_flags(networks: str, values: flags.FlagValues) -> None:
    flags.DEFINE_list(
        networks,
        ["MobileNet", "MobileNetV2", "EfficientNetB0"],
        "Networks of keras.applications to compare, also with a width multiplier, an "
        "image size or both: MobileNet-0.25, ResNet50-160, MobileNet-0.5-160. Where "
        "KerasHub is installed, also its presets: hub:resnet_18_imagenet, or "
        "hub:<folder>.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "weights",
        "none",
        "Weights of the networks: 'imagenet' (downloaded once), a weights file, a "
        "folder with <network>.weights.h5 for each network, or 'none' for random "
        "weights.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "images",
        None,
        "Folder of images, or 'imagenet_v2' for that data set of tensorflow-datasets. "
        "Default: the digits, to try the program.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_images",
        None,
        "Number of images, counted from the first. Default: all; 100 of the digits.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "labels",
        None,
        "Text file with the class of each image, for accuracies: one per line, or "
        "file name and class; an index from 0, or a WordNet id. Default: the "
        "WordNet ids at the start of names of files or folders, if all have one.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_layers",
        1,
        "Number of layers to compare, up to 5: the features, and the last feature maps "
        "at 1/16, 1/8, ... of the image's side.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_untrained",
        2,
        "Copies of each network with random weights, whose angles are compared with "
        "those of the trained ones.",
        flag_values=values,
    )


def _define_data_dir(values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of tensorflow-datasets. Default: TFDS_DATA_DIR, otherwise "
        "~/tensorflow_datasets.",
        flag_values=values,
    )


def _define_device(values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "device", "auto", DEVICES, "Device to compute on.", flag_values=values
    )
