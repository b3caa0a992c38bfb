"""Run folders: the files of a training, written so that a kill loses nothing.

```
run.json                        settings, seed, versions, status
log.csv                         one row per moment, layer and reference (LOG_COLUMNS)
metrics.csv                     Keras's own logs, one row per epoch
pvectors/epoch_0003_step_00001564.npz   P-vectors of all layers at one moment
samples.npz                     labels, brightness and contrast of the samples
model.keras                     the model after its last epoch
```

Complete files are written under a temporary name and then renamed. Rows of `log.csv`
are appended with one write per moment. A *moment* is a point of a training, identified
by `(epoch, step)`: `epoch` counts from 0, as in Keras, and is -1 before training;
`step` is the number of training steps (batches) done.

This module does not need TensorFlow.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import importlib.metadata
import io
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.runs.files import (
    PARTIAL_SUFFIX,
    csv_bytes,
    csv_cell,
    read_rows,
    save_p_vectors,
    write_atomically,
)
from keras_pvec.runs.schema import (
    LOG_COLUMNS,
    Failure,
    Moment,
    RunConflictError,
    RunInfo,
)

_MOMENT_FILE = re.compile(r"^epoch_-?\d+_step_\d+\.npz$")
_PARTIAL_FILE = re.compile(
    r"^(log\.csv|metrics\.csv|run\.json|model\.keras|samples\.npz|"
    r"checkpoint_\d+-[0-9a-f]+\.npz|epoch_-?\d+_step_\d+\.npz)\.\d+\.partial(\.keras)?$"
)


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
        """Stores the P-vectors of a moment, then appends its rows to `log.csv`."""
        self._check_sole_writer()
        self.pvectors_path.mkdir(parents=True, exist_ok=True)
        save_p_vectors(self.moment_path(moment), p_vectors)
        text = io.StringIO()
        writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
        if not self.log_path.exists() or self.log_path.stat().st_size == 0:
            writer.writeheader()
        for row in rows:
            writer.writerow({key: csv_cell(row.get(key)) for key in LOG_COLUMNS})
        # A single write, so that neither a reader nor a kill can split a row.
        with open(self.log_path, "ab", buffering=0) as file:
            file.write(text.getvalue().encode())
            os.fsync(file.fileno())
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

    def epoch_ends(self) -> dict[int, int]:
        """The step at the end of each finished epoch."""
        return {int(r["epoch"]): int(r["step"]) for r in self.metrics_rows()}

    def write_metrics(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Adds a row of scalar logs; a name seen for the first time gets a column."""
        rows = [*self.metrics_rows(), {"epoch": epoch, "step": step, **logs}]
        self._replace_metrics(rows)

    def update_info(self, **changes: Any) -> None:
        """Changes fields of the `RunInfo` in `run.json`."""
        info = dataclasses.replace(self.read_info(), **changes)
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(info.to_json(), indent=2, sort_keys=True, default=str) + "\n"
        with write_atomically(self.info_path) as file:
            file.write(text.encode())

    def note(self, **entries: Any) -> None:
        """Merges entries into the notes in `run.json`."""
        self.update_info(notes={**self.read_info().notes, **entries})

    def read_info(self) -> RunInfo:
        """The content of `run.json`; an empty `RunInfo` if the file does not exist.

        Raises:
            RunConflictError: The file is not a `run.json` that keras_pvec wrote.
        """
        try:
            entries = json.loads(self.info_path.read_text())
            if not isinstance(entries, dict):
                raise ValueError("it holds no settings")
            return RunInfo.from_json(entries)
        except (FileNotFoundError, NotADirectoryError):
            return RunInfo()
        except ValueError as error:
            raise RunConflictError(
                f"{self.info_path} is not a run.json of keras_pvec ({error}). Choose "
                "another folder, or delete it."
            ) from None

    def moments(self) -> list[Moment]:
        """The logged moments in order. Stored P-vectors without a row are ignored."""
        rows = read_rows(self.log_path)
        return sorted({Moment(int(r["epoch"]), int(r["step"])) for r in rows})

    def rewind(self, epoch: int) -> None:
        """Removes epoch `epoch`, later epochs, and partial files that a kill left.

        A training that is resumed at the beginning of that epoch logs them again.
        """

        def is_earlier(row: Mapping[str, Any]) -> bool:
            return int(row["epoch"]) < epoch

        for folder in (self.path, self.pvectors_path, self.path / "weights"):
            for path in folder.glob(f"*{PARTIAL_SUFFIX}*"):
                if _PARTIAL_FILE.match(path.name):
                    path.unlink()
        if self.log_path.exists():
            kept = filter(is_earlier, read_rows(self.log_path))
            with write_atomically(self.log_path) as file:
                file.write(csv_bytes(LOG_COLUMNS, kept))
        if self.metrics_path.exists():
            self._replace_metrics([*filter(is_earlier, self.metrics_rows())])
        failures = self.read_info().failures
        kept_failures = tuple(f for f in failures if f.epoch < epoch)
        if len(kept_failures) < len(failures):
            self.update_info(failures=kept_failures)
        logged = {self.moment_path(moment) for moment in self.moments()}
        for path in self.pvectors_path.glob("*.npz"):
            if _MOMENT_FILE.match(path.name) and path not in logged:
                path.unlink()
        self._log_size = self._size_of_log()

    def clear(self) -> None:
        """Removes a run, for another one that replaces it.

        Notes in `run.json` and files of the training program stay.
        """
        for path in (self.log_path, self.metrics_path, self.samples_path):
            path.unlink(missing_ok=True)
        self.rewind(-1)

    def _size_of_log(self) -> int:
        return self.log_path.stat().st_size if self.log_path.exists() else 0

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
            RunConflictError: Another process is writing to the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunConflictError(
                f"Another process is writing to {self.path}. Wait until it ends, or "
                "choose another folder."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def metrics_rows(self) -> list[dict[str, str]]:
        """Rows of `metrics.csv`, as text; none if there is no such file."""
        return read_rows(self.metrics_path)

    def _replace_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        self.path.mkdir(parents=True, exist_ok=True)
        with write_atomically(self.metrics_path) as file:
            file.write(csv_bytes(columns or ["epoch", "step"], rows))


def library_versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect the numbers."""
    versions = {"python": platform.python_version()}
    for name in ("keras-pvec", "keras", "tensorflow", "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
