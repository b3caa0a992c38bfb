"""The precondition of claims about well-trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from keras_pvec.reproduction.analysis.schema import (
    OTHER,
    OTHER_WELL_TRAINED,
    RUN,
    WELL_TRAINED,
)

_NETWORKS = ((RUN, WELL_TRAINED), (OTHER, OTHER_WELL_TRAINED))


class Gate(NamedTuple):
    """Which networks a rating counts.

    Attributes:
        badly_trained: Labels of the networks that are known not to be well trained.
        unknown: Labels of those of which it is not known.
        is_open: Whether any other network is left.
    """

    badly_trained: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    is_open: bool = True

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of well-trained networks; all rows if no network is left, to be
        described."""
        if not self.is_open or not self.badly_trained:
            return table
        kept = pd.Series(True, index=table.index)
        for label, _ in _NETWORKS:
            if label in table:
                kept &= ~table[label].isin(self.badly_trained)
        return table[kept]

    @property
    def n_left_out(self) -> int:
        return len(self.badly_trained)


def gate_of(tables: Sequence[pd.DataFrame]) -> Gate:
    """The gate for the networks of tables that have `well_trained`: true, false, or
    empty where it is not known. Without that column it is not known of any."""
    quality: dict[str, bool | None] = {}
    for table in tables:
        for label, column in _NETWORKS:
            if label not in table:
                continue
            known = table[column] if column in table else [None] * len(table)
            for name, value in zip(table[label], known, strict=True):
                found = None if pd.isna(value) else bool(value)
                quality[name] = quality.get(name) if found is None else found
    bad = frozenset(name for name, value in quality.items() if value is False)
    unknown = frozenset(name for name, value in quality.items() if value is None)
    return Gate(bad, unknown, is_open=len(bad) < len(quality) or not quality)
