"""Which layers of a model to watch: names, paths, regular expressions, objects."""

from __future__ import annotations

import dataclasses
import difflib
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import keras

from keras_pvec.features.numbered_names import corresponding_labels, counterpart

LayerChoice: TypeAlias = str | keras.layers.Layer

INPUT_SUFFIX = ".input"
_REGEX_PREFIX = "re:"
# A layer that is called several times: "name@2" is its second call.
_CALL = re.compile(r"^(?P<layer>.+)@(?P<number>\d+)$")
# A layer with several tensors: "name[0]" is the first, "name[key]" one of a dict.
_ELEMENT = re.compile(r"^(?P<layer>.+)\[(?P<key>[^\[\]]+)\]$")


class LayerChoiceError(ValueError):
    """The chosen layers cannot be watched; the message lists those that can."""


@dataclasses.dataclass(frozen=True)
class WatchedTensor:
    """A tensor to capture: the output, or the first input, of a layer.

    Attributes:
        label: Name in logs.
        layer: The layer.
        is_input: Whether the first input is watched instead of the output.
        by_regex: Whether a regular expression chose it, not its own name.
        call: Which call of the layer in a forward pass, counted from 1; `None` for its
            only call.
        element: Index or key of the tensor, if there are several.
    """

    label: str
    layer: keras.layers.Layer
    is_input: bool = False
    by_regex: bool = False
    call: int | None = None
    element: str | None = None


def call_label(label: str, number: int) -> str:
    """The name of a call of a layer, counted from 1."""
    return f"{label}@{number}"


def element_label(label: str, key: int | str) -> str:
    """The name of one of the tensors that a layer returns."""
    return f"{label}[{key}]"


