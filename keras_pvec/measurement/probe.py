"""Measures the P-vectors of a model on fixed samples, from shared forward passes."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_pvec.features import FeatureExtractor, LayerChoice, LayerChoiceError
from keras_pvec.features.default import DefaultChoice
from keras_pvec.features.forward import check_has_forward_pass, in_inference_mode
from keras_pvec.measurement.layer_solver import LayerSolver
from keras_pvec.measurement.options import MeasurementOptions
from keras_pvec.pass_bars import PassBars
from keras_pvec.pvector import PVector, from_triplets
from keras_pvec.samples import (
    FiniteSource,
    SampleSet,
    SampleSource,
    describe_inputs,
)
from keras_pvec.solver import exact_singular_triplets


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured at one moment.

    Attributes:
        p_vectors: P-vectors by layer, in the order of the layers.
        failures: Why the other layers have none, by layer: features that are all zero
            (`ZeroMatrixError`), NaN or infinite.
        layers: All measured layers, in the order of the layers.
    """

    p_vectors: Mapping[str, PVector]
    failures: Mapping[str, ValueError]
    layers: tuple[str, ...]


class PVectorProbe:
    """Measures the P-vectors of a model on fixed samples, repeatedly.

    Features are held where they are computed, up to `max_feature_bytes` over all
    layers, smallest layers first; a moment then takes a single forward pass. Layers
    that do not fit are streamed: they take further forward passes, which they share,
    and start from the singular vectors of the previous measurement.

    Args:
        model: A Keras model. One that is not built yet is built.
        samples: The samples to run through it.
        layers: As in `FeatureExtractor`.
        options: How to measure.
        run_eagerly: As in `FeatureExtractor`.
        known_labels: As in `FeatureExtractor`.

    Raises:
        LayerChoiceError: A choice of layers that matches nothing.
        ValueError: The model cannot be run on the samples.
    """

    def __init__(
        self,
        model: keras.Model,
        samples: SampleSource,
        layers: LayerChoice | Sequence[LayerChoice] | None = None,
        options: MeasurementOptions | None = None,
        *,
        run_eagerly: bool | None = None,
        known_labels: Sequence[str] = (),
    ) -> None:
        is_checked = isinstance(samples, SampleSet)
        self.samples = samples if is_checked else FiniteSource(samples)
        self.options = options or MeasurementOptions()
        self._starts: dict[str, np.ndarray] = {}
        self._model = model
        with self._named_errors():
            _check_input_count(model, samples)
            _build(model, self.samples, self.options.batch_size)
        self._extractor = FeatureExtractor(
            model,
            layers,
            pooling=self.options.pooling,
            batch_size=self.options.batch_size,
            run_eagerly=run_eagerly,
            known_labels=known_labels,
        )

    @property
    def default(self) -> DefaultChoice | None:
        """The layer that was chosen by default, once it is measured."""
        return self._extractor.default

    def by_our_labels(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        """As in `FeatureExtractor`, once the layers are measured."""
        return self._extractor.by_our_labels(entries)

    def measure(
        self, layers: Collection[str] | None = None, *, bars: PassBars | None = None
    ) -> Measurement:
        """Measures the P-vectors of the model with its current weights.

        Args:
            layers: Labels of the layers to measure; default: all watched layers.
            bars: Shows the forward passes; default: nothing is shown.

        Returns:
            P-vectors and failures by layer.
        """
        bars = PassBars(0) if bars is None else bars
        if self.options.method == "exact":
            return self._measure_exact(bars.over(self._features(layers), _n_rows))
        solvers: dict[str, LayerSolver] = {}
        for features in bars.over(self._features(layers), _n_rows):
            if not solvers:
                solvers = self._solvers_for(features)
            for label, block in features.items():
                solvers[label].update(block)
        for solver in solvers.values():
            solver.end_pass()
            solver.solve_held()

        while streamed := [x for x, solver in solvers.items() if solver.is_unfinished]:
            again = self._extractor.blocks(self.samples, only=streamed)
            for features in bars.over(again, _n_rows):
                for label, block in features.items():
                    solvers[label].update(block)
            for label in streamed:
                solvers[label].end_pass()
        for label, solver in solvers.items():
            if solver.is_streamed and solver.error is None:
                self._starts[label] = solver.directions()

        p_vectors: dict[str, PVector] = {}
        failures: dict[str, ValueError] = {}
        for label, solver in solvers.items():
            if solver.error is None:
                p_vectors[label] = from_triplets(
                    solver.result(), layer=label, samples=self.samples
                )
            else:
                failures[label] = solver.error
        return Measurement(p_vectors, failures, tuple(solvers))

    def _measure_exact(self, passed: Iterable[Mapping[str, Any]]) -> Measurement:
        blocks: dict[str, list[Any]] = {}
        for features in passed:
            for label, block in features.items():
                blocks.setdefault(label, []).append(block)
        p_vectors: dict[str, PVector] = {}
        failures: dict[str, ValueError] = {}
        for label, parts in blocks.items():
            matrix = keras.ops.concatenate(parts, axis=0)
            try:
                triplets = exact_singular_triplets(matrix, self.options.k)
            except ValueError as error:
                failures[label] = error
            else:
                p_vectors[label] = from_triplets(
                    triplets, layer=label, samples=self.samples
                )
        return Measurement(p_vectors, failures, tuple(blocks))

    def _features(self, layers: Collection[str] | None) -> Iterator[dict[str, Any]]:
        # One traced forward pass serves every selection of layers.
        blocks = self._extractor.blocks(self.samples)
        while True:
            with self._named_errors():
                features = next(blocks, None)
            if features is None:
                return
            yield {
                label: block
                for label, block in features.items()
                if layers is None or label in layers
            }

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Adds the samples and their shapes to an error of the forward pass."""
        try:
            yield
        except (LayerChoiceError, MemoryError, NotImplementedError):
            raise
        except Exception as error:
            if not isinstance(self.samples, SampleSet):
                raise  # it may be an error in reading the samples
            raise ValueError(
                f"The model {self._model.name!r} cannot be run on the samples "
                f"{self.samples.name!r} ({describe_inputs(self.samples)}). Give inputs "
                "of the shapes and types that `fit` receives, without labels: "
                f"kp.SampleSet(x, y). {_one_line(error)}"
            ) from error

    def _solvers_for(self, features: Mapping[str, Any]) -> dict[str, LayerSolver]:
        held = self._layers_to_hold(features)
        return {
            label: LayerSolver(
                self.options.k,
                is_streamed=label not in held,
                start=self._starts.get(label),
            )
            for label in features
        }

    def _layers_to_hold(self, features: Mapping[str, Any]) -> list[str]:
        """The layers whose features fit into memory together, smallest first."""
        sizes = {
            label: len(self.samples)
            * math.prod(block.shape[1:])
            * np.dtype(keras.backend.standardize_dtype(block.dtype)).itemsize
            for label, block in features.items()
        }
        labels = sorted(sizes, key=sizes.__getitem__)
        total = np.cumsum([sizes[label] for label in labels])
        return [
            label
            for label, size in zip(labels, total, strict=True)
            if size <= self.options.max_feature_bytes
        ]


def _n_rows(features: Mapping[str, Any]) -> int:
    """Number of samples in a block of features by layer."""
    return next((int(block.shape[0]) for block in features.values()), 0)


def _one_line(error: Exception) -> str:
    """The text of an error without colours, and without Keras's list of arguments."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return " ".join(text.split("Arguments received")[0].split())


def _check_input_count(model: keras.Model, samples: SampleSource) -> None:
    """Raises if a list holds more inputs than the model has; Keras ignores the rest."""
    expected = len(getattr(model, "inputs", None) or ())
    inputs = getattr(samples, "x", None)
    if expected and isinstance(inputs, (list, tuple)) and len(inputs) > expected:
        raise ValueError(
            f"Inputs of the model: {expected}; of the samples: {len(inputs)}."
        )


def _build(model: keras.Model, samples: SampleSource, batch_size: int) -> None:
    """Creates the weights of a model that has none yet, as Keras does in its first
    step.

    Subclassed models come to `fit` unbuilt. Initial weights depend on the seeds that
    initializers took when they were made, so they are the same as Keras's own.
    """
    check_has_forward_pass(model)
    if all(layer.built for layer in model._flatten_layers()):
        return
    with keras.StatelessScope():
        in_inference_mode(model, next(samples.batches(batch_size)))
