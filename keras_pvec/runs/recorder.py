"""Records a training in a run folder: moments, rows, failures, resumption.

The recorder receives measurements and their moments. It does not depend on Keras, so
any training loop can use it.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.runs.after_fit import remove_after_fit, write_after_fit
from keras_pvec.runs.files import load_p_vectors
from keras_pvec.runs.folder import RunFolder, library_versions
from keras_pvec.runs.references import Reference
from keras_pvec.runs.resumption import History, check_history, complete_log
from keras_pvec.runs.rows import MomentRows
from keras_pvec.runs.schedule import LogSchedule
from keras_pvec.runs.schema import LoggedWith, Moment
from keras_pvec.runs.start import (
    StartPolicy,
    check_settings,
    check_start,
    conflict,
    differing_layers,
)
from keras_pvec.runs.tables import moment_of, read_rows
from keras_pvec.samples import SampleSource
from keras_pvec.solver import ZeroMatrixError


class Measured(Protocol):
    """P-vectors of a moment by layer, and why other layers have none."""

    @property
    def p_vectors(self) -> Mapping[str, PVector]: ...

    @property
    def failures(self) -> Mapping[str, ValueError]: ...


class MeasuredWith(Protocol):
    """How P-vectors are computed."""

    @property
    def k(self) -> int: ...

    @property
    def method(self) -> str: ...

    @property
    def pooling(self) -> str | None: ...


@dataclasses.dataclass
class _LastMoment:
    """The most recently recorded moment."""

    moment: Moment
    layers: set[str] = dataclasses.field(default_factory=set)
    p_vectors: dict[str, PVector] = dataclasses.field(default_factory=dict)
    angles: dict[str, float] = dataclasses.field(default_factory=dict)


class Recorder:
    """Writes the P-vectors of a training, and their angles to references.

    Call `begin` once before the first update, `record` at moments, `end_epoch` after
    each epoch, and `end` when the training is finished.

    Args:
        path: Folder of the run.
        references: As `checked_references` returns them.
        schedule: Which layers are measured when.
        prefix: Prefix of the names of the returned angles.
        resume: Whether to continue a run that is already in `path`.
        overwrite: Whether to replace it; see `StartPolicy`.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        references: Mapping[str, Reference],
        schedule: LogSchedule,
        prefix: str = "pvec",
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.folder = RunFolder(path)
        self.references = dict(references)
        self.schedule = schedule
        self.prefix = prefix
        self.policy = StartPolicy(resume, overwrite)
        self._logged_with = LoggedWith()
        self._rows = MomentRows(self.references, prefix, "")
        self._last = _LastMoment(Moment(-2, -1))
        self._previous: dict[str, PVector] = {}
        self._last_epoch: int | None = None

    @property
    def resume(self) -> bool:
        """Whether to continue a run that is already in the folder."""
        return self.policy.resume

    def without_training(self) -> Recorder:
        """A recorder with the same settings that has recorded nothing."""
        return Recorder(
            self.folder.path,
            references=self.references,
            schedule=self.schedule,
            prefix=self.prefix,
            resume=self.policy.resume,
            overwrite=self.policy.overwrite,
        )

    def settings_of(
        self, layers: Sequence[str], samples: SampleSource, options: MeasuredWith
    ) -> LoggedWith:
        """The settings of the logger, as `begin` takes them.

        Args:
            layers: Names of the watched layers, the first one first.
            samples: The samples that P-vectors are computed on.
            options: How they are computed.
        """
        return LoggedWith(
            layers=tuple(layers),
            references=tuple(self.references),
            samples_name=samples.name,
            samples_sha256=samples.sha256,
            n_samples=len(samples),
            k=options.k,
            method=options.method,
            pooling=options.pooling,
            log_freq=self.schedule.as_json(),
        )

    def steps_before(self, epoch: int, updates: int) -> int:
        """Training steps done before an epoch begins.

        Args:
            epoch: The epoch, counted from 0.
            updates: Steps that the optimizer has counted. Its count may be lost when a
                model is restored, so the log may record more steps.

        Returns:
            The number of steps.
        """
        if epoch == 0:
            return 0
        if self._starts_anew(epoch):
            return updates
        if (end := self.folder.epoch_ends().get(epoch - 1)) is not None:
            return end
        known = [m.step for m in self._known_moments() if m.epoch < epoch]
        return max(updates, *known, 0)

    def begin(
        self, epoch: int, step: int, measured: Measured, settings: LoggedWith
    ) -> None:
        """Records the model before `epoch`, unless a resumed log already has that
        moment.

        Errors in samples, layers and references are raised here, before anything is
        written.

        Args:
            epoch: The epoch that begins, counted from 0.
            step: Training steps done.
            measured: P-vectors of all layers.
            settings: What is logged, and how.

        Raises:
            RunConflictError: The folder holds a run that would be lost, or a run with
                other settings.
            DamagedRunError: Files of the run are damaged, or rows are missing. See
                `keras_pvec.runs.resumption` for when missing rows are restored.
            ValueError: A layer has features that are not finite, or a reference lacks
                a layer.
        """
        starts_anew = self._starts_anew(epoch)
        known = [] if starts_anew else self._known_moments()
        if not self._continues(epoch):
            check_start(self.folder, known, epoch, self.policy)
        if not any(m.epoch < epoch for m in known):
            _check_first_moment(measured)
        moment = Moment(epoch - 1, step)
        self._logged_with = settings
        self._rows = MomentRows(
            self.references, self.prefix, next(iter(settings.layers), "")
        )
        history = History([])
        if not starts_anew:
            self.folder.check_seal()
        if known:
            check_settings(self.folder, settings)
            is_other = bool(differing_layers(self.folder, moment, measured.p_vectors))
            # A checkpoint may be older than the log; another model's is not.
            if is_other and max(self.folder.epoch_ends(), default=-1) >= epoch:
                raise conflict(self.folder, known, epoch)
            # A run that was stopped in its first epoch, without a checkpoint, starts
            # again, and may have other initial weights.
            starts_anew = is_other and epoch == 0
        elif self.resume and epoch > 0:
            warnings.warn(
                f"{self.folder.path} holds no run that could be resumed. Its log "
                f"begins with epoch {epoch}.",
                stacklevel=4,
            )
        if known and not starts_anew:
            history = check_history(
                self.folder, epoch, moment, measured.p_vectors, self._rows.of
            )
        kept = history.moments
        self._previous = {}
        if moment not in kept:
            self._previous = self._latest(kept, measured.p_vectors)
        rows, angles = self._rows.of(moment, measured.p_vectors, self._previous)
        self.folder.unseal()
        remove_after_fit(self.folder)
        if starts_anew:
            self.folder.clear()
        else:
            self._restore(history, epoch)
        self._save_settings(complete=False)
        if moment in kept:
            self._compare_with_log(moment, measured.p_vectors)
        else:
            self._write(moment, measured.p_vectors, rows, measured.failures)
        has_ended = any(m.epoch < epoch - 1 for m in kept)
        if has_ended and epoch - 1 not in self.folder.epoch_ends():
            # A kill came between the log and metrics.csv.
            self.folder.write_metrics(epoch - 1, step, self._logged_angles(moment))
        layers = {*measured.p_vectors, *measured.failures}
        self._last = _LastMoment(moment, layers, dict(measured.p_vectors), angles)
        self._previous = dict(measured.p_vectors)

    def write_samples(
        self, labels: np.ndarray | None, statistics: Mapping[str, np.ndarray]
    ) -> None:
        """Stores labels and image statistics of the samples in the run folder."""
        self.folder.write_samples(labels, statistics)

    def record(
        self,
        moment: Moment,
        measure: Callable[[Sequence[str]], Measured],
        *,
        within_epoch: bool = False,
    ) -> dict[str, float]:
        """Records a moment.

        Args:
            moment: The moment.
            measure: Called with the layers to measure, at most once; not at all if the
                moment was recorded before, as the last step of an epoch may be.
            within_epoch: Whether the moment is before the end of its epoch.

        Returns:
            Angles in degrees, by their names in Keras's `logs`.

        Raises:
            RunConflictError: Another program or logger wrote to the log.
        """
        if self._last.moment != moment:
            self._previous = {**self._previous, **self._last.p_vectors}
            self._last = _LastMoment(moment)
        layers = self.schedule.layers_at(
            self._logged_with.layers, within_epoch=within_epoch
        )
        if missing := [layer for layer in layers if layer not in self._last.layers]:
            measured = measure(missing)
            rows, angles = self._rows.of(moment, measured.p_vectors, self._previous)
            self._last.layers.update(missing)
            self._last.p_vectors.update(measured.p_vectors)
            self._last.angles.update(angles)
            self._write(moment, self._last.p_vectors, rows, measured.failures)
        return dict(self._last.angles)

    def end_epoch(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Adds the scalars among `logs` to `metrics.csv`."""
        self.folder.end_epoch(epoch, step, _scalars_of(logs))
        self._last_epoch = epoch

    def record_after_fit(self, weights_sha256: str, measured: Measured | None) -> None:
        """Records the model that the training leaves, after its last moment.

        Args:
            weights_sha256: Fingerprint of its weights.
            measured: Its P-vectors; `None` if its weights are those of the last moment.
        """
        self.folder.unseal()  # a second call, by hand, changes files of a finished run
        write_after_fit(self.folder, weights_sha256, measured, self._last.p_vectors)

    def end(self) -> None:
        """Marks the run as complete, and writes the checksums of its files."""
        self._logged_with = dataclasses.replace(
            self._logged_with, last_moment=self._last.moment
        )
        self._save_settings(complete=True)
        self.folder.seal()

    def end_without_epochs(self, epochs: int) -> None:
        """Marks a run as complete that was killed after its last epoch.

        Nothing happens unless its log reaches the end of that epoch.

        Args:
            epochs: Number of epochs of the training.
        """
        complete_log(self.folder, epochs)

    def _continues(self, epoch: int) -> bool:
        """Whether a training goes on with the run that this recorder has written."""
        return self._last_epoch is not None and epoch == self._last_epoch + 1

    def _starts_anew(self, epoch: int) -> bool:
        return self.policy.starts_anew(epoch) and not self._continues(epoch)

    def _known_moments(self) -> list[Moment]:
        """The moments that are logged or have a file of P-vectors, in order."""
        return sorted({*self.folder.moments(), *self.folder.stored_moments()})

    def _restore(self, history: History, epoch: int) -> None:
        """Brings the files to the state in which the training resumes."""
        if history.rebuilt is not None:
            self.folder.replace_log(history.rebuilt)
            warnings.warn(
                f"Rows were missing in {self.folder.log_path}. They were computed "
                "again from the stored P-vectors.",
                stacklevel=4,
            )
        self.folder.rewind(epoch, redo=history.torn)

    def _latest(
        self, moments: Sequence[Moment], layers: Iterable[str]
    ) -> dict[str, PVector]:
        """The last stored P-vector of each layer. Within an epoch, some may have none.

        Args:
            moments: The moments to look at, in order of time.
            layers: Names of the layers.
        """
        found: dict[str, PVector] = {}
        for moment in reversed(moments):
            found = {**load_p_vectors(self.folder.moment_path(moment), moment), **found}
            if set(layers) <= set(found):
                break
        return found

    def _logged_angles(self, moment: Moment) -> dict[str, float]:
        """The angles of a moment in `log.csv`, by their names in `logs`."""
        return {
            self._rows.angle_name(row["reference"], row["layer"]): float(
                row["angle_deg"]
            )
            for row in read_rows(self.folder.log_path)
            if moment_of(row) == moment and row["reference"] and row["angle_deg"]
        }

    def _compare_with_log(
        self, moment: Moment, p_vectors: Mapping[str, PVector]
    ) -> None:
        """Warns if the model is not the one that the resumed log ended with."""
        differing = differing_layers(self.folder, moment, p_vectors)
        for layer, angle_deg in differing.items():
            warnings.warn(
                f"{self.folder.path} is continued with a different model: after "
                f"epoch {moment.epoch}, layer {layer!r} was {angle_deg:.3g} degrees "
                "away from it. Rows before and after it are not of one training.",
                stacklevel=4,
            )
            self.folder.note_break(moment, layer, angle_deg)

    def _write(
        self,
        moment: Moment,
        p_vectors: Mapping[str, PVector],
        rows: Sequence[Mapping[str, Any]],
        failures: Mapping[str, ValueError],
    ) -> None:
        for layer, error in failures.items():
            # A dead layer should not stop a training of hours.
            warnings.warn(
                f"Layer {layer!r} has no P-vector at epoch {moment.epoch}, step "
                f"{moment.step}, and gets no row in {self.folder.log_path}. {error}",
                stacklevel=4,
            )
            self.folder.note_failure(moment, layer, str(error))
        if p_vectors:
            self.folder.write_moment(moment, p_vectors, rows)

    def _save_settings(self, *, complete: bool) -> None:
        self._logged_with = dataclasses.replace(self._logged_with, complete=complete)
        self.folder.update_info(
            logged_with=self._logged_with, versions=library_versions()
        )


def _check_first_moment(measured: Measured) -> None:
    """Raises an error that is better reported before training. A layer of zeros is only
    recorded as a failure, because it may change with the first updates."""
    for layer, error in measured.failures.items():
        if not isinstance(error, ZeroMatrixError):
            raise ValueError(f"Layer {layer!r} has no P-vector. {error}") from error


def _scalars_of(logs: Mapping[str, Any]) -> dict[str, float]:
    """The scalars among the logs; other callbacks may add other values."""
    scalars = {}
    for name, value in logs.items():
        try:
            array = np.asarray(value if np.isscalar(value) else np.array(value))
            if array.ndim == 0:
                scalars[name] = float(array)
        except (TypeError, ValueError):
            continue
    return scalars
