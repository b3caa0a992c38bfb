"""Compares pretrained networks of `keras.applications` and KerasHub."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import PIL

from keras_pvec.pvector import PVector
from keras_pvec.reproduction import pretrained, report, studies
from keras_pvec.reproduction.config import (
    ConfigError,
    as_names,
    check,
    check_choice,
    check_folder,
    check_integer,
    convert_field,
)
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.devices import DEVICES, prepare_process
from keras_pvec.reproduction.experiment import Outcome
from keras_pvec.reproduction.planner import STORED_VECTORS
from keras_pvec.reproduction.results import results_folder, save_findings
from keras_pvec.reproduction.studies import Findings
from keras_pvec.runs import library_versions

IMAGENET_V2 = "imagenet_v2"
RESULTS_FOLDER = "imagenet"

_NUM_DIGITS = 100
# The deepest is the features, the first the map at half of the image's side.
_MAX_LAYERS = 5
# Brightness and contrast of an image hardly depend on its size.
_STATISTICS_SIZE = (64, 64)


@dataclasses.dataclass(frozen=True)
class PretrainedConfig:
    """Which networks are compared, and on which images.

    Attributes:
        networks: Names of networks, as `find_networks` takes them.
        weights: `"imagenet"`, a weights file, a folder with `<network>.weights.h5` for
            each network, or `"none"` for random weights.
        images: A folder of images, `"imagenet_v2"`, or `None` for the digits, to try
            the program.
        num_images: Number of images, counted from the first; `None` for all, or for 100
            of the digits.
        labels: A text file with the classes of the images, as `read_labels` takes it;
            `None` for those that file names of ImageNet tell.
        num_layers: Number of layers that are compared, as in `measure_networks`.
        num_untrained: Copies of each network with random weights, whose pairs the
            angles are compared with.
        data_dir: Folder of tensorflow-datasets.
        out_dir: Folder of the results, which receives the folder `imagenet`.
        device: As in `prepare_process`.

    Raises:
        ConfigError: A value that is not allowed.
    """

    networks: tuple[str, ...] = ("MobileNet", "MobileNetV2", "EfficientNetB0")
    weights: str = "none"
    images: str | None = None
    num_images: int | None = None
    labels: str | None = None
    num_layers: int = 1
    num_untrained: int = 2
    data_dir: str | None = None
    out_dir: Path = Path("results")
    device: str = "auto"

    def __post_init__(self) -> None:
        convert_field(self, "networks", as_names)
        check("weights", self.weights, bool(self.weights), "a name or a path")
        for name in ("images", "labels", "data_dir", "out_dir"):
            check_folder(name, getattr(self, name))
        convert_field(self, "out_dir", Path)
        check("networks", self.networks, bool(self.networks), "at least one network")
        check_integer("num_images", self.num_images, 2)
        check_integer("num_untrained", self.num_untrained, 0)
        is_count = type(self.num_layers) is int and 1 <= self.num_layers <= _MAX_LAYERS
        check(
            "num_layers",
            self.num_layers,
            is_count,
            f"an integer from 1 to {_MAX_LAYERS}",
        )
        check_choice("device", self.device, DEVICES)

    @property
    def results_dir(self) -> Path:
        """Folder of tables and figures."""
        return self.out_dir / RESULTS_FOLDER

    def flag_values(self, networks: str = "models") -> dict[str, Any]:
        """The settings as flag values, ready for JSON.

        Args:
            networks: Name of the flag that holds the networks.
        """
        return {
            networks: list(self.networks),
            "weights": self.weights,
            "images": self.images,
            "num_images": self.num_images,
            "labels": self.labels,
            "num_layers": self.num_layers,
            "num_untrained": self.num_untrained,
            "data_dir": self.data_dir,
            "out_dir": str(self.out_dir),
            "device": self.device,
        }


def run_imagenet(config: PretrainedConfig) -> Outcome:
    """Compares pretrained networks, and prints the claim.

    Args:
        config: The networks and the images.

    Returns:
        The folder of results; nothing has failed.

    Raises:
        ConfigError: Unknown networks, images that cannot be read, or a folder that
            cannot be written to.
        WeightsUnavailableError: Weights are missing, or do not fit their network.
        DatasetUnavailableError: The images are not on disk.
        DeviceUnavailableError: This machine does not have the device.
    """
    prepare_process(config.device)
    findings = compare_pretrained(config, config.flag_values())
    print(report.render_claims(findings.claims))
    print(report.render_readings(findings.readings))
    return Outcome(config.results_dir)


def compare_pretrained(
    config: PretrainedConfig, settings: Mapping[str, Any]
) -> Findings:
    """Compares pretrained networks, and writes their folder of results.

    Args:
        config: The networks and the images.
        settings: The flag values to save with the results, next to the versions of the
            packages.

    Returns:
        The findings.

    Raises:
        The errors of `run_imagenet`.
    """
    with results_folder(config.results_dir):
        findings = _find(config)
        versions = {**library_versions(), "pillow": PIL.__version__}
        settings = {**settings, "versions": versions}
        save_findings(findings, config.results_dir, settings)
    return findings


def _find(config: PretrainedConfig) -> Findings:
    try:
        images = _load_images(config)
        networks = _measure(config, images)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return studies.pretrained(networks, f"{len(images)} images of {images.name}")


def _measure(
    config: PretrainedConfig, images: pretrained.Images
) -> studies.PretrainedNetworks:
    networks = pretrained.find_networks(config.networks)
    random_weights = config.weights == "none"
    keras.utils.set_random_seed(0)  # for random weights
    labels = None if random_weights else _labels(config, images)
    measured = pretrained.measure_networks(
        networks,
        images,
        weights=None if random_weights else config.weights,
        k=STORED_VECTORS,
        n_layers=config.num_layers,
        labels=labels,
    )
    copies = pretrained.measure_untrained(
        networks,
        images,
        0 if random_weights else config.num_untrained,
        k=STORED_VECTORS,
        n_layers=config.num_layers,
    )
    architectures = {network.name: network.architecture for network in networks}
    for name, of_network in copies.items():
        architectures |= dict.fromkeys(of_network, architectures[name])
    untrained = {k: v for of_one in copies.values() for k, v in of_one.items()}
    return studies.PretrainedNetworks(
        {name: network.features for name, network in measured.items()},
        architectures,
        random_weights,
        untrained={name: network.features for name, network in untrained.items()},
        statistics=images.statistics(_STATISTICS_SIZE),
        accuracies={
            name: network.accuracy._asdict()
            for name, network in measured.items()
            if network.accuracy is not None
        },
        layers={
            depth: (_at(depth, measured), _at(depth, untrained))
            for depth in pretrained.depth_names(config.num_layers)
        },
    )


def _at(
    depth: str, networks: Mapping[str, pretrained.MeasuredNetwork]
) -> dict[str, PVector]:
    """The P-vectors of networks at a depth."""
    return {name: network.p_vectors[depth] for name, network in networks.items()}


def _labels(config: PretrainedConfig, images: pretrained.Images) -> np.ndarray | None:
    """Classes of the images, if a list or their names tell them."""
    files = images.files()
    if config.labels is not None:
        return pretrained.read_labels(config.labels, len(images), files)
    return None if files is None else pretrained.labels_of_files(files)


def _load_images(config: PretrainedConfig) -> pretrained.Images:
    n = config.num_images
    if config.images is None:
        digits = load_data("digits").test.take(n or _NUM_DIGITS)
        pixels = np.rint(255 * digits.pixels()).astype(np.uint8)
        return pretrained.Images(pixels, name="digits")
    if config.images == IMAGENET_V2:
        return pretrained.imagenet_v2(config.data_dir, n)
    files = pretrained.image_files(config.images, n)
    return pretrained.Images(files, name=Path(config.images).name)
