"""The Keras callback that follows P-vectors through a training."""

from __future__ import annotations

import dataclasses
import numbers
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_pvec.comparison import compare, describe
from keras_pvec.features import LayerChoice
from keras_pvec.measurement import PVectorProbe
from keras_pvec.pvector import PVector
from keras_pvec.runs import (
    LoggedWith,
    Moment,
    RunConflictError,
    RunFolder,
    library_versions,
    load_p_vectors,
    log_row,
)
from keras_pvec.samples import SampleSet
from keras_pvec.solver import ZeroMatrixError

PREVIOUS = "previous"

# Accelerators do not repeat a forward pass to the last digit.
_SAME_MODEL_DEG = 0.1

Reference = PVector | Mapping[str, PVector] | str


@dataclasses.dataclass
class _Measured:
    """What is known of a moment so far."""

    moment: Moment
    layers: set[str] = dataclasses.field(default_factory=set)
    p_vectors: dict[str, PVector] = dataclasses.field(default_factory=dict)
    angles: dict[str, float] = dataclasses.field(default_factory=dict)


class PVectorLogger(keras.callbacks.Callback):
    """Logs the P-vectors of chosen layers, and their angles to references.

    A moment is logged before training, at the end of every epoch, and at the steps
    that `log_freq` asks for. Each takes one forward pass over `samples`, whatever the
    number of layers, in inference mode; the training itself is not changed by it.

    At the end of an epoch the angles enter Keras's `logs` as
    `pvec_angle_<reference>` (with several layers: that of the first one, and
    `pvec_angle_<reference>_<layer>` for the others), so that `CSVLogger`,
    `TensorBoard` and `EarlyStopping` see them if they stand behind this callback.

    Args:
        path: Folder of the run. It receives `log.csv`, `metrics.csv`, `run.json`,
            `samples.npz` and `pvectors/`; `kp.open_run(path)` reads it.
        samples: The samples that P-vectors are taken on.
        layers: Layer names, `"re:..."` regular expressions, layer objects, or
            `"name.input"` for the input of a layer. Default: the input of the last
            `Dense` layer.
        references: What to compare with, by name: a `PVector`, a dict from layer to
            `PVector`, or the string `"previous"` for the moment logged before.
        log_freq: `"epoch"`; or an int, to log every so many steps besides; or
            `{"first_epoch": n}`, to do that within the first epoch only.
        layers_within_epoch: `"all"`, or `"first"` to measure the first of the layers
            only at moments within an epoch, which then cost and store less.
        k: How many left singular vectors to store.
        method: `"fast"`, or `"exact"` for `tf.linalg.svd`.
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples run through the model at a time.
        max_feature_bytes: How much of the features may be held at once.
        name: What the names of the angles in Keras's `logs` begin with; two loggers
            of one training, on other samples, need different ones.
        resume: Whether to go on with a run that is already in `path`. Rows of the
            epoch that the training starts with, and of later ones, are dropped, since
            they are made again. Put `keras.callbacks.BackupAndRestore`, which brings
            the model back, behind this callback.

    Raises:
        RunConflictError: When training starts: `path` holds a run and `resume` is
            not set, or it holds a run on other samples or layers, or a finished one
            that would be overwritten. Later: something else wrote to `log.csv`.
        LayerChoiceError: When training starts: a choice of layers that matches
            nothing.

    Example:

    ```python
    samples = kp.SampleSet(x_test, name="cifar100/test")
    logger = kp.PVectorLogger(
        "runs/mine", samples, references={"data": kp.data_p_vector(samples)}
    )
    model.fit(x, y, epochs=10, callbacks=[logger])
    kp.open_run("runs/mine").angles(to="final")
    ```
    """

    def __init__(
        self,
        path: str | os.PathLike,
        samples: SampleSet,
        layers: LayerChoice | Sequence[LayerChoice] | None = None,
        *,
        references: Mapping[str, Reference] | None = None,
        log_freq: str | int | Mapping[str, int] = "epoch",
        layers_within_epoch: str = "all",
        k: int = 1,
        method: str = "fast",
        pooling: str | None = None,
        batch_size: int = 256,
        max_feature_bytes: int = 2**28,
        name: str = "pvec",
        resume: bool = False,
    ) -> None:
        super().__init__()
        if layers_within_epoch not in ("all", "first"):
            raise ValueError(
                "`layers_within_epoch` must be 'all' or 'first'. Received: "
                f"{layers_within_epoch!r}"
            )
        if not isinstance(samples, SampleSet):
            raise TypeError(
                "`samples` must be a kp.SampleSet; make one with kp.SampleSet(x). "
                f"Received: {type(samples).__name__}"
            )
        self.samples = samples
        self.layers = layers
        self.layers_within_epoch = layers_within_epoch
        self.name = name
        self.resume = resume
        self._last_epoch: int | None = None
        self._every, self._every_in_first_epoch = _parse_log_freq(log_freq)
        self.references = _check_references({} if references is None else references)
        self._folder = RunFolder(path)
        self._probe_settings = {
            "k": k,
            "method": method,
            "pooling": pooling,
            "batch_size": batch_size,
            "max_feature_bytes": max_feature_bytes,
        }

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._probe = PVectorProbe(
            self.model, self.samples, self.layers, **self._probe_settings
        )
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Not on_train_begin: callbacks that restore a model do it there.
        if not self._begun:
            self._begin(epoch)
            self._begun = True
        self._epoch = epoch
        self._steps_at_epoch_begin = self._steps
        self._calls_in_epoch = 0

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        before = self._steps
        self._calls_in_epoch += 1
        self._steps = self._steps_at_epoch_begin + self._steps_in_epoch()
        every = self._every
        if self._epoch == 0 and self._every_in_first_epoch:
            every = self._every_in_first_epoch
        if every and self._steps // every > before // every:
            self._log(Moment(self._epoch, self._steps), within_epoch=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        logs.update(self._log(Moment(epoch, self._steps)))
        scalars = dict(logs)
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        if rate is not None:
            scalars.setdefault("learning_rate", rate)
        self._folder.write_metrics(epoch, self._steps, _only_scalars(scalars))
        self._last_epoch = epoch

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._begun:
            self._save_info(complete=True)

    def _steps_in_epoch(self) -> int:
        """Training steps done in this epoch.

        They are counted here, because an optimizer's own count stands still when a
        model steps others, and runs slower when gradients are accumulated. Keras calls
        once for `steps_per_execution` steps, of which the last call may have fewer.
        """
        per_call = int(getattr(self.model, "steps_per_execution", 1) or 1)
        steps = self._calls_in_epoch * per_call
        in_epoch = self.params.get("steps")
        return min(steps, in_epoch) if in_epoch else steps

    def _steps_before(self, epoch: int, kept: list[Moment]) -> int:
        """Training steps done before `epoch`, of which the log may lack the last."""
        if epoch == 0:
            return 0
        if (ends := self._folder.epoch_ends()) and epoch - 1 in ends:
            return ends[epoch - 1]
        optimizer = getattr(self.model, "optimizer", None)
        updates = int(keras.ops.convert_to_numpy(getattr(optimizer, "iterations", 0)))
        per_update = getattr(optimizer, "gradient_accumulation_steps", None) or 1
        return max(updates * per_update, kept[-1].step if kept else 0)

    def _begin(self, epoch: int) -> None:
        """Logs the model as it stands, unless a resumed log has that moment.

        Everything that can be wrong with layers, samples and references shows here,
        before anything is written and before the first update.
        """
        logged = self._folder.moments()
        goes_on = self._last_epoch is not None and epoch == self._last_epoch + 1
        if logged and not (self.resume or goes_on):
            raise RunConflictError(
                f"{self._folder.path} already holds a run. Choose another folder, "
                "delete it, or pass resume=True to go on with it."
            )
        kept = [moment for moment in logged if moment.epoch < epoch]
        self._steps = self._steps_before(epoch, kept)
        moment = Moment(epoch - 1, self._steps)

        measured = self._probe.measure()
        p_vectors, failures = _sort_out(measured)
        hopeless = {
            layer: error
            for layer, error in failures.items()
            if not p_vectors or not isinstance(error, ZeroMatrixError)
        }
        if hopeless and not kept:
            layer, error = next(iter(hopeless.items()))
            raise ValueError(f"Layer {layer!r} has no P-vector. {error}") from error
        self._settings = self._describe(list(measured))
        self._last = _Measured(moment)
        self._previous: dict[str, PVector] = {}
        if kept and moment not in kept:
            self._previous = load_p_vectors(self._folder.moment_path(kept[-1]))
        rows, angles = self._compare(moment, p_vectors)
        if logged:
            self._check_resumable(logged, epoch)
        self._folder.rewind(epoch)
        self._save_info(complete=False)
        self._folder.write_samples(self.samples.y, self.samples.statistics())
        if moment in kept:
            self._compare_with_log(moment, p_vectors)
        else:
            self._write(moment, p_vectors, rows, failures)
        self._last = _Measured(moment, set(measured), p_vectors, angles)
        self._previous = p_vectors

    def _compare_with_log(
        self, moment: Moment, p_vectors: Mapping[str, PVector]
    ) -> None:
        """Warns if the model is not the one that the resumed log was left with."""
        logged = load_p_vectors(self._folder.moment_path(moment))
        for layer in p_vectors.keys() & logged.keys():
            comparison = compare(p_vectors[layer], logged[layer])
            if comparison.angle_deg > comparison.angle_error_deg + _SAME_MODEL_DEG:
                warnings.warn(
                    f"{self._folder.path} goes on with another model than it was left "
                    f"with: after epoch {moment.epoch}, layer {layer!r} was "
                    f"{comparison.angle_deg:.3g} degrees away. Rows before and after "
                    "that are not of one training.",
                    stacklevel=3,
                )

    def _log(self, moment: Moment, within_epoch: bool = False) -> dict[str, float]:
        """Measures and stores a moment; returns the angles for Keras's `logs`."""
        if self._last.moment != moment:
            if self._last.p_vectors:
                self._previous = {**self._previous, **self._last.p_vectors}
            self._last = _Measured(moment)
        layers = self._settings.layers
        if within_epoch and self.layers_within_epoch == "first":
            layers = layers[:1]
        # The last step of an epoch may have been logged as one within it.
        if missing := [layer for layer in layers if layer not in self._last.layers]:
            p_vectors, failures = _sort_out(self._probe.measure(missing))
            rows, angles = self._compare(moment, p_vectors)
            self._last.layers.update(missing)
            self._last.p_vectors.update(p_vectors)
            self._last.angles.update(angles)
            self._write(moment, self._last.p_vectors, rows, failures)
        return self._last.angles

    def _write(
        self,
        moment: Moment,
        p_vectors: Mapping[str, PVector],
        rows: list[dict[str, Any]],
        failures: Mapping[str, ValueError],
    ) -> None:
        for layer, error in failures.items():
            # A training of hours is not to die of a dead layer.
            warnings.warn(
                f"Layer {layer!r} has no P-vector at epoch {moment.epoch}, step "
                f"{moment.step}, and gets no row in {self._folder.log_path}. {error}",
                stacklevel=2,
            )
            self._folder.note_failure(moment, layer, str(error))
        if p_vectors:
            self._folder.write_moment(moment, p_vectors, rows)

    def _compare(
        self, moment: Moment, p_vectors: Mapping[str, PVector]
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """Rows of `log.csv`, and the angles under the names they have in `logs`."""
        rows = []
        angles = {}
        for layer, p in p_vectors.items():
            for name in self.references or ("",):
                reference = self._reference(name, layer)
                comparison = describe(p) if reference is None else compare(p, reference)
                rows.append(log_row(moment, p, name, comparison))
                if comparison.angle_deg is not None:
                    angles[self._log_name(name, layer)] = comparison.angle_deg
        return rows, angles

    def _reference(self, name: str, layer: str) -> PVector | None:
        reference = self.references.get(name)
        if isinstance(reference, str):  # PREVIOUS; there is none at the first moment
            return self._previous.get(layer)
        if isinstance(reference, Mapping):
            if layer not in reference:
                raise ValueError(
                    f"Reference {name!r} has no P-vector for layer {layer!r}; it has "
                    f"{list(reference)}."
                )
            return reference[layer]
        return reference

    def _log_name(self, reference: str, layer: str) -> str:
        first = layer == self._settings.layers[0]
        return f"{self.name}_angle_{reference}" + ("" if first else f"_{layer}")

    def _describe(self, layers: list[str]) -> LoggedWith:
        return LoggedWith(
            layers=tuple(layers),
            references=tuple(self.references),
            samples_name=self.samples.name,
            samples_sha256=self.samples.sha256,
            n_samples=len(self.samples),
            k=self._probe_settings["k"],
            method=self._probe_settings["method"],
            pooling=self._probe_settings["pooling"],
            log_freq={
                "every": self._every,
                "every_in_first_epoch": self._every_in_first_epoch,
                "layers_within_epoch": self.layers_within_epoch,
            },
        )

    def _save_info(self, complete: bool) -> None:
        settings = dataclasses.replace(self._settings, complete=complete)
        self._folder.update_info(logged_with=settings, versions=library_versions())

    def _check_resumable(self, logged: list[Moment], epoch: int) -> None:
        stored = self._folder.read_info().logged_with or self._settings
        for field in dataclasses.fields(stored):
            there, asked = (getattr(s, field.name) for s in (stored, self._settings))
            if field.name != "complete" and there != asked:
                raise RunConflictError(
                    f"{self._folder.path} holds a run with other settings: "
                    f"{field.name} is {there!r} there and {asked!r} now. Choose "
                    "another folder, or delete it."
                )
        last_epoch = logged[-1].epoch
        if stored.complete and last_epoch >= epoch:
            raise RunConflictError(
                f"{self._folder.path} holds a finished run up to epoch {last_epoch}, "
                f"and this training starts with epoch {epoch}: it would overwrite "
                "that. Choose another folder, delete it, or go on with "
                f"initial_epoch={last_epoch + 1}."
            )


def _parse_log_freq(
    log_freq: str | int | Mapping[str, int],
) -> tuple[int | None, int | None]:
    """Returns how many steps lie between moments: always, and in the first epoch."""
    if log_freq == "epoch":
        return None, None
    if _is_count(log_freq):
        return int(log_freq), None
    first_epoch = log_freq if isinstance(log_freq, Mapping) else {}
    if list(first_epoch) == ["first_epoch"] and _is_count(first_epoch["first_epoch"]):
        return None, int(first_epoch["first_epoch"])
    raise ValueError(
        "`log_freq` must be 'epoch', a positive int, or {'first_epoch': a positive "
        f"int}}. Received: {log_freq!r}"
    )


def _is_count(value: Any) -> bool:
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_int and value >= 1


def _check_references(references: Mapping[str, Reference]) -> dict[str, Reference]:
    if not isinstance(references, Mapping):
        raise ValueError(
            "`references` must be a dict from name to PVector, e.g. {'data': "
            f"kp.data_p_vector(samples)}}. Received: {type(references).__name__}"
        )
    for name, reference in references.items():
        values = reference.values() if isinstance(reference, Mapping) else [reference]
        if not name or not all(
            isinstance(v, PVector)
            or (v is reference and isinstance(v, str) and v == PREVIOUS)
            for v in values
        ):
            raise ValueError(
                f"Reference {name!r} must be a PVector, a dict from layer to PVector, "
                f"or {PREVIOUS!r}. Received: {reference!r}"
            )
    return dict(references)


def _sort_out(
    measured: Mapping[str, PVector | ValueError],
) -> tuple[dict[str, PVector], dict[str, ValueError]]:
    """Splits what a probe measured into P-vectors and failures."""
    failures = {k: v for k, v in measured.items() if isinstance(v, ValueError)}
    return {k: v for k, v in measured.items() if k not in failures}, failures


def _only_scalars(logs: Mapping[str, Any]) -> dict[str, float]:
    scalars = {}
    for name, value in logs.items():
        try:
            array = np.asarray(value if np.isscalar(value) else np.array(value))
            if array.ndim == 0:
                scalars[name] = float(array)
        except (TypeError, ValueError):
            continue  # another callback's text or structure
    return scalars
