"""Writes runs to an archive, one run and one moment at a time."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_pvec import __version__
from keras_pvec.archive.card import Description, card_text
from keras_pvec.archive.features import FeatureSource
from keras_pvec.archive.schema import (
    CARD,
    INDEX,
    RUNS_TABLE,
    Index,
    RunEntry,
    SamplesEntry,
    layer_member,
    run_member,
    samples_member,
)
from keras_pvec.archive.spool import Spool, Stack
from keras_pvec.archive.stacks import FeatureStacks, PVectorStacks
from keras_pvec.archive.writer import ArchiveWriter
from keras_pvec.pvector import PVector
from keras_pvec.runs import Moment, Run, RunNotFoundError, write_spreadsheet

_COPIED = ("run.json", "log.csv", "metrics.csv")


class _Written(NamedTuple):
    """What was written of a run, besides its entry in the index."""

    moments: int
    row: dict[str, Any]
    versions: Mapping[str, str]


class Packer:
    """Writes runs to an archive, and remembers what the index says about them.

    Args:
        writer: The archive.
        folder: Folder of temporary files.
    """

    def __init__(self, writer: ArchiveWriter, folder: Path) -> None:
        self._writer = writer
        self._folder = folder
        self._runs: list[RunEntry] = []
        self._written: list[_Written] = []
        self._samples: dict[str, int] = {}
        self._sample_entries: list[SamplesEntry] = []

    def add_run(
        self,
        name: str,
        run: Run,
        splits: Mapping[str, Run],
        features: FeatureSource | None,
    ) -> None:
        """Writes a run, and the same training on the samples of other splits."""
        number = len(self._runs)
        self._add(name, run, features, training=None)
        for split, of_split in splits.items():
            self._add(f"{name}/{split}", of_split, features, training=number)

    def finish(self, description: Description) -> None:
        """Writes the index, the table of runs and the data card."""
        index = Index(
            runs=tuple(self._runs),
            samples=tuple(self._sample_entries),
            written_by=__version__,
        )
        rows = [written.row for written in self._written]
        table = io.BytesIO()
        write_spreadsheet(pd.DataFrame(rows), table)
        names = [run.name for run in index.runs]
        moments = [written.moments for written in self._written]
        card = card_text(
            description,
            index,
            _joined([written.versions for written in self._written]),
            dict(zip(names, moments, strict=True)),
        )
        self._writer.add(RUNS_TABLE, table.getvalue())
        self._writer.add(CARD, card.encode())
        self._writer.add_json(INDEX, index.to_json())

    def _add(
        self,
        name: str,
        run: Run,
        features: FeatureSource | None,
        training: int | None,
    ) -> None:
        number = len(self._runs)
        info = run.info
        moments = run.moments
        files = self._copy_files(number, run)
        member = run_member(number, "moments.npy")
        self._writer.add_array(member, _moment_table(moments))
        with contextlib.closing(Spool(self._folder)) as spool:
            stacks = PVectorStacks(spool, run)
            for moment in moments:
                stacks.add(moment, run.p_vectors(moment))
            layers = self._write_stacks(number, "p_vectors", stacks.layers)
            after_fit = PVectorStacks(spool, run)
            if moments and (left := run.p_vectors_after_fit()):
                after_fit.add(moments[-1], left)
            left_layers = self._write_stacks(number, "after_fit", after_fit.layers)
        feature_layers: tuple[str, ...] = ()
        n_samples = 0 if stacks.first is None else stacks.first.n_samples
        if features is not None:
            feature_layers = self._add_features(number, run, features, n_samples)
        self._runs.append(
            RunEntry(
                name=name,
                training=training,
                samples=self._sample_set(run, stacks.first),
                complete=info.complete,
                layers=tuple(run.layers),
                p_vectors=layers,
                after_fit=left_layers,
                features=feature_layers,
                files=files,
            )
        )
        row = {"run": name, "complete": info.complete, "n_moments": len(moments)}
        noted = _flat({"versions": info.versions, **info.notes})
        row |= {key: value for key, value in noted.items() if key not in row}
        self._written.append(_Written(len(moments), row, info.versions))

    def _copy_files(self, number: int, run: Run) -> tuple[str, ...]:
        copied = []
        for name in _COPIED:
            with contextlib.suppress(RunNotFoundError):
                self._writer.add(run_member(number, name), run.content(name))
                copied.append(name)
        return tuple(copied)

    def _write_stacks(
        self, number: int, group: str, stacks: Mapping[str, Stack]
    ) -> tuple[str, ...]:
        for i, stack in enumerate(stacks.values()):
            for name in stack.names():
                member = layer_member(number, group, i, name)
                dtype, shape = stack.dtype(name), stack.shape(name)
                self._writer.add_rows(member, dtype, shape, stack.rows(name))
        return tuple(stacks)

    def _add_features(
        self, number: int, run: Run, features: FeatureSource, n_samples: int
    ) -> tuple[str, ...]:
        with contextlib.closing(Spool(self._folder)) as spool:
            stacks = FeatureStacks(spool, run, n_samples)
            for found in features(run):
                stacks.add(found)
            if stacks.sample_indices is not None:
                member = run_member(number, "features/sample_indices.npy")
                self._writer.add_array(member, stacks.sample_indices)
            return self._write_stacks(number, "features", stacks.layers)

    def _sample_set(self, run: Run, first: PVector | None) -> int:
        """The number of the sample set of a run, written if it is new."""
        arrays = run.samples
        name = None if first is None else first.samples_name
        sha256 = None if first is None else first.samples_sha256
        n_samples = 0 if first is None else first.n_samples
        digest = hashlib.sha256(f"{name} {sha256} {n_samples};".encode())
        for key in sorted(arrays):
            digest.update(f"{key} {arrays[key].dtype} {arrays[key].shape};".encode())
            digest.update(np.ascontiguousarray(arrays[key]).tobytes())
        number = self._samples.setdefault(digest.hexdigest(), len(self._samples))
        if number == len(self._sample_entries):
            entry = SamplesEntry(name, sha256, n_samples, tuple(sorted(arrays)))
            self._sample_entries.append(entry)
            for key in entry.arrays:
                self._writer.add_array(samples_member(number, key), arrays[key])
        return number


def _moment_table(moments: Sequence[Moment]) -> np.ndarray:
    return np.array(moments, np.int64).reshape(-1, 2)


def _joined(versions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Versions of several runs, each one once."""
    found: dict[str, dict[str, None]] = {}
    for of_run in versions:
        for package, version in of_run.items():
            found.setdefault(package, {})[version] = None
    return {package: " and ".join(sorted(of)) for package, of in found.items()}


def _flat(entries: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested entries as columns: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in entries.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            is_list = isinstance(value, (list, tuple))
            flat[f"{prefix}{name}"] = json.dumps(value) if is_list else value
    return flat
