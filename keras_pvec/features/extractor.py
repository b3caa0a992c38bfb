"""Features of chosen layers on samples: one forward pass, all layers, in blocks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_pvec.features.backends import PreparedForward, VariableValues, adapter
from keras_pvec.features.capture import LayerCall, captured_tensor, recorded_calls
from keras_pvec.features.choice import (
    LabelledLayers,
    LayerChoice,
    LayerChoiceError,
    WatchedTensor,
    with_known_labels,
)
from keras_pvec.features.default import DefaultChoice, default_choice, operations_of
from keras_pvec.features.forward import check_has_forward_pass, in_inference_mode
from keras_pvec.features.numbered_names import relabelled
from keras_pvec.features.randomness import drawn_seeds, random_layers
from keras_pvec.features.rows import check_widths, feature_rows
from keras_pvec.samples import SampleSource

# Samples of the forward pass in which the default layer is chosen.
_CHOICE_ROWS = 2


class FeatureExtractor:
    """Runs samples through a model and yields the features of the watched layers.

    The model is not changed: it runs in inference mode, and updates of its state
    (moving statistics, random seeds, losses) are discarded. It is run on `batch_size`
    samples at a time; the last block is filled up with copies of its last sample,
    whose features are discarded.

    Args:
        model: A built Keras model, or a layer.
        layers: Layer names as in `model.summary()`; paths such as `"outer/inner"`;
            `"name@2"` for the second call of a layer that is called several times;
            `"name[0]"` for the first of several outputs;
            `"name.input"` for the input of a layer; regular expressions `"re:..."` that
            are searched for in the names, and in the paths if they contain a slash; or
            layer objects. `None`: the input of the model's head (see `default_choice`).
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples per forward call. A model that takes one batch size only
            gets that.
        run_eagerly: Whether the forward pass is not compiled. Default: as the model was
            compiled.
        known_labels: Labels of an earlier run of the same network. Layers with
            automatic names (`dense_7`) get the label that they have there (`dense_2`).

    Attributes:
        default: The layer that was chosen because `layers` is `None`; known after the
            first block.

    Raises:
        LayerChoiceError: A name or expression matches no layer, or a name belongs to
            several; or the model has no `call`.
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
        run_eagerly: bool | None = None,
        known_labels: Sequence[str] = (),
    ) -> None:
        if pooling not in (None, "avg"):
            raise ValueError(f"`pooling` must be None or 'avg'. Received: {pooling!r}")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")
        check_has_forward_pass(model)
        if not model.built:
            raise ValueError(
                f"The model {model.name!r} has no weights yet. Call it on a batch, or "
                "give it an Input, before extracting features."
            )
        if run_eagerly is None:
            run_eagerly = bool(getattr(model, "run_eagerly", False))
        self.model = model
        self.pooling = pooling
        self.batch_size = batch_size
        self.run_eagerly = run_eagerly
        self.known_labels = tuple(known_labels)
        self.default: DefaultChoice | None = None
        self._adapter = adapter()
        self._is_eager = run_eagerly or not self._adapter.COMPILES
        self._layers = LabelledLayers(model)
        self._watched: list[WatchedTensor] | None = None
        if layers is not None:
            self._watched = self._with_known_labels(self._layers.resolve(layers))
        self._forward: dict[Any, PreparedForward] = {}
        self._repeats_draws = False
        self._is_checked = False

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

        Raises:
            LayerChoiceError: A layer cannot be watched, or does not return one row of
                features per sample.
        """
        only = None if only is None else tuple(only)
        size = _fixed_batch_size(self.model) or min(self.batch_size, len(samples))
        widths: dict[str, int] = {}
        start = 0
        for inputs in samples.batches(size):
            rows = _n_rows(inputs)
            # All blocks have the same shape, so the function is compiled once.
            padded = _pad_rows(inputs, size - rows)
            if self._watched is None and self._is_eager:
                self._choose_default(padded)
            features = self._features_of(padded, only)
            if not self._is_checked:
                self._warn_of_random_features(padded, features, only)
                self._is_checked = True
            features = {label: tensor[:rows] for label, tensor in features.items()}
            check_widths(features, widths, slice(start, start + rows))
            start += rows
            yield features

    def by_our_labels(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        """Entries for the layers of another run, with their labels in this one added
        where only the numbers of automatic names differ."""
        watched = {tensor.label: tensor.layer for tensor in self._watched or ()}
        return relabelled(entries, watched, self._layers.layers)

    def _features_of(
        self, inputs: Any, only: tuple[str, ...] | None, *, reseeded: bool = False
    ) -> dict[str, Any]:
        """The features of the watched layers, with their numbers of rows checked."""
        forward = self._forward_for(inputs, only, reseeded)
        tensors = forward.run(inputs)
        self._repeats_draws |= forward.restores_state
        features: dict[str, Any] = {}
        unusable: dict[str, LayerChoiceError] = {}
        for watched in self._selected(only):
            try:
                features[watched.label] = feature_rows(
                    tensors[watched.label], _n_rows(inputs), watched.label, self.pooling
                )
            except LayerChoiceError as error:
                if not watched.by_regex or self._is_checked:
                    raise
                unusable[watched.label] = error
        self._skip(features, unusable)
        return features

    def _forward_for(
        self, inputs: Any, only: tuple[str, ...] | None, reseeded: bool
    ) -> PreparedForward:
        """The forward pass for inputs of this kind, compiled when first needed."""

        def forward(inputs: Any, values: VariableValues = ()) -> dict[str, Any]:
            return self._run_model(inputs, only, reseeded, values)

        # A model that asks to run eagerly may hold code that cannot be compiled.
        if self.run_eagerly:
            return self._adapter.eager_forward(self.model, forward)
        kinds = [(x.shape, x.dtype.str) for x in keras.tree.flatten(inputs)]
        key = (only, tuple(kinds), reseeded)
        if key not in self._forward:
            self._forward[key] = self._adapter.compile_forward(
                self.model, forward, inputs
            )
        return self._forward[key]

    def _choose_default(self, inputs: Any) -> None:
        """Chooses the default layer in a pass of its own over few samples, because the
        tensors of all layers are held in it."""
        if _fixed_batch_size(self.model) is None:
            inputs = keras.tree.map_structure(lambda x: x[:_CHOICE_ROWS], inputs)

        def forward(inputs: Any, values: VariableValues = ()) -> dict[str, Any]:
            return self._run_model(inputs, None, False, values)

        self._adapter.eager_forward(self.model, forward).run(inputs)

    def _run_model(
        self,
        inputs: Any,
        only: tuple[str, ...] | None,
        reseeded: bool,
        values: VariableValues,
    ) -> dict[str, Any]:
        """One forward pass; a reseeded one draws other random numbers."""
        layers: list[keras.Operation] = [*self._layers.layers]
        watched = None if self._watched is None else self._selected(only)
        if watched is None:
            layers += operations_of(self._layers.layers)
        scope = keras.StatelessScope(values)
        given = dict(scope.state_mapping)
        if reseeded:
            with keras.StatelessScope(values) as first:
                in_inference_mode(self.model, inputs)
            scope.state_mapping.update(drawn_seeds(first, given))
        with recorded_calls(layers, self._adapter, watched) as calls, scope:
            in_inference_mode(self.model, inputs)
        self._repeats_draws |= bool(drawn_seeds(scope, given))
        if self._watched is None:
            self.default = default_choice(self._layers, calls, self._adapter)
            self._watched = self._with_known_labels([self.default.watched])
            if self.default.head is None:
                warnings.warn(
                    f"The P-vectors are those of {self.default.describe()}. It may not "
                    "be the representation. Choose with `layers=`.",
                    stacklevel=2,
                )
        return self._tensors_in(calls, _n_rows(inputs), only)

    def _tensors_in(
        self, calls: list[LayerCall], rows: int, only: tuple[str, ...] | None
    ) -> dict[str, Any]:
        """The tensors of the watched layers in the recorded calls."""
        tensors: dict[str, Any] = {}
        unusable: dict[str, LayerChoiceError] = {}
        for watched in self._selected(only):
            try:
                tensor = captured_tensor(watched, calls, self._adapter)
                tensors[watched.label] = feature_rows(
                    tensor, rows, watched.label, self.pooling
                )
            except LayerChoiceError as error:
                # A broad expression may match layers that the user did not mean.
                if not watched.by_regex:
                    raise
                unusable[watched.label] = error
        self._skip(tensors, unusable)
        return tensors

    def _selected(self, only: tuple[str, ...] | None) -> list[WatchedTensor]:
        return [w for w in self._watched or () if only is None or w.label in only]

    def _skip(
        self, usable: dict[str, Any], unusable: dict[str, LayerChoiceError]
    ) -> None:
        """Stops watching layers that an expression matched but cannot be watched."""
        if not usable:
            raise next(iter(unusable.values()))
        if unusable:
            self._watched = [w for w in self._watched or () if w.label not in unusable]
            for reason in unusable.values():
                warnings.warn(f"A matching layer is skipped. {reason}", stacklevel=2)

    def _warn_of_random_features(
        self, inputs: Any, features: dict[str, Any], only: tuple[str, ...] | None
    ) -> None:
        # Generators whose state is set back would draw the same numbers again.
        again = self._features_of(inputs, only, reseeded=self._repeats_draws)
        if labels := random_layers(features, again):
            warnings.warn(
                f"Features are random in {', '.join(map(repr, labels))}: two forward "
                "passes in inference mode over the same samples differ. P-vectors of "
                "them depend on what is drawn. Choose layers before the noise with "
                "`layers=`.",
                stacklevel=2,
            )

    def _with_known_labels(self, watched: list[WatchedTensor]) -> list[WatchedTensor]:
        return with_known_labels(watched, self.known_labels, self._layers.layers)


def _fixed_batch_size(model: keras.Model) -> int | None:
    """The batch size that a model was built for, if it takes no other."""
    if inputs := getattr(model, "inputs", None):
        return inputs[0].shape[0]
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN) and layer.stateful and layer.states:
            return keras.tree.flatten(layer.states)[0].shape[0]
    return None


def _n_rows(inputs: Any) -> int:
    return keras.tree.flatten(inputs)[0].shape[0]


def _pad_rows(inputs: Any, n: int) -> Any:
    """Repeats the last sample `n` times."""
    if n == 0:
        return inputs
    return keras.tree.map_structure(
        lambda array: np.concatenate([array, np.repeat(array[-1:], n, axis=0)]), inputs
    )
