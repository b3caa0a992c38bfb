"""Describes the defaults of presets and recipes for help texts."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable

from keras_pvec.reproduction.training import PRESETS, RECIPES, recipe_of


def describe_preset(name: str, otherwise: str | None = None) -> str:
    """Describes a field of the presets, as in `"5000 for 'small', all for 'paper'"`.

    Args:
        name: Name of the field.
        otherwise: Name of the field to use where the first one is `None`.
    """
    return _listing(
        (
            getattr(preset, name)
            or (otherwise and getattr(preset, otherwise))
            or "all",
            repr(key),
        )
        for key, preset in PRESETS.items()
    )


def describe_epochs() -> str:
    """Describes the epochs of each preset, as a range if they depend on the model or
    the data set."""
    parts = []
    for key, preset in PRESETS.items():
        by_data_set = (by_model.values() for by_model in preset.epochs_on.values())
        epochs = {
            preset.epochs,
            *preset.epochs_of.values(),
            *itertools.chain.from_iterable(by_data_set),
        }
        text = " to ".join(map(str, sorted({min(epochs), max(epochs)})))
        parts.append((text + " by model and data set" * (len(epochs) > 1), repr(key)))
    return _listing(parts)


def describe_recipe(name: str) -> str:
    """A field of the recipes, with the architectures that have each value."""
    parts = []
    for architecture, recipe in RECIPES.items():
        values = {
            key: getattr(recipe_of(preset, architecture), name)
            for key, preset in PRESETS.items()
        }
        common = getattr(recipe, name)
        others = [
            f"{_text(value)} with {key!r}"
            for key, value in values.items()
            if value != common
        ]
        parts.append((", ".join([_text(common), *others]), architecture))
    return _listing(parts, separator="; ")


def _listing(parts: Iterable[tuple[object, str]], separator: str = ", ") -> str:
    """Joins values and their owners, each value once."""
    owners: dict[object, list[str]] = defaultdict(list)
    for value, owner in parts:
        owners[value].append(owner)
    return separator.join(f"{v} for {', '.join(o)}" for v, o in owners.items())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
