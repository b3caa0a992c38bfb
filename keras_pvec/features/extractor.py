"""Features of chosen layers on samples: one forward pass, all layers, in blocks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_pvec.features.backends import Forward, adapter
from keras_pvec.features.capture import LayerCall, captured_tensor, recorded_calls
from keras_pvec.features.choice import (
    INPUT_SUFFIX,
    LabelledLayers,
    LayerChoice,
    LayerChoiceError,
    WatchedTensor,
)
from keras_pvec.samples import SampleSource


class FeatureExtractor:
    """Runs samples through a model and yields the features of the watched layers.

    The model is not changed: it runs in inference mode, and updates of its state
    (moving statistics, random seeds, losses) are discarded.

    Args:
        model: A built Keras model.
        layers: Layer names (as in `model.summary()`, or a path such as `"outer/inner"`
            where a name alone is ambiguous), `"name.input"` for the input of a layer,
            regular expressions `"re:..."` that are searched for in the names, or layer
            objects. `None`: the input of the last `Dense` layer that the model calls.
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples per forward call.

    Raises:
        LayerChoiceError: A name or expression matches no layer, or a name belongs to
            several.
        ValueError: The model is not built, or another argument is out of range.

    Example:

    ```python
    extractor = FeatureExtractor(model, ["avg_pool", r"re:^block_\\d+$"])
    for features in extractor.blocks(samples):
        features["avg_pool"]               # tensor (rows, n_features)
    ```
    """

    def __init__(
        self,
        model: keras.Model,
        layers: LayerChoice | Sequence[LayerChoice] | None = None,
        *,
        pooling: str | None = None,
        batch_size: int = 256,
    ) -> None:
        if pooling not in (None, "avg"):
            raise ValueError(f"`pooling` must be None or 'avg'. Received: {pooling!r}")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")
        if not model.built:
            raise ValueError(
                f"The model {model.name!r} has no weights yet. Call it on a batch, or "
                "give it an Input, before extracting features."
            )
        self.model = model
        self.pooling = pooling
        self.batch_size = batch_size
        self._adapter = adapter()
        self._layers = LabelledLayers(model)
        self._watched = None if layers is None else self._layers.resolve(layers)
        self._forward: dict[Any, Forward] = {}

    def blocks(
        self, samples: SampleSource, only: Iterable[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yields features by layer, for consecutive groups of samples, in order.

        Args:
            samples: The samples to run.
            only: Labels of the layers to yield; default: all watched layers.

        Yields:
            Dicts from layer label to a tensor of shape `(rows, n_features)` on the
            device of the model; rows add up to `len(samples)`.
        """
        only = None if only is None else tuple(only)
        rows_per_block = self._rows_per_block(len(samples))
        for inputs in samples.batches(rows_per_block):
            rows = _n_rows(inputs)
            # All blocks have the same shape, so the function is compiled once.
            padded = _pad_rows(inputs, rows_per_block - rows)
            features = self._forward_for(padded, only)(padded)
            yield {label: tensor[:rows] for label, tensor in features.items()}

    def _rows_per_block(self, n_samples: int) -> int:
        fixed = _fixed_batch_size(self.model)
        if fixed is not None:
            return fixed
        # Blocks of nearly equal size need hardly any padding.
        n_blocks = math.ceil(n_samples / self.batch_size)
        return math.ceil(n_samples / n_blocks)

    def _forward_for(self, inputs: Any, only: tuple[str, ...] | None) -> Forward:
        """The forward pass for inputs of this kind, compiled when first needed."""

        def forward(inputs: Any) -> dict[str, Any]:
            with (
                recorded_calls(self._layers.layers) as calls,
                keras.StatelessScope(),
            ):
                self.model(inputs, training=False)
            return self._features_in(calls, _n_rows(inputs), only)

        # A model that asks to run eagerly may hold code that cannot be compiled.
        if getattr(self.model, "run_eagerly", False):
            return forward
        kinds = [(x.shape, x.dtype.str) for x in keras.tree.flatten(inputs)]
        key = (only, tuple(kinds))
        if key not in self._forward:
            self._forward[key] = self._adapter.compile_forward(
                self.model, forward, inputs
            )
        return self._forward[key]

    def _features_in(
        self, calls: list[LayerCall], rows: int, only: tuple[str, ...] | None
    ) -> dict[str, Any]:
        """The features of the watched layers in the recorded calls."""
        if self._watched is None:
            self._watched = [self._input_of_last_dense(calls)]
        features: dict[str, Any] = {}
        unusable: list[LayerChoiceError] = []
        for watched in self._watched:
            if only is not None and watched.label not in only:
                continue
            try:
                tensor = captured_tensor(watched, calls, self._adapter)
                features[watched.label] = self._as_rows(tensor, rows, watched)
            except LayerChoiceError as error:
                # A broad expression may match layers that the user did not mean.
                if not watched.by_regex:
                    raise
                unusable.append(error)
        if not features:
            raise unusable[0]
        if unusable:
            self._watched = [w for w in self._watched if w.label in features]
            for reason in unusable:
                warnings.warn(f"A matching layer is skipped. {reason}", stacklevel=2)
        return features

    def _as_rows(self, tensor: Any, rows: int, watched: WatchedTensor) -> Any:
        shape = tensor.shape
        if len(shape) < 2 or (shape[0] is not None and shape[0] != rows):
            raise LayerChoiceError(
                f"Layer {watched.label!r} has shape {tuple(shape)} for {rows} "
                "samples; a feature matrix needs one row per sample."
            )
        if self.pooling == "avg" and len(shape) > 2:
            channels_first = keras.config.image_data_format() == "channels_first"
            axes = range(2, len(shape)) if channels_first else range(1, len(shape) - 1)
            tensor = keras.ops.mean(keras.ops.cast(tensor, "float32"), axis=tuple(axes))
        return keras.ops.reshape(tensor, (rows, -1))

    def _input_of_last_dense(self, calls: list[LayerCall]) -> WatchedTensor:
        dense = [call for call in calls if isinstance(call.layer, keras.layers.Dense)]
        if not dense:
            raise LayerChoiceError(
                "The model calls no Dense layer, so there is no default layer to "
                f"watch. Choose with `layers=`. {self._layers.listing()}"
            )
        last = dense[-1].layer
        watched = WatchedTensor(
            self._layers.label_of(last) + INPUT_SUFFIX, last, is_input=True
        )
        try:
            features = captured_tensor(watched, calls, self._adapter)
        except LayerChoiceError as error:
            raise LayerChoiceError(
                "The default, the input of the last Dense layer, cannot be watched. "
                f"{error} Choose with `layers=`. {self._layers.listing()}"
            ) from None
        # The name of the layer that produced the tensor says more.
        for call in calls:
            if call.output is features and call.layer is not self.model:
                return WatchedTensor(self._layers.label_of(call.layer), call.layer)
        return watched


def _fixed_batch_size(model: keras.Model) -> int | None:
    """The batch size that a model was built for, if it takes no other."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return None
    return inputs[0].shape[0]


def _n_rows(inputs: Any) -> int:
    return keras.tree.flatten(inputs)[0].shape[0]


def _pad_rows(inputs: Any, n: int) -> Any:
    """Repeats the last sample `n` times."""
    if n == 0:
        return inputs
    return keras.tree.map_structure(
        lambda array: np.concatenate([array, np.repeat(array[-1:], n, axis=0)]), inputs
    )
