"""Read access to run folders."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.comparison import compare
from keras_pvec.html_tables import html_table
from keras_pvec.pvector import PVector
from keras_pvec.runs.after_fit import AFTER_FIT, after_fit_path
from keras_pvec.runs.arrays import parse_arrays
from keras_pvec.runs.checked import CheckedFiles
from keras_pvec.runs.errors import DamagedRunError, RunError, RunNotFoundError
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.info import RunInfo
from keras_pvec.runs.reading import exists
from keras_pvec.runs.run_html import run_html
from keras_pvec.runs.schema import LOG_COLUMNS, Moment, log_row
from keras_pvec.runs.tables import moment_of, parse_log, parse_table, whole_lines

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes


class Run:
    """Read access to a run folder; see `open_run`.

    What is read is checked: against the checksums of a finished run, and against the
    settings and the other files of the run. Whatever is wrong is a `DamagedRunError`
    with the name of the file; what is not there is a `RunNotFoundError`.

    Args:
        path: The folder.
        training: The run in which the training left its notes, if not in this one.
    """

    def __init__(self, path: str | os.PathLike, *, training: Run | None = None) -> None:
        self._folder = RunFolder(path)
        self._training = training
        self.path = self._folder.path
        self._files = CheckedFiles(self._folder)
        if not exists(self._folder.log_path):
            if self.info.complete:
                raise DamagedRunError(self._folder.log_path, "it is missing")
            raise RunNotFoundError(f"{self.path} holds no run: it has no log.csv.")

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
        if self._training is None:
            return info
        notes = {**self._training.info.notes, **info.notes}
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

    def p_vector(self, epoch: int | str = "final", layer: str | None = None) -> PVector:
        """The P-vector of a layer at the end of an epoch.

        Args:
            epoch: Counted from 0; -1 for before training; `"final"` for the last; or
                `"after_fit"` for the model that `fit` left, which is another one if
                weights were averaged or restored after the last epoch.
            layer: Name of the layer; may be left out if only one is watched.

        Returns:
            The stored P-vector.

        Raises:
            RunNotFoundError: No such epoch or layer in this run, or the layer had no
                P-vector there (all zero, or not finite).
        """
        if epoch == AFTER_FIT:
            return self._p_vector_after_fit(layer)
        moments = self.moments
        if epoch != "final":
            moments = [m for m in moments if m.epoch == epoch]
        last = moments[-1] if moments else Moment(-2, -1)
        self._check_not_failed(last, epoch, layer)
        if not moments:
            known = sorted({m.epoch for m in self.moments})
            raise RunNotFoundError(
                f"{self.path} holds no epoch {epoch}; it holds {known}."
            )
        return self._layer_of(self.p_vectors(moments[-1]), layer)

    def angles(
        self, to: str | int | PVector = "final", layer: str | None = None
    ) -> pandas.DataFrame:
        """Angles of a layer at every moment to a reference.

        Args:
            to: `"final"`, `"after_fit"`, an epoch of this run, or any `PVector` of the
                same samples.
            layer: As in `p_vector`.

        Returns:
            A table with the columns of `log.csv`, one row per moment.

        Raises:
            RunNotFoundError: See `p_vector`.
            SampleMismatchError: `to` is a `PVector` of different samples.
        """
        import pandas

        reference = to if isinstance(to, PVector) else self.p_vector(to, layer)
        label = "reference" if isinstance(to, PVector) else str(to)
        rows = []
        watched = self.layers
        for moment in self.moments:
            p_vectors = self.p_vectors(moment)
            if layer in watched and layer not in p_vectors:
                continue  # no P-vector at this moment; see `info.failures`
            p = self._layer_of(p_vectors, layer)
            rows.append(log_row(moment, p, label, compare(p, reference)))
        return pandas.DataFrame(rows, columns=list(LOG_COLUMNS))

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

    def _p_vector_after_fit(self, layer: str | None) -> PVector:
        after_fit = self.info.after_fit
        if after_fit is None:
            raise RunNotFoundError(
                f"{self.path} holds no model after `fit`: the training has not ended, "
                "or an earlier version logged it."
            )
        if not after_fit.differs:
            return self.p_vector("final", layer)
        if layer is not None and layer in after_fit.failures:
            raise RunNotFoundError(
                f"{self.path}: layer {layer!r} had no P-vector after `fit`. "
                f"{after_fit.failures[layer]}"
            )
        path = after_fit_path(self._folder)
        if not exists(path):
            raise DamagedRunError(path, "it is missing, but run.json names it")
        return self._layer_of(self._files.p_vectors(path), layer)

    def _check_not_failed(
        self, last: Moment, epoch: int | str, layer: str | None
    ) -> None:
        """Raises if the requested P-vector failed, so no earlier one is returned."""
        for failure in self.info.failures:
            asked = epoch in ("final", failure.epoch) and failure.step >= last.step
            if asked and layer in (None, failure.layer):
                raise RunNotFoundError(
                    f"{self.path}: layer {failure.layer!r} had no P-vector at epoch "
                    f"{failure.epoch}, step {failure.step}. {failure.reason}"
                )

    def _layer_of(self, p_vectors: dict[str, PVector], layer: str | None) -> PVector:
        if layer is None and len(p_vectors) == 1:
            return next(iter(p_vectors.values()))
        if layer not in p_vectors:
            received = "layer=None" if layer is None else repr(layer)
            raise RunNotFoundError(
                f"`layer` must be one of {list(p_vectors)}, the layers of {self.path}. "
                f"Received: {received}"
            )
        return p_vectors[layer]


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
