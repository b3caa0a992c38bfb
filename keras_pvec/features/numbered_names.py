"""Names that Keras gave to layers, which differ from one model to the next.

Keras numbers unnamed layers through a process, so the second Dense layer of a network
is `dense_1` in the first model that is built and `dense_4` in the next. Layers of one
kind correspond in the order of their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import keras

# A layer's name in a label such as "encoder/dense_7@2.input".
_NUMBERED = re.compile(r"^(?P<before>(.*/)?)(?P<name>[^/@#]+?)(?P<after>([@#.].*)?)$")


class _Kind(NamedTuple):
    """Labels that differ only in the number of the layer."""

    before: str
    name: str
    after: str


def counterpart(
    name: str, layers: Iterable[keras.layers.Layer]
) -> keras.layers.Layer | None:
    """The layer that would have an automatic name if its model were the first one.

    Args:
        name: A name such as `dense_1`, which none of the layers has.
        layers: The layers of a model.

    Returns:
        The layer; `None` if `name` is not an automatic name of one of their kinds, or
        there are not so many layers of that kind.
    """
    kind, number = _kind_and_number(name)
    same_kind = [x for x in layers if _has_automatic_name(x) and _kind_of(x) == kind]
    same_kind.sort(key=lambda layer: _kind_and_number(layer.name)[1])
    return same_kind[number] if number < len(same_kind) else None


def corresponding_labels(
    labels: Mapping[str, keras.layers.Layer],
    known: Sequence[str],
    layers: Iterable[keras.layers.Layer] = (),
) -> dict[str, str]:
    """The labels of another model that stand for the same layers.

    Labels of a kind correspond in order if there are as many on both sides. If a name
    occurs on both sides, they do so only if `labels` has all layers of that kind:
    otherwise it may be the same model, and another choice of its layers.

    Args:
        labels: Layers of a model by label.
        known: Labels of the other model, whose layers are not at hand.
        layers: All layers of the model.

    Returns:
        A dict from label to the other label, for layers with automatic names.
    """
    ours: dict[_Kind, list[str]] = {}
    theirs: dict[_Kind, list[str]] = {}
    for label, layer in labels.items():
        if _has_automatic_name(layer):
            ours.setdefault(_kind_of_label(label), []).append(label)
    for label in known:
        theirs.setdefault(_kind_of_label(label), []).append(label)
    automatic = [_kind_of(layer) for layer in layers if _has_automatic_name(layer)]
    pairs: dict[str, str] = {}
    for kind, group in ours.items():
        others = theirs.get(kind, [])
        is_whole_kind = automatic.count(kind.name) == len(group)
        if len(group) == len(others) and (
            is_whole_kind or set(group).isdisjoint(others)
        ):
            group.sort(key=_number_of_label)
            others.sort(key=_number_of_label)
            pairs.update(zip(group, others, strict=True))
    return pairs


def relabelled(
    entries: Mapping[str, Any],
    labels: Mapping[str, keras.layers.Layer],
    layers: Iterable[keras.layers.Layer] = (),
) -> dict[str, Any]:
    """Entries of another model, by its labels and by those of the corresponding layers
    of this one; see `corresponding_labels`."""
    others = corresponding_labels(labels, list(entries), layers)
    return {**entries, **{label: entries[other] for label, other in others.items()}}


def _has_automatic_name(layer: keras.layers.Layer) -> bool:
    return _kind_and_number(layer.name)[0] == _kind_of(layer)


def _kind_of(layer: keras.layers.Layer) -> str:
    """The name of a layer's class as Keras spells it in names."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _kind_and_number(name: str) -> tuple[str, int]:
    kind, _, number = name.rpartition("_")
    return (kind, int(number)) if kind and number.isdecimal() else (name, 0)


def _parts(label: str) -> tuple[str, str, str]:
    match = _NUMBERED.match(label)
    if match is None:
        return "", label, ""
    return match["before"], match["name"], match["after"]


def _kind_of_label(label: str) -> _Kind:
    before, name, after = _parts(label)
    return _Kind(before, _kind_and_number(name)[0], after)


def _number_of_label(label: str) -> int:
    return _kind_and_number(_parts(label)[1])[1]
