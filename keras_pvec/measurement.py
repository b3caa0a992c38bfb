"""P-vectors of the layers of a model, computed from shared forward passes."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import numbers
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_pvec.features import FeatureExtractor, LayerChoice, LayerChoiceError
from keras_pvec.features.default import DefaultChoice
from keras_pvec.features.forward import check_has_forward_pass, in_inference_mode
from keras_pvec.pass_bars import PassBars, Verbose
from keras_pvec.pvector import PVector, from_triplets
from keras_pvec.samples import (
    FiniteSource,
    SampleSet,
    SampleSource,
    describe_inputs,
)
from keras_pvec.solver import (
    LeftSingularSolver,
    SingularTriplets,
    as_rows,
    exact_singular_triplets,
)

METHODS = ("fast", "exact")
POOLINGS = (None, "avg")

# A layer too large to hold needs a forward pass for each pass of the solver.
_STREAMED_MAX_PASSES = 30
_STREAMED_CENTERED_PASSES = 2
_STREAMED_BLOCK = 8


@dataclasses.dataclass(frozen=True)
class MeasurementOptions:
    """How P-vectors of a model are measured.

    Attributes:
        k: Number of left singular vectors per layer.
        method: `"fast"`, or `"exact"` for the backend's SVD in float64, which holds all
            features and takes every singular vector.
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples per forward call.
        max_feature_bytes: Bytes of features that are held at once, over all layers.
            Layers that do not fit take further forward passes.

    Raises:
        ValueError: A value is out of range, or not one of those listed.
    """

    k: int = 1
    method: str = "fast"
    pooling: str | None = None
    batch_size: int = 256
    max_feature_bytes: int = 2**28

    def __post_init__(self) -> None:
        for name, lowest in (("k", 1), ("batch_size", 1), ("max_feature_bytes", 0)):
            value = getattr(self, name)
            is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            if not is_int or value < lowest:
                raise ValueError(
                    f"`{name}` must be an int, at least {lowest}. Received: "
                    f"{name}={value!r}"
                )
        for name, allowed in (("method", METHODS), ("pooling", POOLINGS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"`{name}` must be one of {allowed}. Received: {name}={value!r}"
                )


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
        solvers: dict[str, _LayerSolver] = {}
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

    def _solvers_for(self, features: Mapping[str, Any]) -> dict[str, _LayerSolver]:
        held = self._layers_to_hold(features)
        return {
            label: _LayerSolver(
                LeftSingularSolver(self.options.k)
                if label in held
                else LeftSingularSolver(
                    self.options.k,
                    max_passes=_STREAMED_MAX_PASSES,
                    centered_passes=_STREAMED_CENTERED_PASSES,
                    block_size=_STREAMED_BLOCK,
                    start=self._starts.get(label),
                ),
                is_streamed=label not in held,
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


class _LayerSolver:
    """The solver of one layer, with its features if they are held.

    An error stops only this layer; the others continue.
    """

    def __init__(self, solver: LeftSingularSolver, *, is_streamed: bool) -> None:
        self.is_streamed = is_streamed
        self.error: ValueError | None = None
        self._solver = solver
        self._blocks: list[Any] = []

    @property
    def is_unfinished(self) -> bool:
        return self.error is None and not self._solver.done

    def update(self, block: Any) -> None:
        """Takes the next block of rows of the current pass."""
        self._feed(block)
        if not self.is_streamed and self.error is None:
            self._blocks.append(as_rows(block))

    def end_pass(self) -> None:
        if self.error is not None:
            return
        try:
            self._solver.end_pass()
        except ValueError as error:
            self.error = error

    def solve_held(self) -> None:
        """Iterates on the features that are held, if any, and releases them."""
        if not self.is_streamed:
            blocks, self._blocks = self._blocks, []
            while self.is_unfinished:
                for block in blocks:
                    self._feed(block)
                self.end_pass()

    def _feed(self, block: Any) -> None:
        if self.error is not None:
            return
        try:
            self._solver.update(block)
        except ValueError as error:
            self.error = error

    def directions(self) -> np.ndarray:
        return self._solver.directions()

    def result(self) -> SingularTriplets:
        return self._solver.result()


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


def model_p_vectors(
    model: keras.Model,
    samples: SampleSource,
    layers: LayerChoice | Sequence[LayerChoice] | None = None,
    *,
    k: int = 1,
    method: str = "fast",
    pooling: str | None = None,
    batch_size: int = 256,
    max_feature_bytes: int = 2**28,
    verbose: Verbose = "auto",
) -> dict[str, PVector]:
    """Computes the P-vectors of layers of a model with its current weights.

    Args:
        model: A Keras model, or a part of one, such as `gan.discriminator`; its state
            is not changed.
        samples: The samples to run through it.
        layers: As in `PVectorLogger`; default: the input of the head.
        k: Number of left singular vectors per layer.
        method: `"fast"`, or `"exact"` for the full SVD of the Keras backend
            (`tf.linalg.svd`, `jnp.linalg.svd`, `torch.linalg.svd`).
        pooling: `None` flattens each sample's features; `"avg"` first averages over
            all axes but the channels.
        batch_size: Samples per forward call.
        max_feature_bytes: Largest number of bytes of features that are held at once;
            layers that do not fit take further forward passes.
        verbose: Progress of the forward passes over the samples, as in `p_vector`.

    Returns:
        A dict from layer name to `PVector`.

    Raises:
        LayerChoiceError: A choice of layers that matches nothing.
        ValueError: The features of a layer hold NaN or infinity, or are all zero (a
            `ZeroMatrixError`).

    Example:

    ```python
    vectors = kp.model_p_vectors(model, samples, ["avg_pool", r"re:^block_\\d+$"])
    vectors["avg_pool"].energy1
    ```
    """
    options = MeasurementOptions(k, method, pooling, batch_size, max_feature_bytes)
    bars = PassBars(verbose, len(samples), "sample")
    measured = PVectorProbe(model, samples, layers, options).measure(bars=bars)
    for label, error in measured.failures.items():
        raise type(error)(f"Layer {label!r} has no P-vector. {error}") from error
    return dict(measured.p_vectors)
