"""The Keras callback that logs P-vectors during training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_pvec.features.choice import LayerChoice, check_choices
from keras_pvec.features.part import (
    ModelChoice,
    check_model_choice,
    warn_unless_trained,
    watched_model,
)
from keras_pvec.fitting import (
    HistoryOrder,
    LoggerClaim,
    Training,
    call_after_others,
    check_claims,
    check_name,
    learning_rate_of,
    register_claim,
    shown_warnings,
    updates_of,
    weights_sha256,
)
from keras_pvec.measurement import Measurement, MeasurementOptions, PVectorProbe
from keras_pvec.runs import (
    LogSchedule,
    Moment,
    Recorder,
    Reference,
    Run,
    open_run,
)
from keras_pvec.runs.references import checked_references
from keras_pvec.samples import SampleSet, check_sample_set


class PVectorLogger(keras.callbacks.Callback):
    """Logs the P-vectors of chosen layers, and their angles to references.

    A moment is logged before training, at the end of every epoch, and at the steps
    that `log_freq` selects. Each moment takes one forward pass over `samples` in
    inference mode, for any number of layers, and does not change the training.

    At each moment but the first, the angles are added to Keras's `logs`: that of the
    first layer as `pvec_angle_<reference>`, those of other layers as
    `pvec_angle_<reference>_<layer>`. Callbacks that come after this one see them:
    `CSVLogger` and `EarlyStopping` at the end of an epoch, and loggers of batches, such
    as `TensorBoard(update_freq=...)`, also at the steps that `log_freq` selects.

    `fit` may leave another model than that of its last epoch: one with averaged weights
    (`use_ema=True`) or earlier ones (`EarlyStopping(restore_best_weights=True)`). It is
    measured too, wherever this callback stands in the list, and read as `"after_fit"`.
    Not seen are weights that change after `fit` has returned; and, if the list holds a
    `History` of your own or is a `CallbackList` without one, those that a callback
    after it and this one changes in `on_train_end`. Call `logger.on_train_end()` then.

    Warnings are shown, and never raised: a training goes on under `python -W error`.

    A copy (by `copy.deepcopy` or `pickle`) has the same settings and no training.

    Args:
        path: Folder of the run. It receives `log.csv`, `metrics.csv`, `run.json`,
            `samples.npz` and `pvectors/`; `kp.open_run(path)` reads it.
        samples: The samples that P-vectors are computed on.
        layers: Layer names as in `model.summary()`, `"re:..."` regular expressions, or
            layer objects. A layer of a nested model also has a path, `"outer/inner"`,
            and `"re:^outer/"` matches all layers of `outer`. `"name.input"` is the
            input of a layer. A layer that is called several times in a forward pass,
            such as the encoder of a siamese network, is watched call by call:
            `"name@1"` is the first, and the name alone is an error. `"name[0]"` is the
            first of several outputs. Default: the input of the model's head, which is
            its last Dense layer unless that is part of a block; without a head, the
            output of its last layer. `default_layer` in `run.json` names the layer that
            was chosen.
        model: What to watch, if not the model that is trained: a part of it, such as
            `gan.discriminator`, or a function of it that returns a part, such as
            `lambda gan: gan.discriminator`. Models with a `train_step` and no `call`
            need it. `samples` are inputs of this part.
        references: What to compare with, by name: a `PVector`, a dict from layer to
            `PVector`, or the string `"previous"` for the previously logged moment.
        log_freq: `"epoch"`; or an int `n`, to log also every `n` steps; or
            `{"first_epoch": n}`, to log every `n` steps in the first epoch only.
        layers_within_epoch: `"all"`, or `"first"` to measure only the first of the
            layers at moments within an epoch, which saves time and space.
        k: Number of left singular vectors to store.
        method: `"fast"`, or `"exact"` for the full SVD of the Keras backend
            (`tf.linalg.svd`, `jnp.linalg.svd`, `torch.linalg.svd`).
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples per forward call.
        max_feature_bytes: Largest number of bytes of features that are held at once.
        name: Prefix of the angles in Keras's `logs`; two loggers of one training, on
            different samples, need different ones.
        resume: Whether to continue a run that is already in `path`. Rows of the first
            epoch of this training and of later epochs are replaced; a training that
            starts with epoch 0 is refused if later epochs are logged. Earlier rows that
            are missing are computed again from the stored P-vectors, or the training
            stops; see `keras_pvec.runs.resumption`. Put
            `keras.callbacks.BackupAndRestore`, which restores the model, after this
            callback.
        overwrite: Whether to replace a run that is already in `path`. With `resume`,
            only a training that starts with epoch 0 replaces it.

    Attributes:
        run: The run as far as it is logged, for reading.

    Raises:
        TypeError: `samples` is not a `SampleSet`, or `model` is not a model.
        SampleMismatchError: A reference is of other samples.
        ValueError: Another argument has the wrong type or is out of range. When
            training starts: the model cannot be run on the samples, or another logger
            has the same `name` and a reference of the same name.
        RunConflictError: When training starts: `path` holds a run that would be lost,
            or one with other samples or layers, or belongs to another logger of this
            training. During training: another program wrote to `log.csv`.
        DamagedRunError: When training starts: files of the run that is continued are
            damaged, or rows are missing and cannot be restored.
        LayerChoiceError: When training starts: `layers` matches no layer, or a layer
            does not return one row of features per sample.

    Example:

    ```python
    samples = kp.SampleSet(x_test, name="cifar100/test")
    logger = kp.PVectorLogger(
        "runs/mine", samples, references={"data": kp.data_p_vector(samples)}
    )
    model.fit(x, y, epochs=10, callbacks=[logger])
    logger.run.angles(to="final")   # or kp.open_run("runs/mine")
    ```

    In a training loop of your own, call the hooks. The loop counts epochs and batches
    from 0; losses and metrics go to `on_epoch_end`:

    ```python
    logger.set_model(model)
    logger.on_train_begin()
    for epoch in range(10):
        logger.on_epoch_begin(epoch)
        for batch, (x_batch, y_batch) in enumerate(batches):
            loss = model.train_on_batch(x_batch, y_batch)   # or your own step
            logger.on_train_batch_end(batch)
        logger.on_epoch_end(epoch, {"loss": float(loss)})
    logger.on_train_end()
    ```
    """

    def __init__(
        self,
        path: str | os.PathLike,
        samples: SampleSet,
        layers: LayerChoice | Sequence[LayerChoice] | None = None,
        *,
        model: ModelChoice | None = None,
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
        overwrite: bool = False,
    ) -> None:
        super().__init__()
        check_sample_set(samples)
        check_choices(layers)
        check_name(name)
        check_model_choice(model)
        self.samples = samples
        self.layers = layers
        self.part = model  # `model` is Keras's, the model in training
        self.name = name
        self.options = MeasurementOptions(
            k, method, pooling, batch_size, max_feature_bytes
        )
        self.recorder = Recorder(
            path,
            references=checked_references(references, samples),
            schedule=LogSchedule.parse(log_freq, layers_within_epoch),
            prefix=self.name,
            resume=resume,
            overwrite=overwrite,
        )
        # Counting steps needs no weights, so Keras may call the hook of a batch from
        # another thread; it does so on JAX and PyTorch, where it saves time.
        self.async_safe = not self.recorder.schedule.has_moments_within_epochs
        self._reset()

    @property
    def run(self) -> Run:
        """The run as far as it is logged, for reading.

        Raises:
            RunNotFoundError: Nothing is logged yet.
        """
        return open_run(self.recorder.folder.path)

    def __getstate__(self) -> dict[str, Any]:
        # A model and compiled functions can neither be copied nor pickled.
        state = {**vars(self), **vars(keras.callbacks.Callback())}
        state["recorder"] = self.recorder.without_training()
        del state["_claim"], state["_training"], state["_probe"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _reset(self) -> None:
        folder, references = self.recorder.folder.path, self.recorder.references
        self._claim = LoggerClaim(folder, self.name, tuple(references))
        self._training = Training()
        self._probe: PVectorProbe | None = None

    def set_params(self, params: dict[str, Any] | None) -> None:
        super().set_params(params)
        register_claim(params, self._claim)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        check_claims(self.params, self._claim)
        # The model may have changed since the last `fit`.
        self._probe = None
        self._training = Training(HistoryOrder(self.model))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        training = self._training
        training.check_model(self.model)
        # Not on_train_begin: callbacks that restore a model do it there.
        if not training.has_begun:
            with shown_warnings():
                self._begin(epoch)
            training.has_begun = True
        training.begin_epoch(epoch)
        # Read here and not for each batch, where it would cost time on JAX.
        per_call = getattr(self.model, "steps_per_execution", None)
        training.steps.begin_epoch(per_call or 1, (self.params or {}).get("steps"))

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        # Steps whose end another thread reported; see `TrainingThread`.
        training = self._training
        if training.has_begun and training.thread.records_at_begin(batch):
            before, now = training.steps.begin_batch(batch)
            if self.recorder.schedule.is_due(training.epoch, before, now):
                self._record_step(now)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        training = self._training
        before, now = training.steps.add_call()
        is_here = training.thread.reports_end()
        if self.recorder.schedule.is_due(training.epoch, before, now):
            training.check_begun()
            if not is_here:
                training.thread.note_due(now)
                return
            angles = self._record_step(now)
            if logs is not None:
                logs.update(angles)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        training = self._training
        training.check_begun()
        logs = {} if logs is None else logs
        with shown_warnings():
            step = training.steps.end_epoch(updates_of(self.model))
            training.thread.end_epoch(step)
            logs.update(self.recorder.record(Moment(epoch, step), self._measure))
            training.weights_sha256 = weights_sha256(self.model)
            # Another callback's entry of that name wins.
            scalars = {**logs, **learning_rate_of(self.model), **logs}
            self.recorder.end_epoch(epoch, step, scalars)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        training = self._training
        if not training.has_begun:
            if self.recorder.resume:  # there was no epoch left
                self.recorder.end_without_epochs((self.params or {}).get("epochs") or 0)
            return
        later = None if training.order is None else training.order.later(self.model)
        call_after_others(None if training.has_ended else later, self._end)

    def _record_step(self, step: int) -> dict[str, float]:
        """Records a moment within an epoch; its angles by their names in `logs`."""
        training = self._training
        training.thread.note_recorded(step)
        with shown_warnings():
            return self.recorder.record(
                Moment(training.epoch, step), self._measure, within_epoch=True
            )

    def _measure(self, layers: Sequence[str] | None = None) -> Measurement:
        # On JAX, `fit` keeps the variables apart from the model within an epoch;
        # reading `self.model` brings them back.
        trained = self.model
        if self._probe is None:
            self._probe = self._new_probe(trained)
        return self._probe.measure(layers)

    def _new_probe(self, trained: keras.Model) -> PVectorProbe:
        model = watched_model(trained, self.part)
        stored = self.recorder.folder.read_info().logged_with
        probe = PVectorProbe(
            model,
            self.samples,
            self.layers,
            self.options,
            run_eagerly=bool(trained.run_eagerly),
            known_labels=stored.layers if self.recorder.resume and stored else (),
        )
        warn_unless_trained(model, trained)
        return probe

    def _match_references(self) -> None:
        """Finds layers in references although Keras numbered them anew."""
        assert self._probe is not None
        for name, reference in self.recorder.references.items():
            if isinstance(reference, Mapping):
                self.recorder.references[name] = self._probe.by_our_labels(reference)

    def _note_choice(self) -> None:
        """Records what is watched by default, and prints it if `fit` prints."""
        assert self._probe is not None
        if self.part is not None:
            part = watched_model(self.model, self.part)
            self.recorder.folder.note(watched_model=part.name)
        if (default := self._probe.default) is None:
            return
        self.recorder.folder.note(default_layer=default.watched.label)
        # A training loop of the user's own need not set parameters.
        if (self.params or {}).get("verbose"):
            print(f"P-vectors of {default.describe()}; choose others with `layers=`.")

    def _begin(self, epoch: int) -> None:
        """Logs the model before its first epoch."""
        steps = self._training.steps
        steps.total = self.recorder.steps_before(epoch, updates_of(self.model))
        measured = self._measure()
        self._match_references()
        settings = self.recorder.settings_of(
            measured.layers, self.samples, self.options
        )
        self.recorder.begin(epoch, steps.total, measured, settings)
        self.recorder.write_samples(self.samples.y, self.samples.statistics())
        self._note_choice()

    def _end(self) -> None:
        """Logs the model that the training leaves, if it is another one by now."""
        training = self._training
        training.has_ended = True
        with shown_warnings():
            weights = weights_sha256(self.model)
            is_measured = weights == training.weights_sha256
            left = None if is_measured else self._measure()
            self.recorder.record_after_fit(weights, left)
            self.recorder.end()
