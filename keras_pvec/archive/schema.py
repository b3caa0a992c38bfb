"""The schema of an archive: its members, and the index in `archive.json`.

```
README.md                        the data card, in Markdown
archive.json                     the index: version, runs, layers, sample sets
runs.csv                         one row per run: settings, quality, versions
samples/0/labels.npy             labels, brightness and contrast of a sample set
runs/0/run.json, log.csv, metrics.csv        as in the folder of the run
runs/0/moments.npy               (n_moments, 2): epoch and step
runs/0/p_vectors/0/moments.npy   (n, 2): the moments of a layer
runs/0/p_vectors/0/vectors.npy   (n, n_samples, k), and the other fields of `PVector`
runs/0/after_fit/0/vectors.npy   (1, n_samples, k): the model that `fit` left
runs/0/features/0/values.npy     (n, n_selected, ...): features of a layer
runs/0/features/0/moments.npy    (n, 2): the moments of those features
runs/0/features/sample_indices.npy           (n_selected,): the selected samples
SHA256SUMS                       checksums of all other members
```

Runs, layers and sample sets are numbered in paths and named in `archive.json`, since
names of layers can hold any character.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

# Increased when archives change in a way that this version could not read.
ARCHIVE_VERSION = 1
FORMAT = "keras_pvec archive"

INDEX = "archive.json"
CARD = "README.md"
RUNS_TABLE = "runs.csv"
SUMS = "SHA256SUMS"
# What a damaged archive asks for.
REMEDY = "Restore the archive from a copy, or pack the runs again."


@dataclasses.dataclass(frozen=True)
class SamplesEntry:
    """A sample set.

    Attributes:
        name: Name of the `SampleSet`; `None` if it is not known.
        sha256: Its fingerprint; `None` if it is not known.
        n_samples: Number of samples.
        arrays: Names of the arrays that are stored: `labels`, and brightness and
            contrast as `SampleSet.statistics` returns them.
    """

    name: str | None
    sha256: str | None
    n_samples: int
    arrays: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class RunEntry:
    """A run, or the same training on the samples of another split.

    Attributes:
        name: Its path, relative to the folder that all runs share.
        training: Number of the run in which the training left its notes; `None` for a
            run of its own.
        samples: Number of the sample set.
        complete: Whether the training finished.
        layers: Names of the watched layers.
        p_vectors: Layers with P-vectors, in the order of their numbers.
        after_fit: The same for the model that `fit` left.
        features: The same for features.
        files: Files of the run that are stored as they are.
    """

    name: str
    training: int | None
    samples: int
    complete: bool
    layers: tuple[str, ...]
    p_vectors: tuple[str, ...]
    after_fit: tuple[str, ...]
    features: tuple[str, ...]
    files: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Index:
    """The content of `archive.json`.

    Attributes:
        runs: The runs, in the order of their numbers.
        samples: The sample sets, in the order of their numbers.
        written_by: Version of keras_pvec that packed the runs.
        version: Version of the format.
    """

    runs: tuple[RunEntry, ...]
    samples: tuple[SamplesEntry, ...]
    written_by: str
    version: int = ARCHIVE_VERSION

    def to_json(self) -> dict[str, Any]:
        """The entries of `archive.json`."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Index:
        """Reads the entries of an `archive.json` of a version up to this one.

        Raises:
            ValueError: An entry is missing or has the wrong type.
        """
        try:
            index = cls(
                runs=tuple(_entry(RunEntry, run) for run in entries["runs"]),
                samples=tuple(_entry(SamplesEntry, s) for s in entries["samples"]),
                written_by=str(entries["written_by"]),
                version=int(entries["version"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"its index is not complete ({error!r})") from error
        for run in index.runs:
            if run.samples not in range(len(index.samples)):
                raise ValueError(f"run {run.name!r} names a sample set that is missing")
            if run.training is not None and run.training not in range(len(index.runs)):
                raise ValueError(f"run {run.name!r} names a run that is missing")
        if len({run.name for run in index.runs}) < len(index.runs):
            raise ValueError("two of its runs have the same name")
        return index


def run_member(number: int, name: str) -> str:
    """Path of a member of a run, such as `"runs/0/log.csv"`."""
    return f"runs/{number}/{name}"


def layer_member(number: int, group: str, layer: int, name: str) -> str:
    """Path of an array of a layer, such as `"runs/0/p_vectors/1/vectors.npy"`."""
    return run_member(number, f"{group}/{layer}/{name}.npy")


def samples_member(number: int, name: str) -> str:
    """Path of an array of a sample set, such as `"samples/0/labels.npy"`."""
    return f"samples/{number}/{name}.npy"


def _entry(of: type, entries: Mapping[str, Any]) -> Any:
    lists = {k: tuple(v) for k, v in entries.items() if isinstance(v, list)}
    return of(**{**entries, **lists})
