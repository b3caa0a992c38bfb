"""How P-vectors of a model are measured."""

from __future__ import annotations

import dataclasses
import numbers

METHODS = ("fast", "exact")
POOLINGS = (None, "avg")


@dataclasses.dataclass(frozen=True)
class MeasurementOptions:
    """How P-vectors of a model are measured.

    Attributes:
        k: Number of left singular vectors per layer.
        method: `"fast"`, or `"exact"` for the backend's SVD in float64, which holds all
            features and takes every singular vector.
        pooling: `None` flattens each sample's features to a row; `"avg"` first
            averages over all axes but the channels.
        batch_size: Samples per forward call.
        max_feature_bytes: Bytes of features that are held at once, over all layers.
            Layers that do not fit take further forward passes.

    Raises:
        ValueError: A value is out of range, or not one of those listed.
    """

    k: int = 1
    method: str = "fast"
    pooling: str | None = None
    batch_size: int = 256
    max_feature_bytes: int = 2**28

    def __post_init__(self) -> None:
        for name, lowest in (("k", 1), ("batch_size", 1), ("max_feature_bytes", 0)):
            value = getattr(self, name)
            is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            if not is_int or value < lowest:
                raise ValueError(
                    f"`{name}` must be an int, at least {lowest}. Received: "
                    f"{name}={value!r}"
                )
        for name, allowed in (("method", METHODS), ("pooling", POOLINGS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"`{name}` must be one of {allowed}. Received: {name}={value!r}"
                )