class LabelledLayers:
    """The layers of a model, including nested ones, by unique labels.

    A label is the layer's name; where names repeat, a path from the model, `./name` or
    `outer/name`; where paths repeat too, with `#2`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        paths = [*_layer_paths(model, "", {id(model)}), (model.name, model)]
        self._by_label = _layers_by_label(paths)
        self._paths = [path for path, _ in paths]  # in the order of `_by_label`

    @property
    def layers(self) -> list[keras.layers.Layer]:
        return list(self._by_label.values())

    def label_of(self, layer: keras.layers.Layer) -> str:
        """The label of a layer object.

        Raises:
            LayerChoiceError: The layer is not part of the model.
        """
        for label, known in self._by_label.items():
            if known is layer:
                return label
        raise LayerChoiceError(
            f"The layer object {layer.name!r} is not part of the model "
            f"{self._model.name!r}. {self.listing()}"
        )

    def listing(self) -> str:
        """A sentence for errors that lists all labels."""
        return "Its layers: " + ", ".join(self._by_label)

    def resolve(
        self, choices: LayerChoice | Sequence[LayerChoice]
    ) -> list[WatchedTensor]:
        """Returns the tensors that the user's choices stand for, each once.

        Raises:
            LayerChoiceError: A choice matches no layer, or a name belongs to several.
        """
        if isinstance(choices, (str, keras.layers.Layer)) or not isinstance(
            choices, Iterable
        ):
            choices = [choices]
        watched: dict[str, WatchedTensor] = {}
        for choice in choices:
            for match in self._matches(choice):
                watched.setdefault(match.label, match)
        if not watched:
            raise LayerChoiceError(f"No layer was chosen. {self.listing()}")
        return list(watched.values())

    def _matches(self, choice: LayerChoice) -> list[WatchedTensor]:
        if isinstance(choice, keras.layers.Layer):
            return [WatchedTensor(self.label_of(choice), choice)]
        if not isinstance(choice, str):
            raise LayerChoiceError(
                "A layer is chosen by its name, by 're:' and a regular expression, or "
                f"as an object. Received: {choice!r}"
            )
        if choice.startswith(_REGEX_PREFIX):
            return self._matches_of_regex(choice)
        if (layer := self._layer_named(choice)) is not None:
            return [WatchedTensor(choice, layer)]
        if choice.endswith(INPUT_SUFFIX):
            return [
                dataclasses.replace(w, label=w.label + INPUT_SUFFIX, is_input=True)
                for w in self._matches(choice.removesuffix(INPUT_SUFFIX))
            ]
        if found := _CALL.match(choice):
            number = _call_number(choice, found["number"])
            return [
                dataclasses.replace(w, label=call_label(w.label, number), call=number)
                for w in self._matches(found["layer"])
            ]
        if found := _ELEMENT.match(choice):
            key = found["key"]
            return [
                dataclasses.replace(w, label=element_label(w.label, key), element=key)
                for w in self._matches(found["layer"])
            ]
        if (layer := counterpart(choice, self.layers)) is not None:
            warnings.warn(
                f"The model has no layer {choice!r}. Keras numbered its layers anew; "
                f"{layer.name!r} is the one in that place, and is watched as "
                f"{choice!r}. Give layers names to choose them by.",
                stacklevel=2,
            )
            return [WatchedTensor(choice, layer)]
        close = difflib.get_close_matches(choice, self._by_label, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise LayerChoiceError(
            f"The model has no layer {choice!r}.{hint} {self.listing()}"
        )

    def _layer_named(self, choice: str) -> keras.layers.Layer | None:
        """The layer with a label, a name or the end of a path; `None` if none has.

        Raises:
            LayerChoiceError: Several layers have it.
        """
        if choice in self._by_label:
            return self._by_label[choice]
        path = choice.removeprefix("./")
        below_model = path.removeprefix(f"{self._model.name}/")
        named = self._labels_at(path)
        if "/" in choice:
            named = (
                self._labels_at(path, exact=True)
                or named
                or self._labels_at(below_model, exact=True)
            )
        if len(named) > 1:
            raise LayerChoiceError(
                f"{choice!r} names {len(named)} layers. Choose from: "
                + ", ".join(named)
            )
        return self._by_label[named[0]] if named else None

    def _labels_at(self, path: str, *, exact: bool = False) -> list[str]:
        """Labels of the layers with a path, or with a path that ends with it."""
        return [
            label
            for label, known in zip(self._by_label, self._paths, strict=True)
            if known == path or (not exact and known.endswith("/" + path))
        ]

    def _matches_of_regex(self, choice: str) -> list[WatchedTensor]:
        try:
            pattern = re.compile(choice.removeprefix(_REGEX_PREFIX))
        except re.error as error:
            raise LayerChoiceError(
                f"{choice!r} is not a regular expression: {error}."
            ) from None
        # Paths only for patterns of paths: "re:conv" does not mean "conv_block/norm".
        is_of_paths = "/" in pattern.pattern
        matches = [
            WatchedTensor(label, layer, by_regex=True)
            for (label, layer), path in zip(
                self._by_label.items(), self._paths, strict=True
            )
            if layer is not self._model
            and (
                pattern.search(layer.name)
                or pattern.search(label)
                or (is_of_paths and pattern.search(path))
            )
        ]
        if not matches:
            raise LayerChoiceError(f"{choice!r} matches no layer. {self.listing()}")
        return matches


def with_known_labels(
    watched: Sequence[WatchedTensor],
    known: Sequence[str],
    layers: Sequence[keras.layers.Layer],
) -> list[WatchedTensor]:
    """The watched tensors under the labels that an earlier run gave to them, where only
    the numbers of automatic names differ."""
    labels = {tensor.label: tensor.layer for tensor in watched}
    renamed = corresponding_labels(labels, known, layers)
    return [
        dataclasses.replace(tensor, label=renamed.get(tensor.label, tensor.label))
        for tensor in watched
    ]


def check_choices(layers: LayerChoice | Sequence[LayerChoice] | None) -> None:
    """Checks that `layers` is a valid choice for some model.

    Raises:
        LayerChoiceError: No layer, or a value of the wrong type.
    """
    if layers is None or isinstance(layers, (str, keras.layers.Layer)):
        return
    choices = list(layers) if isinstance(layers, Iterable) else [layers]
    for choice in choices:
        if not isinstance(choice, (str, keras.layers.Layer)):
            raise LayerChoiceError(
                "A layer is chosen by its name, by 're:' and a regular expression, or "
                f"as an object. Received: {choice!r}"
            )
    if not choices:
        raise LayerChoiceError(
            "`layers` is empty. Name at least one layer, or leave it out for the input "
            "of the head."
        )


def _call_number(choice: str, digits: str) -> int:
    if int(digits) < 1:
        raise LayerChoiceError(
            f"Calls of a layer are counted from 1, as in 'name@1'. Received: {choice!r}"
        )
    return int(digits)


def _layers_by_label(
    paths: Sequence[tuple[str, keras.layers.Layer]],
) -> dict[str, keras.layers.Layer]:
    names = [layer.name for _, layer in paths]
    labelled: dict[str, keras.layers.Layer] = {}
    for path, layer in paths:
        label = layer.name
        if names.count(label) > 1:
            label = path if "/" in path else f"./{path}"
        twins = sum(known.split("#")[0] == label for known in labelled)
        labelled[f"{label}#{twins + 1}" if twins else label] = layer
    return labelled


def _layer_paths(
    layer: keras.layers.Layer, path: str, seen: set[int]
) -> list[tuple[str, keras.layers.Layer]]:
    """Nested layers, each once, with their name paths, outer layers first."""
    paths = []
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        if id(inner) in seen or isinstance(inner, keras.layers.InputLayer):
            continue
        seen.add(id(inner))
        inner_path = f"{path}/{inner.name}" if path else inner.name
        paths.append((inner_path, inner))
        paths += _layer_paths(inner, inner_path, seen)
    return paths
