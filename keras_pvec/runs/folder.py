"""Run folders: the files of a training, written so that a kill loses nothing.

```
run.json                        settings, seed, versions, status
log.csv                         one row per moment, layer and reference (LOG_COLUMNS)
metrics.csv                     Keras's own logs, one row per epoch
pvectors/epoch_0003_step_00001564.npz   P-vectors of all layers at one moment
samples.npz                     labels, brightness and contrast of the samples
model.keras                     the model after its last epoch
progress.json                   checksums of these files after the last finished epoch
SHA256SUMS                      the same, once the training has ended
```

Complete files are written under a temporary name and then renamed. Rows of `log.csv`
are appended all or none per moment. A *moment* is a point of a training, identified
by `(epoch, step)`: `epoch` counts from 0, as in Keras, and is -1 before training;
`step` is the number of training steps (batches) done.

This module does not need TensorFlow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.runs.attempts import attempts_folder
from keras_pvec.runs.checksums import (
    SUMS_FILE,
    changed_files,
    check_content,
    read_sums,
    remove_sums,
    replace_sum,
    write_sums,
)
from keras_pvec.runs.errors import (
    DamagedRunError,
    RunConflictError,
    RunNotFoundError,
)
from keras_pvec.runs.files import save_p_vectors
from keras_pvec.runs.info import INFO_VERSION, RunInfo
from keras_pvec.runs.lock import lock_folder
from keras_pvec.runs.progress import (
    changing_info,
    check_info,
    remove_progress,
    write_progress,
)
from keras_pvec.runs.reading import MAX_JSON_BYTES, parse_json, read_content
from keras_pvec.runs.schema import Break, Failure, Moment
from keras_pvec.runs.tables import csv_bytes, log_bytes, moment_of, read_rows
from keras_pvec.runs.writing import (
    append_lines,
    remove_partial_files,
    replace_file,
    write_atomically,
)

_MOMENT_FILE = re.compile(r"^epoch_(-?\d{1,8})_step_(\d{1,16})\.npz$", re.ASCII)
# Columns of metrics.csv that other callbacks cannot write to.
_OWN_METRICS = ("epoch", "step")


class RunFolder:
    """Write access to a run folder. Creates nothing until something is written."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._log_size: int | None = None
        self.log_path = self.path / "log.csv"
        self.metrics_path = self.path / "metrics.csv"
        self.info_path = self.path / "run.json"
        self.model_path = self.path / "model.keras"
        self.pvectors_path = self.path / "pvectors"
        self.samples_path = self.path / "samples.npz"

    def write_moment(
        self,
        moment: Moment,
        p_vectors: Mapping[str, PVector],
        rows: Iterable[Mapping[str, Any]],
    ) -> None:
        """Stores the P-vectors of a moment, then appends its rows to `log.csv`.

        Raises:
            RunConflictError: Another program or logger wrote to the log.
            OSError: A file cannot be written, for example because the disk is full. The
                log then ends with the moment before.
        """
        self._check_sole_writer()
        self.pvectors_path.mkdir(parents=True, exist_ok=True)
        save_p_vectors(self.moment_path(moment), p_vectors, moment=Moment(*moment))
        header, lines = log_bytes(rows)
        append_lines(self.log_path, lines, header=header)
        self._log_size = self.log_path.stat().st_size

    def write_samples(
        self, labels: np.ndarray | None, statistics: Mapping[str, np.ndarray]
    ) -> None:
        """Stores labels and statistics of the samples for later comparisons."""
        arrays: dict[str, Any] = dict(statistics)
        if labels is not None:
            # Object arrays would need pickle, which can run code, so text is stored.
            arrays["labels"] = labels.astype(str) if labels.dtype == object else labels
        if arrays:
            self.path.mkdir(parents=True, exist_ok=True)
            with write_atomically(self.samples_path) as file:
                np.savez(file, **arrays)

    def moment_path(self, moment: Moment) -> Path:
        """Path of the P-vectors of a moment."""
        epoch, step = moment
        return self.pvectors_path / f"epoch_{epoch:04d}_step_{step:08d}.npz"

    def note_failure(self, moment: Moment, layer: str, reason: str) -> None:
        """Records in `run.json` that a layer had no P-vector at a moment."""
        failure = Failure(*moment, layer, reason)
        self.update_info(failures=(*self.read_info().failures, failure))

    def note_break(self, moment: Moment, layer: str, angle_deg: float) -> None:
        """Records in `run.json` that a training went on with another model."""
        entry = Break(*moment, layer, angle_deg)
        self.update_info(breaks=(*self.read_info().breaks, entry))

    def epoch_ends(self) -> dict[int, int]:
        """The step at the end of each finished epoch."""
        return dict(map(moment_of, self.metrics_rows()))

    def write_metrics(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Adds a row of scalar logs; a name seen for the first time gets a column.

        Logs named `epoch` or `step` go to the columns `logs_epoch` and `logs_step`.
        """
        named = {
            f"logs_{name}" if name in _OWN_METRICS else name: value
            for name, value in logs.items()
        }
        rows = [*self.metrics_rows(), {"epoch": epoch, "step": step, **named}]
        self._replace_metrics(rows)

    def update_info(self, **changes: Any) -> None:
        """Changes fields of the `RunInfo` in `run.json`."""
        info = dataclasses.replace(self.read_info(), **changes)
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(info.to_json(), indent=2, sort_keys=True, default=str) + "\n"
        content = text.encode()
        replace_sum(self.path, self.info_path.name, None)
        with changing_info(self.path, content):
            replace_file(self.info_path, content)
        replace_sum(self.path, self.info_path.name, content)

    def note(self, **entries: Any) -> None:
        """Merges entries into the notes in `run.json`."""
        self.update_info(notes={**self.read_info().notes, **entries})

    def read_info(self) -> RunInfo:
        """The content of `run.json`; an empty `RunInfo` if the file does not exist.

        Raises:
            DamagedRunError: The file cannot be read, keras_pvec did not write it, or it
                was changed after the training had ended.
            RunConflictError: A later version of keras_pvec wrote it.
        """
        try:
            content = read_content(self.info_path, MAX_JSON_BYTES)
        except RunNotFoundError:
            if self.info_path.name in read_sums(self.path):
                raise DamagedRunError(self.info_path, "it is missing") from None
            return RunInfo()
        entries = parse_json(self.info_path, content)
        version = entries.get("version")
        if isinstance(version, int) and version > INFO_VERSION:
            raise RunConflictError(
                f"{self.info_path} is of version {version}; this package reads "
                f"versions up to {INFO_VERSION}. Upgrade keras_pvec."
            )
        try:
            info = RunInfo.from_json(entries)
        except ValueError as error:
            reason = f"it is not a run.json of keras_pvec ({error})"
            raise DamagedRunError(self.info_path, reason) from error
        expected = read_sums(self.path).get(self.info_path.name)
        check_content(self.info_path, content, expected)
        check_info(self.path, content)
        return info

    def moments(self) -> list[Moment]:
        """The logged moments in order. Stored P-vectors without a row are ignored.

        Raises:
            DamagedRunError: The log is damaged.
        """
        return sorted({moment_of(row) for row in read_rows(self.log_path)})

    def stored_moments(self) -> list[Moment]:
        """The moments with a file of P-vectors, in order."""
        return sorted(
            Moment(int(match[1]), int(match[2]))
            for path in _files_in(self.pvectors_path)
            if (match := _MOMENT_FILE.match(path.name))
        )

    def rewind(self, epoch: int, *, redo: Moment | None = None) -> None:
        """Removes epoch `epoch`, later epochs, and partial files that a kill left.

        A training that is resumed at the beginning of that epoch logs them again.
        P-vectors of earlier moments are never removed.

        Args:
            epoch: The epoch.
            redo: An earlier moment whose rows are to be removed.
        """

        def is_kept(row: Mapping[str, str]) -> bool:
            moment = moment_of(row)
            return moment.epoch < epoch and moment != redo

        self.remove_partial_files()
        if self.log_path.exists():
            self.replace_log([*filter(is_kept, read_rows(self.log_path))])
        if self.metrics_path.exists():
            rows = self.metrics_rows()
            self._replace_metrics([r for r in rows if moment_of(r).epoch < epoch])
        info = self.read_info()
        failures = tuple(f for f in info.failures if f.epoch < epoch)
        breaks = tuple(b for b in info.breaks if b.epoch < epoch)
        if (failures, breaks) != (info.failures, info.breaks):
            self.update_info(failures=failures, breaks=breaks)
        for moment in self.stored_moments():
            if moment.epoch >= epoch:
                self.moment_path(moment).unlink()
        self._log_size = self._size_of_log()

    def drop_last_moment(self) -> list[Moment]:
        """Removes the rows of the last logged moment, which a kill may have cut short.

        Returns:
            The logged moments that are left, in order.
        """
        moments = self.moments()
        if moments:
            last = moments.pop()
            rows = read_rows(self.log_path)
            self.replace_log([row for row in rows if moment_of(row) != last])
        return moments

    def replace_log(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replaces all rows of `log.csv`."""
        remove_progress(self.path)
        replace_file(self.log_path, b"".join(log_bytes(rows)))
        self._log_size = self._size_of_log()

    def remove_partial_files(self) -> None:
        """Removes the temporary files that a killed process left."""
        for folder in (self.path, self.pvectors_path, self.path / "weights"):
            remove_partial_files(folder)

    def seal(self, subfolders: Iterable[str] = ()) -> None:
        """Writes checksums of the files of a finished run.

        Args:
            subfolders: Run folders within it that are sealed already.
        """
        write_sums(self.path, subfolders)
        remove_progress(self.path)

    def check_seal(self) -> None:
        """Checks the files of a finished run before it is continued.

        Raises:
            DamagedRunError: A file was changed after the training had ended.
        """
        for name, error in changed_files(self.path):
            # Further sample sets are continued, and unsealed, one after another.
            if Path(name).name != SUMS_FILE:
                raise error

    def unseal(self) -> None:
        """Removes the checksums, before the files change."""
        remove_sums(self.path)
        remove_progress(self.path)

    def end_epoch(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Adds a row to `metrics.csv`, as `write_metrics` does, and writes checksums of
        what there is."""
        remove_progress(self.path)
        self.write_metrics(epoch, step, logs)
        write_progress(self.path)

    def clear(self) -> None:
        """Removes a run, for another one that replaces it.

        Notes in `run.json` and files of the training program stay.
        """
        for path in (self.log_path, self.metrics_path, self.samples_path):
            path.unlink(missing_ok=True)
        self.rewind(-1)

    def _size_of_log(self) -> int:
        return self.log_path.stat().st_size if self.log_path.is_file() else 0

    def _check_sole_writer(self) -> None:
        if self._log_size is not None and self._log_size != self._size_of_log():
            raise RunConflictError(
                f"{self.log_path} was changed by another program or logger while this "
                "training wrote to it. Give each training and logger its own folder."
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Locks out other processes; the system frees the lock if this one is killed.

        Raises:
            RunConflictError: Another process is writing to the folder, or a worker of a
                cluster is training the run.
        """
        self._check_no_attempts()
        self.path.mkdir(parents=True, exist_ok=True)
        with lock_folder(self.path):
            # A worker may have taken the run away before it was locked.
            self._check_no_attempts()
            yield

    def _check_no_attempts(self) -> None:
        if attempts_folder(self.path).exists():
            raise RunConflictError(
                f"A worker of a cluster is training {self.path}. Wait until it ends, "
                "or choose another folder."
            )

    def metrics_rows(self) -> list[dict[str, str]]:
        """Rows of `metrics.csv`, as text; none if there is no such file."""
        return read_rows(self.metrics_path)

    def _replace_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        self.path.mkdir(parents=True, exist_ok=True)
        replace_file(self.metrics_path, csv_bytes(columns or _OWN_METRICS, rows))


def _files_in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = f"it cannot be read ({error.strerror})"
        raise DamagedRunError(folder, reason) from error


def library_versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect the numbers."""
    versions = {"python": platform.python_version()}
    for name in ("keras-pvec", "keras", "tensorflow", "jax", "torch", "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
