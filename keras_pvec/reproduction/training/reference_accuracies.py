"""Test accuracies that well-trained networks of a size reach: published ones or, where
none is published for a network, those of the same network trained for twice as long."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ReferenceAccuracy:
    """The accuracy that a well-trained network of a size reaches on a data set.

    Attributes:
        accuracy: Fraction of the test images that are classified correctly; for
            networks trained without labels, by a linear classifier on their features.
        source: Where the number was published, and for which network; or that it is of
            a longer training.
    """

    accuracy: float
    source: str


_HE = "He et al. 2016 (arXiv 1512.03385), table 6"
_ZAGORUYKO = "Zagoruyko and Komodakis 2016 (arXiv 1605.07146), table 5"
_TIAN = "Tian et al. 2020 (arXiv 1910.10699), table 1"
_ZHANG = "Zhang et al. 2017 (arXiv 1611.03530), table 1"
_LECUN = "LeCun et al. 1998, figure 9"
_LONGER = "the same network trained for twice as long, seed 0"

# By preset, data set and canonical name of the network.
REFERENCE_ACCURACIES: dict[tuple[str, str, str], ReferenceAccuracy] = {
    ("whole", "cifar10", "mlp"): ReferenceAccuracy(
        0.5335, f"{_ZHANG}: MLP of three layers of 512, the same network"
    ),
    ("whole", "cifar10", "resnet18"): ReferenceAccuracy(
        0.9283, f"{_HE}: ResNet-44, 0.66 million parameters (here 0.70)"
    ),
    ("whole", "cifar10", "wide_resnet28_1"): ReferenceAccuracy(
        0.9249, f"{_HE}: ResNet-32, 0.46 million parameters (here 0.37)"
    ),
    ("whole", "cifar10", "resnet50"): ReferenceAccuracy(
        0.9339,
        f"{_HE}: ResNet-110, mean of five, 1.7 million parameters (here 1.5)",
    ),
    ("whole", "cifar10", "autoencoder"): ReferenceAccuracy(
        0.3811, f"{_LONGER}, 120 epochs"
    ),
    ("whole", "mnist", "autoencoder"): ReferenceAccuracy(
        0.9247, f"{_LONGER}, 60 epochs"
    ),
    ("whole", "cifar100", "autoencoder"): ReferenceAccuracy(
        0.1745, f"{_LONGER}, 120 epochs"
    ),
    ("whole", "cifar100", "mlp"): ReferenceAccuracy(0.2400, f"{_LONGER}, 80 epochs"),
    ("whole", "cifar100", "resnet18"): ReferenceAccuracy(
        0.6911,
        f"{_ZAGORUYKO}: Wide-ResNet-40-1, 0.6 million parameters (here 0.71)",
    ),
    ("whole", "cifar100", "wide_resnet28_1"): ReferenceAccuracy(
        0.6906, f"{_TIAN}: ResNet-20, 0.28 million parameters (here 0.38)"
    ),
    ("whole", "mnist", "mlp"): ReferenceAccuracy(
        0.9840, "Simard et al. 2003: MLP of 800 hidden units, cross entropy"
    ),
    ("whole", "mnist", "resnet18"): ReferenceAccuracy(0.9905, f"{_LECUN}: LeNet-5"),
    ("whole", "mnist", "wide_resnet28_1"): ReferenceAccuracy(
        0.9905, f"{_LECUN}: LeNet-5"
    ),
    ("whole", "mnist", "resnet50"): ReferenceAccuracy(0.9905, f"{_LECUN}: LeNet-5"),
    ("paper", "cifar10", "wide_resnet28_10"): ReferenceAccuracy(
        0.9600, f"{_ZAGORUYKO}: Wide-ResNet-28-10"
    ),
    ("paper", "cifar100", "wide_resnet28_10"): ReferenceAccuracy(
        0.8075, f"{_ZAGORUYKO}: Wide-ResNet-28-10"
    ),
}
