"""Features of chosen layers on a sample set: one forward pass, all layers, in blocks.

A layer's output is caught while the model runs, so it makes no difference whether the
model is Sequential, functional, subclassed or nested, and how many inputs it has.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_pvec.samples import SampleSource

LayerChoice = str | keras.layers.Layer

_INPUT_SUFFIX = ".input"
_REGEX_PREFIX = "re:"


class LayerChoiceError(ValueError):
    """The layers asked for cannot be watched; the message lists those that can."""


@dataclasses.dataclass(frozen=True)
class _Watched:
    """A tensor to catch: the output (or the first input) of a layer."""

    label: str
    layer: keras.layers.Layer
    is_input: bool = False
    by_regex: bool = False


@dataclasses.dataclass(frozen=True)
class _Call:
    layer: keras.layers.Layer
    first_input: Any
    output: Any


class FeatureExtractor:
    """Runs samples through a model and yields the features of the watched layers.

    The model is left as it was: it runs in inference mode, and updates that it would
    make to its state (moving statistics, random seeds, losses) are thrown away.

    Args:
        model: A built Keras model.
        layers: Layer names (as in `model.summary()`, or a path like `"outer/inner"`
            where a name alone is ambiguous), `"name.input"` for the input of a layer,
            regular expressions `"re:..."` that are searched for in names, or layer
            objects.
            `None`: the input of the last `Dense` layer that the model calls.
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples run through the model at a time.

    Raises:
        LayerChoiceError: A name or expression that matches nothing, or too much.

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
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                "P-vectors of Keras models need the TensorFlow backend. Received: "
                f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow before "
                "keras is imported."
            )
        if pooling not in (None, "avg"):
            raise ValueError(f"`pooling` must be None or 'avg'. Received: {pooling!r}")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")
        if not model.built:
            raise ValueError(
                f"The model {model.name!r} has no weights yet. Call it on a batch, or "
                "give it an Input, before taking its features."
            )
        self.model = model
        self.pooling = pooling
        self.batch_size = batch_size
        self._layers = _layers_by_label(model)
        self._watched = None if layers is None else self._resolve(layers)
        self._forward: dict[Any, Callable[[Any], dict[str, tf.Tensor]]] = {}

    def blocks(
        self, samples: SampleSource, only: Iterable[str] | None = None
    ) -> Iterator[dict[str, tf.Tensor]]:
        """Yields features by layer, for consecutive groups of samples, in order.

        Args:
            samples: The samples to run.
            only: Labels of the layers to yield; default all of the watched ones.

        Yields:
            Dicts from layer label to a tensor `(rows, n_features)` on the device of
            the model; rows add up to `len(samples)`.
        """
        only = None if only is None else tuple(only)
        rows_per_block = self._rows_per_block(len(samples))
        for inputs in samples.batches(rows_per_block):
            rows = _n_rows(inputs)
            # Equal shapes throughout: the function is traced once.
            padded = _pad_rows(inputs, rows_per_block - rows)
            features = self._forward_for(padded, only)(padded)
            yield {label: tensor[:rows] for label, tensor in features.items()}

    def _rows_per_block(self, n_samples: int) -> int:
        fixed = _fixed_batch_size(self.model)
        if fixed is not None:
            return fixed
        # As even as can be, so that next to nothing is computed on padding.
        n_blocks = math.ceil(n_samples / self.batch_size)
        return math.ceil(n_samples / n_blocks)

    def _forward_for(
        self, inputs: Any, only: tuple[str, ...] | None
    ) -> Callable[[Any], dict[str, tf.Tensor]]:
        """The forward pass for inputs of this kind, traced when it is first needed."""

        def forward(inputs: Any) -> dict[str, tf.Tensor]:
            with (
                _recorded_calls(self._layers.values()) as calls,
                keras.StatelessScope(),
            ):
                self.model(inputs, training=False)
            return self._catch(calls, _n_rows(inputs), only)

        # A model that asks to run eagerly may hold code that cannot be traced.
        if getattr(self.model, "run_eagerly", False):
            return forward
        kinds = [(x.shape, x.dtype.str) for x in keras.tree.flatten(inputs)]
        key = (only, tuple(kinds))
        if key not in self._forward:
            traced = tf.function(forward, autograph=False)
            traced = traced.get_concrete_function(_as_tensors(inputs))
            self._forward[key] = self._keeping_raw_variables(traced)
        return self._forward[key]

    def _keeping_raw_variables(self, traced: Any) -> Callable[[Any], Any]:
        """Undoes what a pass does to `tf.Variable`s that Keras does not know of, and
        that a `StatelessScope` therefore cannot protect."""
        of_keras = {id(variable.value) for variable in self.model.variables}
        raw = [v for v in traced.graph.variables if id(v) not in of_keras]

        def forward(inputs: Any) -> dict[str, tf.Tensor]:
            before = [tf.identity(variable) for variable in raw]
            try:
                return traced(_as_tensors(inputs))
            finally:
                for variable, value in zip(raw, before, strict=True):
                    variable.assign(value)

        return forward

    def _catch(
        self, calls: list[_Call], rows: int, only: tuple[str, ...] | None
    ) -> dict[str, tf.Tensor]:
        """The features of the watched layers in the recorded calls."""
        if self._watched is None:
            self._watched = [self._input_of_last_dense(calls)]
        features: dict[str, tf.Tensor] = {}
        passed_over: list[LayerChoiceError] = []
        for watched in self._watched:
            if only is not None and watched.label not in only:
                continue
            try:
                tensor = _caught(watched, calls)
                features[watched.label] = self._as_rows(tensor, rows, watched)
            except LayerChoiceError as error:
                # Nobody asked by name for what a broad expression matches as well.
                if not watched.by_regex:
                    raise
                passed_over.append(error)
        if not features:
            raise passed_over[0]
        if passed_over:
            self._watched = [w for w in self._watched if w.label in features]
            for error in passed_over:
                warnings.warn(f"A matching layer is passed over. {error}", stacklevel=2)
        return features

    def _as_rows(self, tensor: Any, rows: int, watched: _Watched) -> tf.Tensor:
        shape = tensor.shape
        if len(shape) < 2 or (shape[0] is not None and shape[0] != rows):
            raise LayerChoiceError(
                f"Layer {watched.label!r} gives shape {tuple(shape)} for {rows} "
                "samples; a feature matrix needs one row per sample."
            )
        if self.pooling == "avg" and len(shape) > 2:
            channels_first = keras.config.image_data_format() == "channels_first"
            axes = range(2, len(shape)) if channels_first else range(1, len(shape) - 1)
            tensor = keras.ops.mean(keras.ops.cast(tensor, "float32"), axis=tuple(axes))
        return tf.reshape(tensor, (rows, -1))

    def _input_of_last_dense(self, calls: list[_Call]) -> _Watched:
        dense = [call for call in calls if isinstance(call.layer, keras.layers.Dense)]
        if not dense:
            raise LayerChoiceError(
                "The model calls no Dense layer, so there is no default layer to "
                f"watch. Choose with `layers=`. {self._known()}"
            )
        last = _Watched(self._label_of(dense[-1].layer), dense[-1].layer, is_input=True)
        try:
            features = _caught(last, calls)
        except LayerChoiceError as error:
            raise LayerChoiceError(
                "The default, the input of the last Dense layer, cannot be watched. "
                f"{error} Choose with `layers=`. {self._known()}"
            ) from None
        for call in calls:
            if call.output is features and call.layer is not self.model:
                return _Watched(self._label_of(call.layer), call.layer)
        return dataclasses.replace(last, label=last.label + _INPUT_SUFFIX)

    def _resolve(self, layers: LayerChoice | Sequence[LayerChoice]) -> list[_Watched]:
        if isinstance(layers, (str, keras.layers.Layer)) or not isinstance(
            layers, Iterable
        ):
            layers = [layers]
        watched: dict[str, _Watched] = {}
        for choice in layers:
            for found in self._matches(choice):
                watched.setdefault(found.label, found)
        if not watched:
            raise LayerChoiceError(f"No layer was chosen. {self._known()}")
        return list(watched.values())

    def _matches(self, choice: LayerChoice) -> list[_Watched]:
        if isinstance(choice, keras.layers.Layer):
            return [_Watched(self._label_of(choice), choice)]
        if not isinstance(choice, str):
            raise LayerChoiceError(
                "A layer is chosen by its name, by 're:' and a regular expression, or "
                f"as an object. Received: {choice!r}"
            )
        if choice.startswith(_REGEX_PREFIX):
            try:
                pattern = re.compile(choice[len(_REGEX_PREFIX) :])
            except re.error as error:
                raise LayerChoiceError(
                    f"{choice!r} is not a regular expression: {error}."
                ) from None
            found = [
                _Watched(label, layer, by_regex=True)
                for label, layer in self._layers.items()
                if layer is not self.model
                and (pattern.search(layer.name) or pattern.search(label))
            ]
            if not found:
                raise LayerChoiceError(f"{choice!r} matches no layer. {self._known()}")
            return found
        if choice in self._layers:
            return [_Watched(choice, self._layers[choice])]
        named = [item for item in self._layers.items() if item[1].name == choice]
        if len(named) > 1:
            raise LayerChoiceError(
                f"{choice!r} names {len(named)} layers. Choose from: "
                + ", ".join(label for label, _ in named)
            )
        if choice.endswith(_INPUT_SUFFIX):
            inner = self._matches(choice.removesuffix(_INPUT_SUFFIX))
            return [
                _Watched(w.label + _INPUT_SUFFIX, w.layer, is_input=True) for w in inner
            ]
        raise LayerChoiceError(f"The model has no layer {choice!r}. {self._known()}")

    def _label_of(self, layer: keras.layers.Layer) -> str:
        for label, known in self._layers.items():
            if known is layer:
                return label
        raise LayerChoiceError(
            f"The layer object {layer.name!r} is not part of the model "
            f"{self.model.name!r}. {self._known()}"
        )

    def _known(self) -> str:
        return "Its layers: " + ", ".join(self._layers)


