"""Converts parsed flags to settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from keras_pvec.reproduction.archive import ArchiveConfig
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.flag_values import config_from_flags
from keras_pvec.reproduction.imagenet import PretrainedConfig
from keras_pvec.reproduction.publish import PublicationConfig
from keras_pvec.reproduction.reproduction_config import ReproductionConfig


def experiment_config(values: flags.FlagValues = flags.FLAGS) -> ExperimentConfig:
    """Makes settings from the parsed flags of `define_experiment_flags`.

    Raises:
        ConfigError: A value that is not allowed.
    """
    return config_from_flags(values.flag_values_dict())


def archive_config(values: flags.FlagValues = flags.FLAGS) -> ArchiveConfig:
    """Makes settings from the parsed flags of `define_archive_flags`.

    Raises:
        ConfigError: A value that is not allowed.
    """
    layers = values["layers"].value
    return ArchiveConfig(
        runs=tuple(values["runs"].value or ()),
        out=values["out"].value,
        features=values["features"].value,
        num_samples=values["num_samples"].value,
        layers=tuple(layers) if layers else None,
        data_dir=values["data_dir"].value,
        overwrite=values["overwrite"].value,
        device=values["device"].value,
    )


def imagenet_config(values: flags.FlagValues = flags.FLAGS) -> PretrainedConfig:
    """Makes settings from the parsed flags of `define_imagenet_flags`.

    Raises:
        ConfigError: A value that is not allowed.
    """
    return _pretrained_config(values, values["models"].value)


def publication_config(values: flags.FlagValues = flags.FLAGS) -> PublicationConfig:
    """Makes settings from the parsed flags of `define_publication_flags`."""
    out_dir, readme = values["out_dir"].value, values["readme"].value
    return PublicationConfig(
        folder=Path(values["folder"].value),
        out_dir=None if out_dir is None else Path(out_dir),
        readme=None if readme is None else Path(readme),
        page=Path(values["page"].value),
    )


def reproduction_config(values: flags.FlagValues = flags.FLAGS) -> ReproductionConfig:
    """Makes settings from the parsed flags of `define_reproduction_flags`.

    Raises:
        ConfigError: A value that is not allowed.
    """
    return ReproductionConfig(
        experiment=experiment_config(values),
        pretrained=_pretrained_config(values, values["pretrained"].value),
        datasets=values["datasets"].value,
        only=values["only"].value,
    )


def _pretrained_config(
    values: flags.FlagValues, networks: Sequence[str]
) -> PretrainedConfig:
    out_dir = values["out_dir"].value
    return PretrainedConfig(
        networks=tuple(networks),
        weights=values["weights"].value,
        images=values["images"].value,
        num_images=values["num_images"].value,
        labels=values["labels"].value,
        num_layers=values["num_layers"].value,
        num_untrained=values["num_untrained"].value,
        data_dir=values["data_dir"].value,
        # Not given to a reproduction, which sets it.
        **({} if out_dir is None else {"out_dir": out_dir}),
        device=values["device"].value,
    )
