"""Packs runs of the experiments into an archive, with features where weights are
stored."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np

from keras_pvec.archive import Description, MomentFeatures, pack_runs
from keras_pvec.features import FeatureExtractor
from keras_pvec.reproduction.config import (
    ConfigError,
    as_names,
    check,
    check_choice,
    check_folder,
    check_integer,
    convert_field,
)
from keras_pvec.reproduction.data import ImageData, ImageDataSpec
from keras_pvec.reproduction.devices import DEVICES, prepare_process
from keras_pvec.reproduction.experiment import Outcome
from keras_pvec.reproduction.readings.rebuilt import settings_of, weight_loaders
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training import (
    PRESETS,
    RunSettings,
    build_model,
)
from keras_pvec.runs import Run, RunError, exists, open_run
from keras_pvec.samples import SampleSet


@dataclasses.dataclass(frozen=True)
class _DataSet:
    """What a data card says about a data set."""

    title: str
    licence: str
    citation: str


_CIFAR = (
    "none stated by its authors (https://www.cs.toronto.edu/~kriz/cifar.html)",
    'Krizhevsky 2009, "Learning multiple layers of features from tiny images", '
    "technical report, University of Toronto",
)
_DATA_SETS = {
    "digits": _DataSet(
        "digits",
        "CC BY 4.0",
        'Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits", UCI '
        "Machine Learning Repository, doi 10.24432/C50P49",
    ),
    "mnist": _DataSet(
        "MNIST",
        "CC BY-SA 3.0",
        'LeCun et al. 1998, "Gradient-based learning applied to document recognition", '
        "Proceedings of the IEEE 86",
    ),
    "fashion_mnist": _DataSet(
        "Fashion-MNIST",
        "MIT",
        'Xiao et al. 2017, "Fashion-MNIST: a novel image dataset for benchmarking '
        'machine learning algorithms", arXiv 1708.07747',
    ),
    "cifar10": _DataSet("CIFAR-10", *_CIFAR),
    "cifar100": _DataSet("CIFAR-100", *_CIFAR),
}


@dataclasses.dataclass(frozen=True)
class ArchiveConfig:
    """Which runs are packed, and with which features.

    Attributes:
        runs: Run folders.
        out: File to write.
        features: Whether features are computed at the moments whose weights are stored.
        num_samples: Number of samples of each split that features are stored of, evenly
            spaced; `None` for all.
        layers: Watched layers whose features are stored; `None` for all.
        data_dir: Folder of tensorflow-datasets.
        overwrite: Whether an existing file is replaced.
        device: As in `prepare_process`.

    Raises:
        ConfigError: A value that is not allowed.
    """

    runs: tuple[str, ...]
    out: str
    features: bool = True
    num_samples: int | None = None
    layers: tuple[str, ...] | None = None
    data_dir: str | None = None
    overwrite: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        convert_field(self, "runs", as_names)
        convert_field(self, "layers", as_names)
        check("runs", self.runs, bool(self.runs), "at least one run folder")
        check_folder("data_dir", self.data_dir)
        check("out", self.out, bool(self.out and self.out.strip()), "a new file")
        check_integer("num_samples", self.num_samples, 2)
        check_choice("device", self.device, DEVICES)


def run_archive(config: ArchiveConfig) -> Outcome:
    """Packs runs into an archive.

    Args:
        config: The runs.

    Returns:
        The path of the archive; nothing has failed.

    Raises:
        ConfigError: Runs that cannot be packed as asked.
        RunError: A run is missing or damaged, or the file exists.
        DatasetUnavailableError: The images for the features are not on disk.
        DeviceUnavailableError: This machine does not have the device.
    """
    prepare_process(config.device)
    source = None
    if config.features:
        source = StoredWeightFeatures(
            config.num_samples, config.layers, config.data_dir
        )
    try:
        runs = [open_run(path) for path in config.runs]
        out = pack_runs(
            runs,
            config.out,
            description=_description(runs),
            features=source,
            overwrite=config.overwrite,
        )
    except RunError:
        raise
    except (ValueError, FileNotFoundError) as error:
        raise ConfigError(str(error)) from error
    return Outcome(out)


class StoredWeightFeatures:
    """Computes features of runs at the moments whose weights are stored.

    The network is built again and run on the samples of its P-vectors, without
    augmentation and with the pooling of the run.

    Args:
        num_samples: Number of samples of each split, evenly spaced; `None` for all.
        layers: Labels of the watched layers to run; `None` for all.
        data_dir: Folder of tensorflow-datasets.
    """

    def __init__(
        self,
        num_samples: int | None = None,
        layers: Sequence[str] | None = None,
        data_dir: str | None = None,
    ) -> None:
        self.num_samples = num_samples
        self.layers = None if layers is None else tuple(layers)
        self.data_dir = data_dir

    def __call__(self, run: Run) -> Iterator[MomentFeatures]:
        """Yields the features of a run at each kept moment; nothing for a run without
        stored weights.

        Raises:
            ConfigError: A layer that the run does not watch, or images that are not
                those of the run.
        """
        # Another split is a subfolder of the run.
        training, split = run, "train"
        loaders = weight_loaders(run)
        if not loaders and exists(run.path.parent / "log.csv"):
            training, split = open_run(run.path.parent), run.path.name
            loaders = weight_loaders(training)
        if not loaders:
            return
        layers = self._layers_of(run)
        settings = settings_of(training)
        data = _data_of(training, settings, self.data_dir)
        samples = data.samples(split, settings.num_samples[split])
        indices = _evenly_spaced(len(samples), self.num_samples)
        selected = SampleSet(samples.x[indices], name=samples.name)
        model = build_model(settings, data)
        extractor = FeatureExtractor(
            model, settings.layers, pooling=settings.pooling, known_labels=run.layers
        )
        for moment, load in loaders.items():
            load(model)
            blocks: dict[str, list[np.ndarray]] = {}
            for block in extractor.blocks(selected, only=layers):
                for layer, tensor in block.items():
                    rows = keras.ops.convert_to_numpy(tensor)
                    blocks.setdefault(layer, []).append(rows)
            values = {layer: np.concatenate(parts) for layer, parts in blocks.items()}
            yield MomentFeatures(moment, indices, values)

    def _layers_of(self, run: Run) -> tuple[str, ...]:
        if self.layers is None:
            return tuple(run.layers)
        unknown = [layer for layer in self.layers if layer not in run.layers]
        if unknown:
            raise ConfigError(
                f"`layers` must be of {run.layers}, the layers of {run.path}. "
                f"Received: {unknown}"
            )
        return self.layers


def _data_of(run: Run, settings: RunSettings, data_dir: str | None) -> ImageData:
    """The images that a run was trained on; their fingerprint tells which subset."""
    test_sizes = dict.fromkeys(preset.test_samples for preset in PRESETS.values())
    # A subset of all images has another order than the whole set.
    train_sizes = dict.fromkeys([None, TrainingRecord.of(run).n_train])
    for train_samples, test_samples in itertools.product(train_sizes, test_sizes):
        spec = ImageDataSpec(
            settings.dataset,
            data_dir,
            train_samples,
            test_samples,
            settings.label_noise,
        )
        try:
            data = spec.load()
        except ValueError:  # more images than there are
            continue
        if data.fingerprint() == settings.data_sha256:
            return data
    raise ConfigError(
        f"{run.path} was trained on other images than the data set "
        f"{settings.dataset!r} on disk. Set `data_dir` to the folder of its images, or "
        "pack the run without features."
    )


def _evenly_spaced(n: int, count: int | None) -> np.ndarray:
    if count is None or count >= n:
        return np.arange(n)
    return np.arange(count) * n // count


def _description(runs: Iterable[Run]) -> Description:
    names = dict.fromkeys(
        TrainingRecord.of(run).settings.get("dataset", "") for run in runs
    )
    known = [_DATA_SETS[name] for name in names if name in _DATA_SETS]
    if len(known) < len(names):
        return Description()
    titles = " and ".join(data.title for data in known)
    return Description(
        title=f"Trajectories of P-vectors on {titles}",
        licence="; ".join(f"{data.title}: {data.licence}" for data in known),
        citation="; ".join(f"{data.title}: {data.citation}" for data in known),
    )