@contextlib.contextmanager
def _recorded_calls(layers: Iterable[keras.layers.Layer]) -> Iterator[list[_Call]]:
    """Records what goes in and out of layers while the block runs."""
    calls: list[_Call] = []
    patched = []

    def recording(layer: keras.layers.Layer, call: Callable) -> Callable:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            first = args[0] if args else next(iter(kwargs.values()), None)
            calls.append(_Call(layer, first, output))
            return output

        return recorded

    try:
        for layer in layers:
            patched.append((layer, vars(layer).get("call")))
            # A tf.function would trace a graph of its own, out of reach: go past it.
            call = getattr(layer.call, "python_function", layer.call)
            # On the instance, past Keras's attribute tracking; the class is untouched.
            object.__setattr__(layer, "call", recording(layer, call))
        yield calls
    finally:
        for layer, own_call in patched:
            if own_call is None:
                object.__delattr__(layer, "call")
            else:
                object.__setattr__(layer, "call", own_call)


def _caught(watched: _Watched, calls: list[_Call]) -> Any:
    own = [call for call in calls if call.layer is watched.layer]
    if not own:
        raise LayerChoiceError(
            f"Layer {watched.label!r} is part of the model but was not called in its "
            "forward pass at inference."
        )
    tensors = [w.first_input if watched.is_input else w.output for w in own]
    if not all(map(_is_reachable, keras.tree.flatten(tensors))):
        raise LayerChoiceError(
            f"Layer {watched.label!r} runs inside a loop or a tf.function of its own, "
            "where its output cannot be reached. Watch the layer around it."
        )
    if len(own) > 1:
        raise LayerChoiceError(
            f"Layer {watched.label!r} is called {len(own)} times in one forward pass, "
            "so it has no single feature matrix. Watch a layer after it."
        )
    if not tf.is_tensor(tensors[0]):
        raise LayerChoiceError(
            f"Layer {watched.label!r} gives a {type(tensors[0]).__name__}, not one "
            "tensor."
        )
    return tensors[0]


