"""P-vectors of the layers of a model, all from shared forward passes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_pvec.features import FeatureExtractor, LayerChoice
from keras_pvec.pvector import PVector, from_triplets
from keras_pvec.samples import SampleSource
from keras_pvec.solver import LeftSingularSolver, as_rows, exact_singular_triplets

# A layer too large to hold costs a forward pass for each pass of the solver.
_STREAMED_MAX_PASSES = 30
_STREAMED_CENTERED_PASSES = 2
_STREAMED_BLOCK = 8


class PVectorProbe:
    """Measures the P-vectors of a model on a sample set, again and again.

    Features are held where they are computed, up to `max_feature_bytes` over all
    layers, smallest layers first; a moment then takes a single forward pass. Layers
    that do not fit are run through block by block in further passes, which they share,
    starting from where the last measurement ended.

    Args:
        model: A built Keras model.
        samples: The samples to run through it.
        layers: As in `FeatureExtractor`.
        k: How many left singular vectors per layer.
        method: `"fast"`, or `"exact"` for `tf.svd` (which holds everything).
        pooling: As in `FeatureExtractor`.
        batch_size: Samples run through the model at a time.
        max_feature_bytes: How much of the features may be held at once.
    """

    def __init__(
        self,
        model: keras.Model,
        samples: SampleSource,
        layers: LayerChoice | Sequence[LayerChoice] | None = None,
        *,
        k: int = 1,
        method: str = "fast",
        pooling: str | None = None,
        batch_size: int = 256,
        max_feature_bytes: int = 2**28,
    ) -> None:
        if method not in ("fast", "exact"):
            raise ValueError(
                f"`method` must be 'fast' or 'exact'. Received: {method!r}"
            )
        self.samples = samples
        self.k = k
        self.method = method
        self.max_feature_bytes = max_feature_bytes
        self._starts: dict[str, np.ndarray] = {}
        _build(model, samples)
        self._extractor = FeatureExtractor(
            model, layers, pooling=pooling, batch_size=batch_size
        )

    def measure(
        self, only: Sequence[str] | None = None
    ) -> dict[str, PVector | ValueError]:
        """P-vectors by layer, as the model stands, of all layers or `only` of some.

        A layer whose features have no P-vector (all zero, NaN) maps to the error that
        says so: the other layers are not to suffer from it.
        """
        if self.method == "exact":
            return self._exact(only)
        solvers: dict[str, LeftSingularSolver] = {}
        failed: dict[str, ValueError] = {}
        held: dict[str, list[tf.Tensor]] = {}

        def feed(label: str, block: tf.Tensor) -> None:
            if label not in failed:
                try:
                    solvers[label].update(block)
                except ValueError as error:
                    failed[label] = error

        def close(label: str) -> None:
            if label not in failed:
                try:
                    solvers[label].end_pass()
                except ValueError as error:
                    failed[label] = error

        def unfinished(label: str) -> bool:
            return label not in failed and not solvers[label].done

        for features in self._features(only):
            if not solvers:
                held = {label: [] for label in self._fitting(features)}
                solvers = {label: self._solver(label, held) for label in features}
            for label, block in features.items():
                feed(label, block)
                if label in held:
                    held[label].append(as_rows(block))
        for label in solvers:
            close(label)

        for label, blocks in held.items():
            while unfinished(label):
                for block in blocks:
                    feed(label, block)
                close(label)
            blocks.clear()

        while streamed := [label for label in solvers if unfinished(label)]:
            for features in self._extractor.blocks(self.samples, only=streamed):
                for label, block in features.items():
                    feed(label, block)
            for label in streamed:
                close(label)
        for label, solver in solvers.items():
            if label not in held and label not in failed:
                self._starts[label] = solver.directions()

        return {
            label: failed.get(label)
            or from_triplets(solver.result(), layer=label, samples=self.samples)
            for label, solver in solvers.items()
        }

    def _exact(self, only: Sequence[str] | None) -> dict[str, PVector | ValueError]:
        held: dict[str, list[tf.Tensor]] = {}
        for features in self._features(only):
            for label, block in features.items():
                held.setdefault(label, []).append(block)
        result: dict[str, PVector | ValueError] = {}
        for label, blocks in held.items():
            try:
                triplets = exact_singular_triplets(tf.concat(blocks, 0), self.k)
            except ValueError as error:
                result[label] = error
            else:
                result[label] = from_triplets(
                    triplets, layer=label, samples=self.samples
                )
        return result

    def _features(self, only: Sequence[str] | None) -> Iterator[dict[str, tf.Tensor]]:
        # The one traced forward pass serves whichever layers are asked for.
        for features in self._extractor.blocks(self.samples):
            yield {k: v for k, v in features.items() if only is None or k in only}

    def _solver(self, label: str, held: Collection[str]) -> LeftSingularSolver:
        if label in held:
            return LeftSingularSolver(self.k)
        return LeftSingularSolver(
            self.k,
            max_passes=_STREAMED_MAX_PASSES,
            centered_passes=_STREAMED_CENTERED_PASSES,
            block_size=_STREAMED_BLOCK,
            start=self._starts.get(label),
        )

    def _fitting(self, features: dict[str, tf.Tensor]) -> list[str]:
        """The layers whose features can be held together, smallest first."""
        sizes = {
            label: len(self.samples) * math.prod(block.shape[1:]) * block.dtype.size
            for label, block in features.items()
        }
        labels = sorted(sizes, key=sizes.get)
        total = np.cumsum([sizes[label] for label in labels])
        return [
            label
            for label, size in zip(labels, total, strict=True)
            if size <= self.max_feature_bytes
        ]


def _build(model: keras.Model, samples: SampleSource) -> None:
    """Makes the weights of a model that has none yet, as Keras does in its first step.

    Subclassed models come to `fit` unbuilt. Initial weights depend on the seeds that
    initializers took when they were made, so they are the same as Keras's own.
    """
    if all(layer.built for layer in model._flatten_layers()):
        return
    with keras.StatelessScope():
        model(next(samples.batches(2)), training=False)


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
) -> dict[str, PVector]:
    """P-vectors of the layers of a model, as it stands.

    Args:
        model: A built Keras model; it is left as it was.
        samples: The samples to run through it.
        layers: Names, `"re:..."` expressions or layer objects; default: the input of
            the last `Dense` layer.
        k: How many left singular vectors per layer.
        method: `"fast"`, or `"exact"` for `tf.svd`.
        pooling: `None` flattens each sample's features; `"avg"` first averages over
            all axes but the channels.
        batch_size: Samples run through the model at a time.
        max_feature_bytes: How much of the features may be held at once; layers beyond
            that take further forward passes.

    Returns:
        A dict from layer name to `PVector`.

    Raises:
        LayerChoiceError: A choice of layers that matches nothing.
        ValueError: A layer whose features are NaN or infinite, or all zero (then a
            `ZeroMatrixError`).
    """
    probe = PVectorProbe(
        model,
        samples,
        layers,
        k=k,
        method=method,
        pooling=pooling,
        batch_size=batch_size,
        max_feature_bytes=max_feature_bytes,
    )
    measured = probe.measure()
    for label, value in measured.items():
        if isinstance(value, ValueError):
            raise type(value)(f"Layer {label!r} has no P-vector. {value}") from value
    return measured
