"""Small data sets in the format of tensorflow-datasets, stored by itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def store_dataset(
    folder: Path,
    name: str,
    features: Mapping[str, Any],
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    config: str | None = None,
) -> Any:
    """Stores examples by split in a folder, as a data set of a given name and, if it
    has one, configuration; returns its builder."""
    import tensorflow_datasets as tfds

    class Stored(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = (
            () if config is None else (tfds.core.BuilderConfig(name=config),)
        )

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {split: enumerate(examples) for split, examples in splits.items()}

        def _generate_examples(self):
            raise NotImplementedError

    Stored.name = name
    builder = Stored(data_dir=folder)
    builder.download_and_prepare()
    return builder