def _is_reachable(tensor: Any) -> bool:
    """Whether a tensor belongs to what is being traced, and not to a graph within."""
    if tf.executing_eagerly() or not hasattr(tensor, "graph"):
        return True
    return tensor.graph is tf.compat.v1.get_default_graph()


def _layers_by_label(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """All layers, nested ones too, by name; where names repeat, by a path that starts
    at the model, `./name` or `outer/name`, and with `#2` where that repeats too."""
    paths: list[tuple[str, keras.layers.Layer]] = []
    seen: set[int] = set()

    def visit(layer: keras.layers.Layer, path: str) -> None:
        for inner in layer._flatten_layers(include_self=False, recursive=False):
            if id(inner) in seen or isinstance(inner, keras.layers.InputLayer):
                continue
            seen.add(id(inner))
            inner_path = f"{path}/{inner.name}" if path else inner.name
            paths.append((inner_path, inner))
            visit(inner, inner_path)

    seen.add(id(model))
    visit(model, "")
    paths.append((model.name, model))
    names = [layer.name for _, layer in paths]
    labelled: dict[str, keras.layers.Layer] = {}
    for path, layer in paths:
        label = layer.name
        if names.count(label) > 1:
            label = path if "/" in path else f"./{path}"
        twins = sum(known.split("#")[0] == label for known in labelled)
        labelled[f"{label}#{twins + 1}" if twins else label] = layer
    return labelled


def _fixed_batch_size(model: keras.Model) -> int | None:
    """The batch size that a model was built for, if it takes no other."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return None
    return inputs[0].shape[0]


def _n_rows(inputs: Any) -> int:
    return keras.tree.flatten(inputs)[0].shape[0]


def _as_tensors(inputs: Any) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, inputs)


def _pad_rows(inputs: Any, n: int) -> Any:
    """Repeats the last sample `n` times."""
    if n == 0:
        return inputs
    return keras.tree.map_structure(
        lambda array: np.concatenate([array, np.repeat(array[-1:], n, axis=0)]), inputs
    )
