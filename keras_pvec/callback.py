"""The Keras callback that logs P-vectors during training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_pvec.features.choice import LayerChoice, check_choices
from keras_pvec.measurement import Measurement, MeasurementOptions, PVectorProbe
from keras_pvec.runs import LogSchedule, Moment, Recorder, Reference
from keras_pvec.runs.references import checked_references
from keras_pvec.samples import SampleSet, check_sample_set
from keras_pvec.training_steps import StepCounter, learning_rate_of, updates_of


class PVectorLogger(keras.callbacks.Callback):
    """Logs the P-vectors of chosen layers, and their angles to references.

    A moment is logged before training, at the end of every epoch, and at the steps
    that `log_freq` selects. Each moment takes one forward pass over `samples` in
    inference mode, for any number of layers, and does not change the training.

    At the end of an epoch the angles are added to Keras's `logs`: that of the first
    layer as `pvec_angle_<reference>`, those of other layers as
    `pvec_angle_<reference>_<layer>`. `CSVLogger`, `TensorBoard` and `EarlyStopping` see
    them if they come after this callback.

    Args:
        path: Folder of the run. It receives `log.csv`, `metrics.csv`, `run.json`,
            `samples.npz` and `pvectors/`; `kp.open_run(path)` reads it.
        samples: The samples that P-vectors are computed on.
        layers: Layer names, `"re:..."` regular expressions, layer objects, or
            `"name.input"` for the input of a layer. Default: the input of the last
            `Dense` layer.
        references: What to compare with, by name: a `PVector`, a dict from layer to
            `PVector`, or the string `"previous"` for the previously logged moment.
        log_freq: `"epoch"`; or an int `n`, to log also every `n` steps; or
            `{"first_epoch": n}`, to log every `n` steps in the first epoch only.
        layers_within_epoch: `"all"`, or `"first"` to measure only the first of the
            layers at moments within an epoch, which saves time and space.
        k: Number of left singular vectors to store.
        method: `"fast"`, or `"exact"` for `tf.linalg.svd`.
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples per forward call.
        max_feature_bytes: Largest number of bytes of features that are held at once.
        name: Prefix of the angles in Keras's `logs`; two loggers of one training, on
            different samples, need different ones.
        resume: Whether to continue a run that is already in `path`. Rows of the first
            epoch of this training and of later epochs are replaced. Earlier rows that
            are missing are computed again from the stored P-vectors, or the training
            stops; see `keras_pvec.runs.resumption`. Put
            `keras.callbacks.BackupAndRestore`, which restores the model, after this
            callback.

    Raises:
        TypeError: `samples` is not a `SampleSet`.
        ValueError: Another argument has the wrong type or is out of range.
        RunConflictError: When training starts: `path` holds a run and `resume` is
            not set, or it holds a run with other samples or layers, or a finished one
            that would be overwritten. During training: another program or logger wrote
            to `log.csv`.
        DamagedRunError: When training starts: files of the run that is continued are
            damaged, or rows are missing and cannot be restored.
        LayerChoiceError: When training starts: `layers` matches no layer.

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
        check_sample_set(samples)
        check_choices(layers)
        self.samples = samples
        self.layers = layers
        self.name = name
        self.options = MeasurementOptions(
            k, method, pooling, batch_size, max_feature_bytes
        )
        self.recorder = Recorder(
            path,
            references=checked_references(references),
            schedule=LogSchedule.parse(log_freq, layers_within_epoch),
            prefix=self.name,
            resume=resume,
        )
        self._steps = StepCounter()
        self._epoch = 0
        self._has_begun = False
        self._probe: PVectorProbe | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._probe = None  # the model may have changed since the last `fit`
        self._has_begun = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Not on_train_begin: callbacks that restore a model do it there.
        if not self._has_begun:
            self._begin(epoch)
            self._has_begun = True
        self._epoch = epoch
        self._steps.begin_epoch()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        before = self._steps.total
        self._steps.add_call(self.model, self.params.get("steps"))
        now = self._steps.total
        if self.recorder.schedule.is_due(self._epoch, before, now):
            moment = Moment(self._epoch, now)
            self.recorder.record(moment, self._measure, within_epoch=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        moment = Moment(epoch, self._steps.total)
        logs.update(self.recorder.record(moment, self._measure))
        # Another callback's entry of that name wins.
        scalars = {**logs, **learning_rate_of(self.model), **logs}
        self.recorder.end_epoch(epoch, self._steps.total, scalars)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._has_begun:
            self.recorder.end()
        elif self.recorder.resume:  # there was no epoch left
            self.recorder.end_without_epochs(self.params.get("epochs") or 0)

    def _measure(self, layers: Sequence[str] | None = None) -> Measurement:
        if self._probe is None:
            self._probe = PVectorProbe(
                self.model, self.samples, self.layers, self.options
            )
        return self._probe.measure(layers)

    def _begin(self, epoch: int) -> None:
        """Logs the model before its first epoch."""
        self._steps.total = self.recorder.steps_before(epoch, updates_of(self.model))
        measured = self._measure()
        settings = self.recorder.settings_of(
            measured.layers, self.samples, self.options
        )
        self.recorder.begin(epoch, self._steps.total, measured, settings)
        self.recorder.write_samples(self.samples.y, self.samples.statistics())
