"""What the P-vectors of a training are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from keras_pvec.comparison import check_samples_of
from keras_pvec.pvector import PVector
from keras_pvec.samples import SampleSource

# The reference to the previously logged moment.
PREVIOUS = "previous"

Reference: TypeAlias = PVector | Mapping[str, PVector] | str


def checked_references(
    references: Mapping[str, Reference] | None, samples: SampleSource
) -> dict[str, Reference]:
    """Checks references and returns them by name.

    Args:
        references: References by name.
        samples: The samples that they are compared on.

    Raises:
        ValueError: A reference that is neither a `PVector`, nor a dict from layer to
            `PVector`, nor `"previous"`; or one that holds NaN or infinity.
        SampleMismatchError: A reference of other samples.
    """
    if references is None:
        return {}
    if not isinstance(references, Mapping):
        raise ValueError(
            "`references` must be a dict from name to PVector, e.g. {'data': "
            f"kp.data_p_vector(samples)}}. Received: {type(references).__name__}"
        )
    for name, reference in references.items():
        if not isinstance(name, str) or not name or not _is_reference(reference):
            raise ValueError(
                f"Reference {name!r} must be a PVector, a dict from layer to PVector, "
                f"or {PREVIOUS!r}. Received: {reference!r}"
            )
        for p in _p_vectors_of(reference):
            check_samples_of(p, samples, f"Reference {name!r}")
    return dict(references)


def reference_of_layer(
    name: str, reference: Reference, layer: str, previous: Mapping[str, PVector]
) -> PVector | None:
    """What a layer is compared with; `None` if there is no previous moment yet.

    Raises:
        ValueError: The reference has P-vectors of other layers only.
    """
    if isinstance(reference, str):
        return previous.get(layer)
    if isinstance(reference, Mapping):
        if layer not in reference:
            raise ValueError(
                f"Reference {name!r} has no P-vector for layer {layer!r}; it has "
                f"{list(reference)}."
            )
        return reference[layer]
    return reference


def _p_vectors_of(reference: Reference) -> list[PVector]:
    if isinstance(reference, Mapping):
        return list(reference.values())
    return [] if isinstance(reference, str) else [reference]


def _is_reference(reference: object) -> bool:
    if isinstance(reference, Mapping):
        return all(isinstance(value, PVector) for value in reference.values())
    if isinstance(reference, str):
        return reference == PREVIOUS
    return isinstance(reference, PVector)
