"""Read access to run folders."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.comparison import compare
from keras_pvec.pvector import PVector
from keras_pvec.runs.arrays import parse_arrays
from keras_pvec.runs.checksums import SUMS_FILE, check_content, read_sums
from keras_pvec.runs.completeness import check_finished_log
from keras_pvec.runs.errors import DamagedRunError, RunNotFoundError
from keras_pvec.runs.files import parse_p_vectors
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.reading import exists, modified_ns, read_content
from keras_pvec.runs.schema import LOG_COLUMNS, LoggedWith, Moment, RunInfo, log_row
from keras_pvec.runs.tables import (
    moment_of,
    parse_log,
    parse_rows,
    parse_table,
    whole_lines,
)

if TYPE_CHECKING:
    import pandas

# Largest difference of the length of a P-vector from 1.
_UNIT_TOLERANCE = 1e-6


class Run:
    """Read access to a run folder; see `open_run`.

    What is read is checked: against the checksums of a finished run, and against the
    settings and the other files of the run. Whatever is wrong is a `DamagedRunError`
    with the name of the file; what is not there is a `RunNotFoundError`.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._folder = RunFolder(path)
        self.path = self._folder.path
        self._settings: LoggedWith | None = None
        self._sums: dict[str, str] = {}
        self._sums_changed: int | None = None
        self._checked_log = ""
        if not exists(self._folder.log_path):
            if self.info.complete:
                raise DamagedRunError(self._folder.log_path, "it is missing")
            raise RunNotFoundError(f"{self.path} holds no run: it has no log.csv.")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def on(self, split: str) -> Run:
        """The same training on the samples of another split.

        The runs of the experiments log the training samples in the run folder and the
        test samples in its subfolder `test`.

        Raises:
            RunNotFoundError: The training did not log that split.
        """
        return self if split == "train" else Run(self.path / split)

    @property
    def info(self) -> RunInfo:
        """The content of `run.json`."""
        return self._folder.read_info()

    @property
    def log(self) -> pandas.DataFrame:
        """`log.csv` as a table, one row per moment, layer and reference."""
        return parse_log(self._folder.log_path, self._log_text())

    @property
    def metrics(self) -> pandas.DataFrame:
        """`metrics.csv` as a table, one row per epoch."""
        path = self._folder.metrics_path
        if not exists(path):
            raise RunNotFoundError(f"{self.path} holds no metrics.csv.")
        table = parse_table(path, whole_lines(path, self._content(path)))
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
        if not exists(path):
            return {}
        arrays = parse_arrays(path, self._content(path))
        n_samples = self._logged_with().n_samples
        for name, array in arrays.items():
            if n_samples is not None and array.shape[:1] != (n_samples,):
                reason = f"`{name}` is not of the {n_samples} samples of the run"
                raise DamagedRunError(path, reason)
        return arrays

    @property
    def moments(self) -> list[Moment]:
        """The logged moments `(epoch, step)`, in order of time."""
        return sorted({moment_of(row) for row in self._rows()})

    @property
    def layers(self) -> list[str]:
        """The watched layers, in the order of the logger's argument, even if the first
        one had no P-vector at first."""
        logged_with = self.info.logged_with
        asked = () if logged_with is None else logged_with.layers
        logged = (row["layer"] for row in self._rows())
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
        p_vectors = parse_p_vectors(path, self._content(path), moment)
        for layer, p in p_vectors.items():
            self._check_p_vector(path, layer, p)
        return p_vectors

    def p_vector(self, epoch: int | str = "final", layer: str | None = None) -> PVector:
        """The P-vector of a layer at the end of an epoch.

        Args:
            epoch: Counted from 0; -1 for before training; `"final"` for the last.
            layer: Name of the layer; may be left out if only one is watched.

        Returns:
            The stored P-vector.

        Raises:
            RunNotFoundError: No such epoch or layer in this run, or the layer had no
                P-vector there (all zero, or not finite).
        """
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
            to: `"final"`, an epoch of this run, or any `PVector` of the same samples.
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

    def _content(self, path: Path) -> bytes:
        """The content of a file of the run, checked against its checksum."""
        content = read_content(path)
        name = path.relative_to(self.path).as_posix()
        check_content(path, content, self._checksums().get(name))
        return content

    def _checksums(self) -> dict[str, str]:
        """The checksums of the run; read again only if a training has changed them."""
        changed = modified_ns(self.path / SUMS_FILE)
        if changed != self._sums_changed:
            is_sealed = changed is not None and self.info.complete
            self._sums = read_sums(self.path) if is_sealed else {}
            self._sums_changed = changed
        return self._sums

    def _log_text(self) -> str:
        """The whole lines of the log, none of which are missing in a finished run."""
        path = self._folder.log_path
        content = self._content(path)
        text = whole_lines(path, content)
        if text != self._checked_log:
            info = self.info
            rows = parse_rows(path, text)
            if info.complete:
                if content and not content.endswith(b"\n"):
                    raise DamagedRunError(path, "its last row is incomplete")
                check_finished_log(
                    path,
                    rows,
                    info,
                    self._folder.stored_moments(),
                    self._folder.epoch_ends(),
                )
            self._checked_log = text
        return text

    def _rows(self) -> list[dict[str, str]]:
        """The rows of the log, as text."""
        path = self._folder.log_path
        rows = parse_rows(path, self._log_text())
        if rows and not set(LOG_COLUMNS) <= set(rows[0]):
            missing = [name for name in LOG_COLUMNS if name not in rows[0]]
            raise DamagedRunError(path, f"missing columns {', '.join(missing)}")
        return rows

    def _logged_with(self) -> LoggedWith:
        """The settings of the logger. The log has the samples, if they do not."""
        if self._settings is None:
            settings = self.info.logged_with or LoggedWith()
            first = next(iter(self._rows()), {})
            n_samples, sha256 = first.get("n_samples", ""), first.get("samples_sha256")
            self._settings = dataclasses.replace(
                settings,
                n_samples=settings.n_samples
                or (int(n_samples) if n_samples.isdecimal() else None),
                samples_sha256=settings.samples_sha256 or sha256 or None,
            )
        return self._settings

    def _check_p_vector(self, path: Path, layer: str, p: PVector) -> None:
        """Raises if a P-vector cannot be one of this run."""
        settings = self._logged_with()
        where = f"the P-vector of layer {layer!r}"
        length = float(np.linalg.norm(p.vector))
        if abs(length - 1) > _UNIT_TOLERANCE:
            reason = f"{where} has length {length:.4g}, not 1"
            raise DamagedRunError(path, reason)
        if settings.n_samples not in (None, p.n_samples):
            reason = f"{where} has {p.n_samples} samples, not {settings.n_samples}"
            raise DamagedRunError(path, reason)
        if p.samples_sha256 and settings.samples_sha256 not in (None, p.samples_sha256):
            raise DamagedRunError(path, f"{where} is not of the samples of the run")

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
