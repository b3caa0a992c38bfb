"""Readings in words: levels, factors and quantities, as figures name them."""

from __future__ import annotations

from keras_pvec.reproduction.figures.look import MATRIX_NAMES

# Names of levels that do not explain themselves.
_LEVEL_LABELS = {
    "train": "training samples",
    "test": "test samples",
    "train and test": "training and test samples",
    "shuffled rows": "shuffled rows (a mistake)",
    **{name: text.removeprefix("the ") for name, text in MATRIX_NAMES.items()},
}

# Names of factors that are not what they are called in tables.
_FACTOR_LABELS = {
    "compared_with": "reference of the angle",
    "extraction": "forward pass",
    "n_samples": "number of samples",
    "representation": "features",
    "start": "starting moment",
    "vectors": "singular vectors",
}


def level_label(level: str) -> str:
    """A level of a factor in words."""
    return _LEVEL_LABELS.get(level, level)


def factor_label(factor: str) -> str:
    """A factor of readings in words.

    Args:
        factor: Its column.
    """
    return _FACTOR_LABELS.get(factor, factor.replace("_", " "))


def quantity_label(quantity: str, unit: str) -> str:
    """A quantity in words, with its unit.

    Args:
        quantity: Its name in tables, e.g. `"end_angle_deg"`.
        unit: E.g. `"degrees"`; `""` for none.
    """
    name = quantity.removesuffix("_deg").replace("_", " ")
    return f"{name} ({unit})" if unit else name
