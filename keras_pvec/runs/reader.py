"""Read access to run folders."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_pvec.html_tables import html_table
from keras_pvec.pvector import PVector
from keras_pvec.runs.after_fit import after_fit_path
from keras_pvec.runs.arrays import parse_arrays
from keras_pvec.runs.checked import CheckedFiles
from keras_pvec.runs.errors import DamagedRunError, RunError, RunNotFoundError
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.info import RunInfo
from keras_pvec.runs.reading import exists
from keras_pvec.runs.run_html import run_html
from keras_pvec.runs.schema import Moment
from keras_pvec.runs.tables import moment_of, parse_log, parse_table, whole_lines
from keras_pvec.runs.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes


# An error names at most this many runs.
_MAX_NAMED = 5


class Run(Trajectory):
    """Read access to a run folder; see `open_run`.

    What is read is checked: against the checksums of a finished run, and against the
    settings and the other files of the run. Whatever is wrong is a `DamagedRunError`
    with the name of the file; what is not there is a `RunNotFoundError`.

    Args:
        path: The folder.
        training: The run in which the training left its notes, if not in this one.
        notes: Notes that take the place of those of the same name in `run.json`.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        training: Run | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder = RunFolder(path)
        self._training = training
        self._notes = dict(notes or {})
        self.path = self._folder.path
        self._files = CheckedFiles(self._folder)
        if not exists(self._folder.log_path):
            if self.info.complete:
                raise DamagedRunError(self._folder.log_path, "it is missing")
            raise RunNotFoundError(
                f"{self.path} holds no run: it has no log.csv. {_where_else(self.path)}"
            )

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """The last angles of each layer as a small table, for notebooks."""
        try:
            return run_html(self)
        except RunError as error:
            return html_table(repr(self), ["cannot be read"], [[str(error)]])

    def on(self, split: str) -> Run:
        """The same training on the samples of another split.

        The runs of the experiments log the training samples in the run folder and the
        test samples in its subfolder `test`.

        Raises:
            RunNotFoundError: The training did not log that split.
        """
        return self if split == "train" else Run(self.path / split, training=self)

    @property
    def info(self) -> RunInfo:
        """The content of `run.json`; of another split, with the notes about the
        training."""
        info = self._folder.read_info()
        training = {} if self._training is None else self._training.info.notes
        notes = {**training, **info.notes, **self._notes}
        return dataclasses.replace(info, notes=notes)

    @property
    def log(self) -> pandas.DataFrame:
        """`log.csv` as a table, one row per moment, layer and reference."""
        return parse_log(self._folder.log_path, self._files.log_text())

    @property
    def metrics(self) -> pandas.DataFrame:
        """`metrics.csv` as a table, one row per epoch."""
        path = self._folder.metrics_path
        if not self._files.exists(path):
            raise RunNotFoundError(f"{self.path} holds no metrics.csv.")
        table = parse_table(path, whole_lines(path, self._files.content(path)))
        if self.info.complete and (moments := self.moments):
            last = moments[-1].epoch
            if last > moments[0].epoch and last not in set(table["epoch"]):
                raise DamagedRunError(path, f"it has no row of the last epoch, {last}")
        return table

    @property
    def samples(self) -> dict[str, np.ndarray]:
        """Data about the samples: `labels`, and brightness and contrast as
        `SampleSet.statistics` returns them; empty in runs of earlier versions."""
        path = self._folder.samples_path
        if not self._files.exists(path):
            return {}
        arrays = parse_arrays(path, self._files.content(path))
        n_samples = self._files.settings().n_samples
        for name, array in arrays.items():
            if n_samples is not None and array.shape[:1] != (n_samples,):
                reason = f"`{name}` is not of the {n_samples} samples of the run"
                raise DamagedRunError(path, reason)
        return arrays

    @property
    def moments(self) -> list[Moment]:
        """The logged moments `(epoch, step)`, in order of time."""
        return sorted({moment_of(row) for row in self._files.log_rows()})

    @property
    def layers(self) -> list[str]:
        """The watched layers, in the order of the logger's argument, even if the first
        one had no P-vector at first."""
        logged_with = self.info.logged_with
        asked = () if logged_with is None else logged_with.layers
        logged = (row["layer"] for row in self._files.log_rows())
        return list(dict.fromkeys([*asked, *logged]))

    def p_vectors(self, moment: Moment) -> dict[str, PVector]:
        """The P-vectors of all layers at a moment `(epoch, step)`.

        Raises:
            RunNotFoundError: The run has no such moment.
            DamagedRunError: The file is damaged, or of another run.
        """
        path = self._folder.moment_path(moment)
        if not exists(path):
            if moment in self.moments:
                raise DamagedRunError(path, "it is missing, but log.csv has its rows")
            raise RunNotFoundError(
                f"{self.path} holds no P-vectors of epoch {moment[0]}, step "
                f"{moment[1]}."
            )
        return self._files.p_vectors(path, moment)

    def content(self, name: str) -> bytes:
        """The checked content of a file of the run, such as `"run.json"`; of `log.csv`
        and `metrics.csv`, the complete lines.

        Raises:
            RunNotFoundError: The run has no such file.
        """
        path = self.path / name
        if path == self._folder.log_path:
            return self._files.log_text().encode()
        if not self._files.exists(path):
            raise RunNotFoundError(f"{self.path} holds no {name}.")
        content = self._files.content(path)
        if path == self._folder.metrics_path:
            return whole_lines(path, content).encode()
        return content

    def plot(
        self,
        to: str | int | PVector = "final",
        layers: str | Sequence[str] | None = None,
        *,
        centered: bool = False,
        ax: Axes | None = None,
    ) -> Axes:
        """Plots the angles of the layers over the epochs, with their permutation null.

        Args:
            to: As in `angles`; or the name of a logged reference, such as `"data"`.
            layers: Names of the layers to plot; default: all of them.
            centered: Whether to plot the angles of mean-centred features.
            ax: Axes of Matplotlib to draw on; default: those of a new figure.

        Returns:
            The axes, for styling.

        Raises:
            RunNotFoundError: See `p_vector`.
            SampleMismatchError: `to` is a `PVector` of different samples.
            ValueError: The log has no reference of that name.
            ModuleNotFoundError: Matplotlib is not installed.

        Example:

        ```python
        ax = kp.open_run("runs/mine").plot(to="data")
        ax.figure.savefig("angles.png")
        ```
        """
        from keras_pvec.plots import plot_run

        return plot_run(self, to=to, layers=layers, centered=centered, ax=ax)

    def p_vectors_after_fit(self) -> dict[str, PVector]:
        """The P-vectors of the model that `fit` left, if they are stored apart; else
        empty."""
        after_fit = self.info.after_fit
        if after_fit is None or not after_fit.differs:
            return {}
        path = after_fit_path(self._folder)
        if not exists(path):
            raise DamagedRunError(path, "it is missing, but run.json names it")
        return self._files.p_vectors(path)


def _where_else(path: Path) -> str:
    """Where a run may be, if a folder holds none."""
    try:
        runs = sorted(log.parent.name for log in path.glob("*/log.csv"))
    except OSError:
        runs = []
    if runs:
        more = f" and {len(runs) - _MAX_NAMED} more" if len(runs) > _MAX_NAMED else ""
        return f"It holds folders of runs: {', '.join(runs[:_MAX_NAMED])}{more}."
    return "A PVectorLogger in the `callbacks` of `fit` writes it before training."


def open_run(path: str | os.PathLike) -> Run:
    """Opens a run folder for reading; TensorFlow is not needed.

    Raises:
        RunNotFoundError: The folder holds no `log.csv`.
        DamagedRunError: It is the folder of a finished run, or its `run.json` is
            damaged.

    Example:

    ```python
    run = kp.open_run("runs/mine")
    run.log                                     # the table of log.csv
    run.p_vector(epoch=3, layer="avg_pool")
    run.angles(to="final", layer="avg_pool")
    ```
    """
    return Run(path)
