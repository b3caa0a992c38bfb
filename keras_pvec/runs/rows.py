"""Rows of `log.csv`: the P-vectors of a moment, compared with the references."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_pvec.comparison import compare, describe
from keras_pvec.pvector import PVector
from keras_pvec.runs.references import Reference, reference_of_layer
from keras_pvec.runs.schema import Moment, log_row


@dataclasses.dataclass(frozen=True)
class MomentRows:
    """Makes the rows of moments.

    Attributes:
        references: As `checked_references` returns them.
        prefix: Prefix of the names of angles.
        first_layer: The layer whose angles are named without it.
    """

    references: Mapping[str, Reference]
    prefix: str
    first_layer: str

    def of(
        self,
        moment: Moment,
        p_vectors: Mapping[str, PVector],
        previous: Mapping[str, PVector],
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """The rows of a moment, and its angles by their names in Keras's `logs`.

        Args:
            moment: The moment.
            p_vectors: Its P-vectors by layer.
            previous: Those of the moment before.

        Raises:
            ValueError: A reference lacks a layer.
        """
        rows: list[dict[str, Any]] = []
        angles: dict[str, float] = {}
        for layer, p in p_vectors.items():
            if not self.references:
                rows.append(log_row(moment, p, "", describe(p)))
            for name, reference in self.references.items():
                q = reference_of_layer(name, reference, layer, previous)
                comparison = describe(p) if q is None else compare(p, q)
                rows.append(log_row(moment, p, name, comparison))
                if comparison.angle_deg is not None:
                    angles[self.angle_name(name, layer)] = comparison.angle_deg
        return rows, angles

    def angle_name(self, reference: str, layer: str) -> str:
        """The name of an angle in Keras's `logs`."""
        of_layer = "" if layer == self.first_layer else f"_{layer}"
        return f"{self.prefix}_angle_{reference}{of_layer}"
