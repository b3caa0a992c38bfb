"""Read access to a run in an archive."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.archive.archive_file import ArchiveFile
from keras_pvec.archive.features import Features
from keras_pvec.archive.fields import FIELDS, p_vector_of
from keras_pvec.archive.schema import layer_member, run_member, samples_member
from keras_pvec.pvector import PVector
from keras_pvec.runs import (
    Moment,
    RunInfo,
    RunNotFoundError,
    Trajectory,
    parse_json,
    parse_log,
    parse_table,
    whole_lines,
)

if TYPE_CHECKING:
    import pandas


class ArchivedRun(Trajectory):
    """Read access to a run in an archive; it has the members of a `Run`.

    Whatever is wrong is a `DamagedRunError` with the path of the archive; what is not
    there is a `RunNotFoundError`. Only what is asked for is read.

    Args:
        file: The archive.
        number: Number of the run in its index.

    Attributes:
        name: Name of the run in the archive.
        path: Path of the archive, followed by the name.
    """

    def __init__(self, file: ArchiveFile, number: int) -> None:
        self._file = file
        self._number = number
        self._entry = file.index.runs[number]
        self.name = self._entry.name
        self.path: Path = file.path / self.name

    def __repr__(self) -> str:
        return f"ArchivedRun({str(self._file.path)!r}, {self.name!r})"

    def on(self, split: str) -> ArchivedRun:
        """The same training on the samples of another split; see `Run.on`.

        Raises:
            RunNotFoundError: The archive does not hold it.
        """
        if split == "train":
            return self
        for number, run in enumerate(self._file.index.runs):
            if run.training == self._number and run.name == f"{self.name}/{split}":
                return ArchivedRun(self._file, number)
        raise RunNotFoundError(f"{self.path} holds no split {split!r}.")

    @property
    def info(self) -> RunInfo:
        """The content of `run.json`; of another split, with the notes about the
        training."""
        info = self._info(self._number)
        if self._entry.training is None:
            return info
        training = self._info(self._entry.training)
        return dataclasses.replace(info, notes={**training.notes, **info.notes})

    @property
    def log(self) -> pandas.DataFrame:
        """`log.csv` as a table, one row per moment, layer and reference."""
        return parse_log(self.path / "log.csv", self._text("log.csv"))

    @property
    def metrics(self) -> pandas.DataFrame:
        """`metrics.csv` as a table, one row per epoch."""
        return parse_table(self.path / "metrics.csv", self._text("metrics.csv"))

    @property
    def samples(self) -> dict[str, np.ndarray]:
        """Labels, brightness and contrast of the samples; see `Run.samples`."""
        entry = self._file.index.samples[self._entry.samples]
        return {
            name: self._file.array(samples_member(self._entry.samples, name))
            for name in entry.arrays
        }

    @property
    def moments(self) -> list[Moment]:
        """The logged moments `(epoch, step)`, in order of time."""
        return self._moments(run_member(self._number, "moments.npy"))

    @property
    def layers(self) -> list[str]:
        """The watched layers."""
        return list(self._entry.layers)

    @property
    def feature_moments(self) -> dict[str, list[Moment]]:
        """The moments with stored features, by layer; empty if there are none."""
        return {
            layer: self._moments(layer_member(self._number, "features", i, "moments"))
            for i, layer in enumerate(self._entry.features)
        }

    def p_vectors(self, moment: Moment) -> dict[str, PVector]:
        """The P-vectors of all layers at a moment `(epoch, step)`.

        Raises:
            RunNotFoundError: The run has no such moment.
            DamagedRunError: The archive is damaged.
        """
        found = {}
        for i, layer in enumerate(self._entry.p_vectors):
            member = layer_member(self._number, "p_vectors", i, "moments")
            moments = self._moments(member)
            if moment in moments:
                row = moments.index(Moment(*moment))
                found[layer] = self._p_vector("p_vectors", i, layer, row)
        if not found and moment not in self.moments:
            raise RunNotFoundError(
                f"{self.path} holds no P-vectors of epoch {moment[0]}, step "
                f"{moment[1]}."
            )
        return found

    def p_vectors_after_fit(self) -> dict[str, PVector]:
        """The P-vectors of the model that `fit` left, if they are stored apart; else
        empty."""
        return {
            layer: self._p_vector("after_fit", i, layer, 0)
            for i, layer in enumerate(self._entry.after_fit)
        }

    def features(
        self, moment: Moment | int | str = "final", layer: str | None = None
    ) -> Features:
        """Features of a layer at a moment.

        Args:
            moment: `(epoch, step)`; an epoch, for the last moment in it that has
                features; or `"final"` for the last one.
            layer: Name of the layer; may be left out if features of one are stored.

        Raises:
            RunNotFoundError: The archive holds no such features.
        """
        stored = self.feature_moments
        if layer is None and len(stored) == 1:
            (layer,) = stored
        if layer not in stored:
            received = "layer=None" if layer is None else repr(layer)
            raise RunNotFoundError(
                f"{self.path} holds features of the layers {list(stored)}. Received: "
                f"{received}"
            )
        moments = stored[layer]
        asked = [m for m in moments if moment in ("final", m, m.epoch)]
        if not asked:
            raise RunNotFoundError(
                f"{self.path} holds features of {layer!r} at the moments "
                f"{[tuple(m) for m in moments]}. Received: {moment!r}"
            )
        i = self._entry.features.index(layer)
        member = layer_member(self._number, "features", i, "values")
        selected = self._file.array(
            run_member(self._number, "features/sample_indices.npy")
        )
        labels = self.samples.get("labels")
        return Features(
            values=self._file.row(member, moments.index(asked[-1])),
            run=self.name,
            layer=layer,
            moment=asked[-1],
            sample_indices=selected,
            labels=None if labels is None else labels[selected],
        )

    def _p_vector(self, group: str, i: int, layer: str, row: int) -> PVector:
        samples = self._file.index.samples[self._entry.samples]
        arrays = {
            name: self._file.row(layer_member(self._number, group, i, name), row)
            for name in FIELDS
        }
        return p_vector_of(self._file.path, arrays, layer, samples.name, samples.sha256)

    def _moments(self, member: str) -> list[Moment]:
        table = self._file.array(member)
        if table.ndim != 2 or table.shape[1] != 2:
            raise self._file.damage(f"{member} holds no moments")
        return [Moment(*row) for row in table.tolist()]

    def _info(self, number: int) -> RunInfo:
        if "run.json" not in self._file.index.runs[number].files:
            return RunInfo()
        content = self._file.content(run_member(number, "run.json"))
        path = self._file.path / self._file.index.runs[number].name / "run.json"
        try:
            return RunInfo.from_json(parse_json(path, content))
        except ValueError as error:
            raise self._file.damage(f"run.json of {self.name} ({error})") from error

    def _text(self, name: str) -> str:
        if name not in self._entry.files:
            raise RunNotFoundError(f"{self.path} holds no {name}.")
        content = self._file.content(run_member(self._number, name))
        return whole_lines(self.path / name, content)
