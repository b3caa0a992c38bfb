"""The variants of a classifier that the generalization study trains."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Variant:
    """How one run of the generalization study differs from its architecture's base.

    Attributes:
        name: `"base"`, or `"<factor>=<level>"`.
        width: Factor on the width of the network.
        switch_augment: Whether to augment where the base does not, and the other way
            round.
        weight_decay: Replaces the base's.
        rate: Factor on the learning rate.
        label_noise: Share of the training labels that are wrong.
        train_share: Share of the training images that are used.
    """

    name: str
    width: float = 1.0
    switch_augment: bool = False
    weight_decay: float | None = None
    rate: float = 1.0
    label_noise: float = 0.0
    train_share: float = 1.0


# One factor at a time around the base of each architecture, so that models that differ
# in nothing else can be compared.
GENERALIZATION_VARIANTS: tuple[Variant, ...] = (
    Variant("base"),
    Variant("width=0.5", width=0.5),
    Variant("width=2", width=2.0),
    Variant("augment=switched", switch_augment=True),
    Variant("weight_decay=0.001", weight_decay=1e-3),
    Variant("weight_decay=0.005", weight_decay=5e-3),
    Variant("rate=0.2", rate=0.2),
    Variant("rate=3", rate=3.0),
    Variant("label_noise=0.2", label_noise=0.2),
    Variant("label_noise=0.5", label_noise=0.5),
    Variant("train_share=0.5", train_share=0.5),
    Variant("train_share=0.2", train_share=0.2),
)
