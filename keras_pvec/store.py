"""Run folders: what a training leaves behind, written so that a kill loses nothing.

```
run.json                        settings, seed, versions, status
log.csv                         one row per moment, layer and reference (LOG_COLUMNS)
metrics.csv                     Keras's own logs, one row per epoch
pvectors/epoch_0003_step_00001564.npz   P-vectors of all layers at one moment
samples.npz                     labels, brightness and contrast of the samples
model.keras                     the model after its last epoch
```

Whole files are written beside their place and renamed into it. Rows of `log.csv` are
appended with one write per moment. A *moment* is a point of a training, identified by
`(epoch, step)`: `epoch` counts as Keras does, from 0, and is -1 before training;
`step` is the number of training steps (batches) done.

Nothing here needs TensorFlow.
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import filelock
import numpy as np

from keras_pvec.comparison import Comparison, compare
from keras_pvec.pvector import PVector

if TYPE_CHECKING:
    import pandas

LOG_COLUMNS = (
    "epoch",
    "step",
    "layer",
    "reference",
    "n_samples",
    "n_features",
    "angle_deg",
    "angle_error_deg",
    "centered_angle_deg",
    "null_angle_deg",
    "z",
    "cos_ones",
    "cos_ones_reference",
    "sigma1",
    "sigma2_over_sigma1",
    "energy1",
    "participation",
    "samples_sha256",
)

_MOMENT_FILE = re.compile(r"^epoch_-?\d+_step_\d+\.npz$")
# Files on their way into place carry the process number and this mark.
_PARTIAL_SUFFIX = ".partial"
_PARTIAL_FILE = re.compile(
    r"^(log\.csv|metrics\.csv|run\.json|model\.keras|samples\.npz|"
    r"checkpoint_\d+-[0-9a-f]+\.npz|epoch_-?\d+_step_\d+\.npz)\.\d+\.partial(\.keras)?$"
)

Moment = tuple[int, int]


class RunConflictError(FileExistsError):
    """The folder already holds a run, or one of other settings, or one in progress."""


class RunNotFoundError(FileNotFoundError):
    """The folder does not hold what was asked for."""


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
            writer.writerow({key: _cell(row.get(key)) for key in LOG_COLUMNS})
        # One write of one buffer: a reader, or a kill, never meets half a row.
        with open(self.log_path, "ab", buffering=0) as file:
            file.write(text.getvalue().encode())
            os.fsync(file.fileno())
        self._log_size = self.log_path.stat().st_size

    def write_samples(
        self, labels: np.ndarray | None, statistics: Mapping[str, np.ndarray]
    ) -> None:
        """Stores what comparisons may ask of the samples later: labels, statistics."""
        arrays = dict(statistics)
        if labels is not None:
            # Of objects only the text can be stored without running code to read it.
            arrays["labels"] = labels.astype(str) if labels.dtype == object else labels
        if arrays:
            self.path.mkdir(parents=True, exist_ok=True)
            with write_atomically(self.samples_path) as file:
                np.savez(file, **arrays)

    def moment_path(self, moment: Moment) -> Path:
        """Where the P-vectors of a moment are kept."""
        return self.pvectors_path / f"epoch_{moment[0]:04d}_step_{moment[1]:08d}.npz"

    def note_failure(self, moment: Moment, layer: str, reason: str) -> None:
        """Notes in `run.json` that a layer had no P-vector at a moment."""
        failure = {
            "epoch": moment[0],
            "step": moment[1],
            "layer": layer,
            "reason": reason,
        }
        self.update_info(failures=[*self.failures(), failure])

    def failures(self) -> list[dict[str, Any]]:
        """Layers and moments without a P-vector, with the reason."""
        return self.read_info().get("failures", [])

    def epoch_ends(self) -> dict[int, int]:
        """The step at which each epoch that ran to its end did so."""
        return {int(r["epoch"]): int(r["step"]) for r in self.metrics_rows()}

    def write_metrics(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Adds a row of scalar logs; a name seen for the first time gets a column."""
        rows = [*self.metrics_rows(), {"epoch": epoch, "step": step, **logs}]
        self._replace_metrics(rows)

    def update_info(self, **entries: Any) -> None:
        """Merges entries into `run.json`."""
        info = {**self.read_info(), **entries}
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(info, indent=2, sort_keys=True, default=str) + "\n"
        with write_atomically(self.info_path) as file:
            file.write(text.encode())

    def read_info(self) -> dict[str, Any]:
        """The content of `run.json`; empty if there is none.

        Raises:
            RunConflictError: The file is not JSON, so it is not one of ours.
        """
        try:
            info = json.loads(self.info_path.read_text())
            if not isinstance(info, dict):
                raise ValueError("it holds no settings")
            return info
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except ValueError as error:
            raise RunConflictError(
                f"{self.info_path} is not a run.json of keras_pvec ({error}). Choose "
                "another folder, or delete it."
            ) from None

    def moments(self) -> list[Moment]:
        """The logged moments in order. P-vectors that no row speaks of do not count."""
        rows = _read_rows(self.log_path)
        return sorted({_moment_of(row) for row in rows}, key=_in_time)

    def rewind(self, epoch: int) -> None:
        """Forgets epoch `epoch` and later ones, and what a kill left half-written.

        A training that is resumed at the beginning of that epoch makes them again.
        """

        def stays(row: Mapping[str, Any]) -> bool:
            return int(row["epoch"]) < epoch

        for folder in (self.path, self.pvectors_path, self.path / "weights"):
            for path in folder.glob(f"*{_PARTIAL_SUFFIX}*"):
                if _PARTIAL_FILE.match(path.name):
                    path.unlink()
        if self.log_path.exists():
            kept = filter(stays, _read_rows(self.log_path))
            with write_atomically(self.log_path) as file:
                file.write(_csv_bytes(LOG_COLUMNS, kept))
        if self.metrics_path.exists():
            self._replace_metrics([*filter(stays, self.metrics_rows())])
        if self.failures():
            self.update_info(failures=[*filter(stays, self.failures())])
        logged = {self.moment_path(moment) for moment in self.moments()}
        for path in self.pvectors_path.glob("*.npz"):
            if _MOMENT_FILE.match(path.name) and path not in logged:
                path.unlink()
        self._log_size = self._size_of_log()

    def _size_of_log(self) -> int:
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def _check_sole_writer(self) -> None:
        if self._log_size is not None and self._log_size != self._size_of_log():
            raise RunConflictError(
                f"{self.log_path} was changed by something else while this training "
                "wrote to it. Give each training, and each logger, its own folder."
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process out; the system frees the lock if this one is killed.

        Raises:
            RunConflictError: Another process is writing to the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunConflictError(
                f"Another process is writing to {self.path}. Wait for it, or choose "
                "another folder."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def metrics_rows(self) -> list[dict[str, str]]:
        """Rows of `metrics.csv`, as text; none if there is no such file."""
        return _read_rows(self.metrics_path)

    def _replace_metrics(self, rows: list[Mapping[str, Any]]) -> None:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        self.path.mkdir(parents=True, exist_ok=True)
        with write_atomically(self.metrics_path) as file:
            file.write(_csv_bytes(columns or ["epoch", "step"], rows))


class Run:
    """Read access to a run folder; see `open_run`."""

    def __init__(self, path: str | os.PathLike) -> None:
        self._folder = RunFolder(path)
        self.path = self._folder.path
        if not self._folder.log_path.exists():
            raise RunNotFoundError(
                f"{self.path} holds no run: there is no log.csv in it."
            )

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def on(self, split: str) -> Run:
        """The same training on the samples of another split.

        The runs of the experiments hold the training samples in their own folder, and
        the test samples in the folder `test` within it.

        Raises:
            RunNotFoundError: The training did not log that split.
        """
        return self if split == "train" else Run(self.path / split)

    @property
    def info(self) -> dict[str, Any]:
        """What `run.json` says: settings, seed, versions, status."""
        return self._folder.read_info()

    @property
    def log(self) -> pandas.DataFrame:
        """`log.csv` as a table, one row per moment, layer and reference."""
        return _read_table(self._folder.log_path)

    @property
    def metrics(self) -> pandas.DataFrame:
        """`metrics.csv` as a table, one row per epoch."""
        if not self._folder.metrics_path.exists():
            raise RunNotFoundError(f"{self.path} holds no metrics.csv.")
        return _read_table(self._folder.metrics_path)

    @property
    def samples(self) -> dict[str, np.ndarray]:
        """What is known of the samples: `labels`, and brightness and contrast as
        `SampleSet.statistics` gives them; empty in runs of earlier versions."""
        if not self._folder.samples_path.exists():
            return {}
        return read_arrays(self._folder.samples_path)

    @property
    def moments(self) -> list[Moment]:
        """The logged `(epoch, step)`, in order of time."""
        return self._folder.moments()

    @property
    def layers(self) -> list[str]:
        """The watched layers, in the order in which they were asked for: the first one
        leads, even if it had no P-vector at first."""
        asked = self.info.get("p_vectors", {}).get("layers", [])
        logged = (row["layer"] for row in _read_rows(self._folder.log_path))
        return list(dict.fromkeys([*asked, *logged]))

    def p_vectors(self, moment: Moment) -> dict[str, PVector]:
        """The P-vectors of all layers at a moment `(epoch, step)`."""
        path = self._folder.moment_path(moment)
        if not path.exists():
            raise RunNotFoundError(
                f"{self.path} holds no P-vectors of epoch {moment[0]}, step "
                f"{moment[1]}."
            )
        return load_p_vectors(path)

    def p_vector(self, epoch: int | str = "final", layer: str | None = None) -> PVector:
        """The P-vector of a layer at the end of an epoch.

        Args:
            epoch: Counted from 0; -1 for before training; `"final"` for the last.
            layer: Name of the layer; may be left out if only one is watched.

        Raises:
            RunNotFoundError: No such epoch or layer in this run, or the layer had no
                P-vector there (all zero, or not finite).
        """
        moments = self.moments
        if epoch != "final":
            moments = [m for m in moments if m[0] == epoch]
        self._check_not_failed(moments[-1] if moments else (-2, -1), epoch, layer)
        if not moments:
            known = sorted({m[0] for m in self.moments})
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
        """
        import pandas

        reference = to if isinstance(to, PVector) else self.p_vector(to, layer)
        label = "reference" if isinstance(to, PVector) else str(to)
        rows = []
        watched = self.layers
        for moment in self.moments:
            p_vectors = self.p_vectors(moment)
            if layer in watched and layer not in p_vectors:
                continue  # no P-vector at this moment; see `info["failures"]`
            p = self._layer_of(p_vectors, layer)
            rows.append(log_row(moment, p, label, compare(p, reference)))
        return pandas.DataFrame(rows, columns=list(LOG_COLUMNS))

    def _check_not_failed(
        self, last: Moment, epoch: int | str, layer: str | None
    ) -> None:
        """An earlier P-vector is not to pass for the one asked for."""
        for failure in self._folder.failures():
            moment = (failure["epoch"], failure["step"])
            asked = epoch in ("final", moment[0]) and moment[1] >= last[1]
            if asked and layer in (None, failure["layer"]):
                raise RunNotFoundError(
                    f"{self.path}: layer {failure['layer']!r} had no P-vector at epoch "
                    f"{moment[0]}, step {moment[1]}. {failure['reason']}"
                )

    def _layer_of(self, p_vectors: dict[str, PVector], layer: str | None) -> PVector:
        if layer is None and len(p_vectors) == 1:
            return next(iter(p_vectors.values()))
        if layer not in p_vectors:
            asked = "no layer was named" if layer is None else f"{layer!r} is not one"
            raise RunNotFoundError(
                f"{self.path} watches the layers {list(p_vectors)}; {asked} of them."
            )
        return p_vectors[layer]


def open_run(path: str | os.PathLike) -> Run:
    """Opens the folder of a run for reading; TensorFlow is not needed.

    Raises:
        RunNotFoundError: The folder holds no `log.csv`.

    Example:

    ```python
    run = kp.open_run("runs/mine")
    run.log                                     # the table of log.csv
    run.p_vector(epoch=3, layer="avg_pool")
    run.angles(to="final", layer="avg_pool")
    ```
    """
    return Run(path)


def log_row(
    moment: Moment, p: PVector, reference: str, comparison: Comparison
) -> dict[str, Any]:
    """A row of `log.csv`."""
    return {
        "epoch": moment[0],
        "step": moment[1],
        "layer": p.layer,
        "reference": reference,
        **dataclasses.asdict(comparison),
        "samples_sha256": p.samples_sha256,
    }


def save_p_vectors(path: str | os.PathLike, p_vectors: Mapping[str, PVector]) -> None:
    """Writes P-vectors by layer to one `.npz` file, which appears whole or not at all.

    Plain arrays, named `<index>/<field>`, with the layers' names in `layers`: readable
    with `numpy.load` alone.
    """
    arrays: dict[str, Any] = {"layers": np.array(list(p_vectors), dtype=str)}
    for i, p in enumerate(p_vectors.values()):
        for field in dataclasses.fields(p):
            value = getattr(p, field.name)
            if value is not None:
                arrays[f"{i}/{field.name}"] = value
    with write_atomically(Path(path)) as file:
        np.savez(file, **arrays)


def load_p_vectors(path: str | os.PathLike) -> dict[str, PVector]:
    """Reads what `save_p_vectors` wrote: P-vectors by layer.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or of another kind.
    """
    arrays = read_arrays(path)
    fields = [field.name for field in dataclasses.fields(PVector)]
    p_vectors = {}
    try:
        for i, layer in enumerate(arrays["layers"].tolist()):
            stored = {
                name: arrays[f"{i}/{name}"]
                for name in fields
                if f"{i}/{name}" in arrays
            }
            p_vectors[layer] = PVector(
                **{k: v.item() if v.ndim == 0 else v for k, v in stored.items()}
            )
    except (KeyError, TypeError) as error:
        raise _unreadable(path, error) from error
    return p_vectors


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` file of ours.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or of another kind.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        raise
    # What NumPy raises depends on where a file stops making sense to it.
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | os.PathLike, error: Exception) -> ValueError:
    return ValueError(
        f"{path} cannot be read; it is damaged, or not a file of keras_pvec "
        f"({type(error).__name__})."
    )


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes its place only once it is whole and on the disk."""
    partial = path.with_name(f"{path.name}.{os.getpid()}{_PARTIAL_SUFFIX}")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def replace_atomically(
    path: Path, save: Callable[[str], None], suffix: str | None = None
) -> None:
    """As `write_atomically`, for a `save` that opens the file by its name.

    Args:
        path: Where the file is to be.
        save: Writes the file at the path that it is given.
        suffix: Ending that `save` insists on; default that of `path`.
    """
    suffix = suffix or path.suffix
    partial = path.with_name(f"{path.name}.{os.getpid()}{_PARTIAL_SUFFIX}{suffix}")
    try:
        save(str(partial))
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def library_versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    versions = {"python": platform.python_version()}
    for name in ("keras-pvec", "keras", "tensorflow", "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _moment_of(row: Mapping[str, str]) -> Moment:
    return int(row["epoch"]), int(row["step"])


def _in_time(moment: Moment) -> Moment:
    return moment[1], moment[0]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, (float, np.floating)) else value


def _csv_bytes(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _read_whole_lines(path: Path) -> str:
    """The text of a file without a last line that lacks its end."""
    # A spreadsheet may have put a byte order mark before the header.
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    return text[: text.rfind("\n") + 1]


def _read_rows(path: Path) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(_read_whole_lines(path)))
    if reader.fieldnames and not {"epoch", "step"} <= set(reader.fieldnames):
        raise RunConflictError(
            f"{path} is not a file of keras_pvec: it has no columns epoch and step. "
            "Choose another folder, or delete it."
        )
    return list(reader)


def _read_table(path: Path) -> pandas.DataFrame:
    import pandas

    return pandas.read_csv(io.StringIO(_read_whole_lines(path)))
