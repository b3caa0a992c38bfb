"""Measures a finished run again under a reading, from its stored weights.

Nothing is trained. Each kept moment takes one forward pass of the run's own samples.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_pvec.comparison import compare
from keras_pvec.measurement import Measurement, MeasurementOptions, PVectorProbe
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.claims import Cause, Extraction, Obstacle, Reading
from keras_pvec.reproduction.data import ImageData
from keras_pvec.reproduction.readings.extraction import (
    AUGMENTED,
    batch_statistics,
    even_batch_size,
    shown_images,
)
from keras_pvec.reproduction.readings.raw_data import raw_data_p_vectors
from keras_pvec.reproduction.readings.stored import NOT_APPLICABLE, reading_path
from keras_pvec.reproduction.readings.targets import Target, find_target
from keras_pvec.reproduction.readings.unavailable import (
    ReadingUnavailableError,
    not_applicable,
)
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training import (
    Recipe,
    RunSettings,
    architecture_of,
    build_model,
    load_model,
    load_weights,
    stored_weights,
)
from keras_pvec.reproduction.training.references import TWIN_SEED_OFFSET
from keras_pvec.runs import (
    LoggedWith,
    Moment,
    Run,
    RunConflictError,
    RunFolder,
    library_versions,
    log_row,
)
from keras_pvec.samples import SampleSet

# Singular vectors that are stored.
K = 5


def measure_reading(run: Run, reading: Reading, data: ImageData) -> Run:
    """Measures the kept moments of a run under a reading that takes a forward pass.

    The P-vectors go to `<run>/readings/<name>/` and `<run>/readings/<name>/test/`, run
    folders with a `log.csv` of their own: the angles to the raw data of the same
    images, and to an untrained twin, all under the reading. A measurement that is there
    is opened; one that was interrupted goes on after its last moment.

    Args:
        run: A finished run.
        reading: The reading. Readings that differ in factors that stored P-vectors
            cover, such as centring, share a measurement.
        data: The data set that the run was trained on.

    Returns:
        The measurement, on the training samples.

    Raises:
        ReadingUnavailableError: The run has no stored weights, or its network no such
            features.
        RunConflictError: Another process is writing to the folder, or it holds the
            measurement of other samples.
        ValueError: The reading takes no forward pass, or the data are not those of the
            run.
    """
    name = reading.measurement
    if name is None:
        raise ValueError(
            f"Stored P-vectors are enough for this reading. Received: {reading}"
        )
    settings = _settings_of(run)
    if data.fingerprint() != settings.data_sha256:
        raise ValueError(
            f"{run.path} was trained on other images: their fingerprint is "
            f"{settings.data_sha256[:12]}, that of {data.name} is "
            f"{data.fingerprint()[:12]}."
        )
    paths = [reading_path(run.path, name, split) for split in settings.num_samples]
    if not all(RunFolder(path).read_info().complete for path in paths):
        moments = _moments(run)
        network = _network(settings, data, reading, paths)
        for split, path in zip(settings.num_samples, paths, strict=True):
            samples = data.samples(split, settings.num_samples[split])
            _measure_split(network, moments, samples, path)
    return Run(reading_path(run.path, name))


def _settings_of(run: Run) -> RunSettings:
    """The settings of a run, for a process that trains nothing."""
    stored = dict(TrainingRecord.of(run).settings)
    stored["recipe"] = Recipe(**stored["recipe"])
    # Weights are the same on every backend.
    here = keras.backend.backend()
    stored |= {"distribute": "none", "jit_compile": False, "backend": here}
    known = {field.name for field in dataclasses.fields(RunSettings)}
    return RunSettings(**{k: value for k, value in stored.items() if k in known})


def _moments(run: Run) -> dict[Moment, Callable[[keras.Model], None]]:
    """What gives a model the weights of each kept moment, in order of time."""
    folder = RunFolder(run.path)
    moments: dict[Moment, Callable[[keras.Model], None]] = {
        moment: functools.partial(load_weights, path=path)
        for moment, path in stored_weights(folder).items()
    }
    if not moments:
        label = TrainingRecord.of(run).model or run.path.name
        raise ReadingUnavailableError(
            f"{run.path} holds no weights. Train it with `keep_weights=True`.",
            Obstacle(Cause.NO_WEIGHTS, names=(label,)),
        )
    last = run.moments[-1]
    if last not in moments and folder.model_path.exists():
        moments[last] = functools.partial(_take_weights, run=run)
    return moments


def _take_weights(model: keras.Model, run: Run) -> None:
    model.set_weights(load_model(run.path).get_weights())


class _LackingError(Exception):
    """A network lacks what a reading asks for."""


def _network(
    settings: RunSettings, data: ImageData, reading: Reading, paths: Sequence[Path]
) -> _Network:
    """The network of a run, set up for a reading; notes it where there is none."""
    try:
        return _Network(settings, data, reading)
    except _LackingError as error:
        for path in paths:
            RunFolder(path).note(**{NOT_APPLICABLE: str(error)})
        raise not_applicable(str(error), settings.model) from None


class _Network:
    """The model of a run, set up to be measured under a reading.

    Args:
        settings: The run.
        data: Its data set.
        reading: The reading.
    """

    def __init__(
        self, settings: RunSettings, data: ImageData, reading: Reading
    ) -> None:
        self.settings = settings
        self.data = data
        self.reading = reading
        if reading.extraction in AUGMENTED and not data.augment:
            raise _LackingError(f"augmentation that suits {data.name}")
        self.model, self.target = self._build(settings.seed)

    def probe(self, model: keras.Model, samples: SampleSet) -> PVectorProbe:
        layers = list(self.settings.layers)
        others = layers[1:] if self.target.with_blocks else []
        return PVectorProbe(
            model,
            samples,
            [self.target.features, *others],
            MeasurementOptions(
                K,
                pooling=self.target.pooling,
                batch_size=even_batch_size(len(samples), self.settings.batch_size),
            ),
        )

    def twin(self) -> keras.Model:
        """The untrained twin of a run, set up in the same way."""
        return self._build(self.settings.seed + TWIN_SEED_OFFSET)[0]

    def _build(self, seed: int) -> tuple[keras.Model, Target]:
        settings = dataclasses.replace(self.settings, seed=seed)
        model = build_model(settings, self.data)
        architecture = architecture_of(settings)
        target = find_target(
            model, architecture, self.reading.representation, settings.pooling
        )
        if target is None:
            raise _LackingError(self.reading.representation.value)
        if target.linear is not None:
            target.linear.activation = keras.activations.linear
        return model, target

    def in_mode(self, model: keras.Model) -> contextlib.AbstractContextManager[None]:
        """The mode of batch normalization that the reading asks for."""
        if self.reading.extraction is Extraction.BATCH_STATISTICS:
            return batch_statistics(model)
        return contextlib.nullcontext()


def _measure_split(
    network: _Network,
    moments: Mapping[Moment, Callable[[keras.Model], None]],
    samples: SampleSet,
    path: Path,
) -> None:
    folder = RunFolder(path)
    with folder.lock():
        info = folder.read_info()
        if info.complete:
            return
        settings = _logged_with(network, samples)
        there = info.logged_with
        if there is not None and there.samples_sha256 != samples.sha256:
            raise RunConflictError(
                f"{path} holds the measurement of other samples "
                f"({there.samples_name}). Delete it, or choose another folder."
            )
        folder.note(
            settings=network.settings.as_json(), reading=_as_json(network.reading)
        )
        folder.update_info(versions=library_versions())
        folder.remove_partial_files()
        done = folder.drop_last_moment()
        references: Mapping[str, Any] | None = None
        probe = network.probe(network.model, samples)
        for moment, load in moments.items():
            if moment in done:
                continue
            if references is None:
                references = _references(network, samples)
            load(network.model)
            measured = _measure(network, network.model, probe, samples, str(moment))
            layers = measured.layers
            folder.update_info(logged_with=dataclasses.replace(settings, layers=layers))
            for layer, error in measured.failures.items():
                folder.note_failure(moment, layer, str(error))
            if measured.p_vectors:
                rows = _rows(moment, measured.p_vectors, references)
                folder.write_moment(moment, measured.p_vectors, rows)
        folder.update_info(
            logged_with=dataclasses.replace(
                folder.read_info().logged_with or settings, complete=True
            )
        )
        folder.seal()


def _measure(
    network: _Network,
    model: keras.Model,
    probe: PVectorProbe,
    samples: SampleSet,
    what: str,
) -> Measurement:
    settings = network.settings
    draws = f"{settings.model} {settings.seed} {settings.variant} {what}"
    probe.samples = shown_images(samples, network.reading.extraction, draws)
    with network.in_mode(model):
        return probe.measure()


def _references(
    network: _Network, samples: SampleSet
) -> dict[str, PVector | Mapping[str, PVector]]:
    """The raw data and an untrained twin, under the reading."""
    images = shown_images(samples, network.reading.extraction, "raw data")
    mean, variance = network.data.channel_moments()
    references: dict[str, PVector | Mapping[str, PVector]] = {
        name: dataclasses.replace(
            p, samples_name=samples.name, samples_sha256=samples.sha256
        )
        for name, p in raw_data_p_vectors(images.x, mean, variance).items()
    }
    twin = network.twin()
    measured = _measure(
        network, twin, network.probe(twin, samples), samples, "untrained"
    )
    references["untrained"] = measured.p_vectors
    return references


def _rows(
    moment: Moment,
    p_vectors: Mapping[str, PVector],
    references: Mapping[str, PVector | Mapping[str, PVector]],
) -> list[dict[str, Any]]:
    rows = []
    for layer, p in p_vectors.items():
        for name, reference in references.items():
            q = reference if isinstance(reference, PVector) else reference.get(layer)
            if q is not None:
                rows.append(log_row(moment, p, name, compare(p, q)))
    return rows


def _logged_with(network: _Network, samples: SampleSet) -> LoggedWith:
    return LoggedWith(
        references=("data", "input", "untrained"),
        samples_name=samples.name,
        samples_sha256=samples.sha256,
        n_samples=len(samples),
        k=K,
        pooling=network.target.pooling,
    )


def _as_json(reading: Reading) -> dict[str, str]:
    """The factors that a measurement depends on."""
    return {
        "representation": reading.representation.value,
        "extraction": reading.extraction.value,
    }
