"""The settings of a reproduction: which claims are tested, on which data sets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from keras_pvec.reproduction.claims import CLAIMS, PARTS
from keras_pvec.reproduction.config import (
    ExperimentConfig,
    as_names,
    check,
    check_choice,
    convert_field,
)
from keras_pvec.reproduction.data import DATASETS
from keras_pvec.reproduction.flag_values import flags_from_config
from keras_pvec.reproduction.imagenet import PretrainedConfig
from keras_pvec.reproduction.studies import STUDIES, Study

# Claims that are tested in parts can be named as a whole.
CLAIM_IDS = (*CLAIMS, *PARTS)


@dataclasses.dataclass(frozen=True)
class ReproductionConfig:
    """Which claims are tested, on which data sets.

    Attributes:
        experiment: The settings of all studies.
        pretrained: Networks and images of the claim about pretrained networks.
        datasets: Data sets, each of which is studied by itself; `None` for the one of
            `experiment`.
        only: Ids of the claims to test, of `CLAIM_IDS`; `None` for all. The claim about
            pretrained networks needs images as well.

    Raises:
        ConfigError: A value that is not allowed.
    """

    experiment: ExperimentConfig = dataclasses.field(default_factory=ExperimentConfig)
    pretrained: PretrainedConfig = dataclasses.field(default_factory=PretrainedConfig)
    datasets: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, choices in (("datasets", DATASETS), ("only", CLAIM_IDS)):
            convert_field(self, name, as_names)
            values = getattr(self, name)
            check(name, values, values != (), "at least one name")
            for value in values or ():
                check_choice(name, value, choices)

    @property
    def experiments(self) -> list[ExperimentConfig]:
        """The settings of each data set. Each has a folder of results of its own."""
        datasets = dict.fromkeys(self.datasets or (self.experiment.dataset,))
        experiments = [
            dataclasses.replace(self.experiment, dataset=name) for name in datasets
        ]
        if len(experiments) == 1:
            folders = [experiments[0].results_dir]
        else:
            base = self.experiment.out_dir or Path("results")
            folders = [base / name for name in datasets]
        return [
            dataclasses.replace(experiment, out_dir=folder)
            for experiment, folder in zip(experiments, folders, strict=True)
        ]

    @property
    def results_dir(self) -> Path:
        """Folder of the report."""
        folders = [experiment.results_dir for experiment in self.experiments]
        return folders[0] if len(folders) == 1 else folders[0].parent

    @property
    def studies(self) -> list[Study]:
        """The studies that test the claims."""
        return [study for study in STUDIES.values() if self.tests(*study.claims)]

    def tests(self, *ids: str) -> bool:
        """Whether one of these claims is tested."""
        if self.only is None:
            return True
        asked = {part for name in self.only for part in PARTS.get(name, (name,))}
        return not asked.isdisjoint(ids)

    def flag_values(self) -> dict[str, Any]:
        """The settings as flag values, ready for JSON."""
        return {
            **self.pretrained.flag_values("pretrained"),
            **flags_from_config(self.experiment),
            "datasets": None if self.datasets is None else list(self.datasets),
            "only": None if self.only is None else list(self.only),
        }
