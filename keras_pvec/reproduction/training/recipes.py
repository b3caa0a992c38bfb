"""How each model is optimised, how much of everything a preset takes, and what accuracy
a well-trained network of its size has."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from keras_pvec.reproduction.models import MODELS, parse_model_name


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is optimised.

    Attributes:
        optimizer: `"sgd"` (Nesterov momentum 0.9) or `"adam"`.
        learning_rate: At the start.
        weight_decay: Coefficient of the L2 penalty as papers give it; biases and
            BatchNormalization are spared. It is applied decoupled from the gradient
            (Loshchilov and Hutter 2019), at the strength that it has with momentum.
        milestones: Shares of the training after which the rate is multiplied by
            `factor`. Empty: the rate falls along half a cosine.
        factor: See `milestones`.
        augment: Whether to pad, crop and flip, where that suits the data. Contrastive
            models learn from augmentation (of another kind) and cannot do without.
        decay_share: Share of the training after which the cosine has come down.
        final_rate: What it comes down to, as a share of `learning_rate`; the rate stays
            there for the rest of the training.
    """

    optimizer: str
    learning_rate: float
    weight_decay: float = 0.0
    milestones: Sequence[float] = ()
    factor: float = 0.1
    augment: bool = True
    decay_share: float = 1.0
    final_rate: float = 0.0


RECIPES: dict[str, Recipe] = {
    # Adam with the rate of its authors, and the images as they are (Kingma and Ba 2015,
    # section 6.2).
    "mlp": Recipe("adam", 1e-3, augment=False),
    # An autoencoder sees the images as they are.
    "autoencoder": Recipe("adam", 1e-3, augment=False),
    "denoising_autoencoder": Recipe("adam", 1e-3, augment=False),
    "dense_autoencoder": Recipe("adam", 1e-3, augment=False),
    # Decay and cosine of Chen et al. 2020 (section 2.2), with Adam in place of LARS,
    # which is made for batches of thousands.
    "simclr": Recipe("adam", 1e-3, weight_decay=1e-6),
    # What CIFAR models are customarily trained with: rate and momentum of He et al.
    # 2016 (section 4.2), decay of Zagoruyko and Komodakis 2016, cosine of Loshchilov
    # and Hutter 2017.
    "resnet": Recipe("sgd", 0.1, weight_decay=5e-4),
    # The same at half the rate, since there are no shortcuts.
    "vgg": Recipe("sgd", 0.05, weight_decay=5e-4),
    # Zagoruyko and Komodakis 2016, section 3: epochs 60, 120 and 160 of 200.
    "wide_resnet": Recipe(
        "sgd", 0.1, weight_decay=5e-4, milestones=[0.3, 0.6, 0.8], factor=0.2
    ),
    # Huang et al. 2017, section 4.2: half and three quarters of the epochs.
    "densenet": Recipe("sgd", 0.1, weight_decay=1e-4, milestones=[0.5, 0.75]),
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """How much of everything: data, epochs, width.

    Attributes:
        epochs: Passes over the training images.
        train_samples: Size of the training subset; `None` for all.
        test_samples: How many test images are evaluated; `None` for all.
        num_samples: How many samples of either split P-vectors are taken on; `None`
            for all.
        model_options: Keyword arguments of the builders, by model name; those of a
            variant such as `"resnet-50"` come on top of those of its key.
        variant_width: Factor on all widths in a study that trains many variants.
        variant_train_samples: Size of the training subset of such a study; `None` for
            `train_samples`.
        recipe_changes: What differs from `RECIPES`, by model name, likewise.
        epochs_of: Epochs by model name, where they are not `epochs`, likewise; and by
            data set, in front of a colon, as in `"mnist:mlp"`.
    """

    epochs: int
    train_samples: int | None
    test_samples: int | None
    num_samples: int | None
    model_options: Mapping[str, Mapping[str, Any]]
    variant_width: float = 1.0
    variant_train_samples: int | None = None
    recipe_changes: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    epochs_of: Mapping[str, int] = dataclasses.field(default_factory=dict)


# A cosine that comes down early and leaves the last tenth at a hundredth of the rate:
# step schedules of the papers end in such a phase as well, and whether a training has
# converged can be seen in it.
_EARLY_COSINE = {
    "milestones": (),
    "decay_share": 0.9,
    "final_rate": 0.01,
}

PRESETS: dict[str, Preset] = {
    "small": Preset(
        epochs=15,
        train_samples=5000,
        test_samples=2000,
        num_samples=1000,
        model_options={
            "mlp": {"width": 256},
            "resnet": {"width": 16},
            "resnet-50": {"width": 8},
            "wide_resnet": {"depth": 16, "widen": 1},
            "vgg": {"width": 16},
            "densenet": {"growth": 8},
            "autoencoder": {"width": 16, "bottleneck": 64},
            "denoising_autoencoder": {"width": 16, "bottleneck": 64},
            "dense_autoencoder": {"width": 256, "bottleneck": 64},
        },
        variant_width=0.5,
    ),
    # Narrow networks on the whole data set, until they are well trained: far fewer
    # epochs than in the papers, along a cosine. Weight decay lies between the 1e-4 of
    # He et al. and the 5e-4 of wide networks, since narrow ones hardly overfit.
    "whole": Preset(
        epochs=30,
        train_samples=None,
        test_samples=None,
        num_samples=1000,
        model_options={
            "mlp": {"width": 512},
            "resnet": {"width": 16},
            "wide_resnet": {"depth": 28, "widen": 1},
            "vgg": {"width": 16},
            "densenet": {"growth": 8},
            "autoencoder": {"width": 16, "bottleneck": 64},
            "denoising_autoencoder": {"width": 16, "bottleneck": 64},
            "dense_autoencoder": {"width": 256, "bottleneck": 64},
        },
        variant_width=0.5,
        variant_train_samples=25000,
        recipe_changes=dict.fromkeys(RECIPES, _EARLY_COSINE)
        | {
            name: {**_EARLY_COSINE, "weight_decay": 2e-4}
            for name in ("resnet", "wide_resnet", "vgg", "densenet")
        },
        epochs_of={
            "mlp": 40,
            "autoencoder": 60,
            "denoising_autoencoder": 60,
            "dense_autoencoder": 60,
            "simclr": 60,
            "resnet-50": 20,
            "mnist:mlp": 20,
            "mnist:resnet": 10,
            "mnist:resnet-50": 10,
            "mnist:wide_resnet": 10,
            "mnist:autoencoder": 30,
            "mnist:simclr": 20,
        },
    ),
    # 200 epochs of batch 128 on the whole set, at full width, as in the paper.
    "paper": Preset(
        epochs=200,
        train_samples=None,
        test_samples=None,
        num_samples=10000,
        model_options={},
    ),
}


@dataclasses.dataclass(frozen=True)
class ReferenceAccuracy:
    """What a well-trained network of a size reaches on a data set.

    Attributes:
        accuracy: Share of the test images that are classified rightly; for networks
            without labels by a linear classifier on their features.
        source: Where it is from.
    """

    accuracy: float
    source: str


_HE = "He et al. 2016 (arXiv 1512.03385), table 6"
_ZAGORUYKO = "Zagoruyko and Komodakis 2016 (arXiv 1605.07146), table 5"
_TIAN = "Tian et al. 2020 (arXiv 1910.10699), table 1"
_ZHANG = "Zhang et al. 2017 (arXiv 1611.03530), table 1"
_LECUN = "LeCun et al. 1998, figure 9"

# By preset, data set and model.
REFERENCE_ACCURACIES: dict[tuple[str, str, str], ReferenceAccuracy] = {
    ("whole", "cifar10", "mlp"): ReferenceAccuracy(
        0.5335, f"{_ZHANG}: MLP of three layers of 512, the same network"
    ),
    ("whole", "cifar10", "resnet"): ReferenceAccuracy(
        0.9283, f"{_HE}: ResNet-44, 0.66 million parameters (ours 0.70)"
    ),
    ("whole", "cifar10", "wide_resnet"): ReferenceAccuracy(
        0.9249, f"{_HE}: ResNet-32, 0.46 million parameters (ours 0.37)"
    ),
    ("whole", "cifar10", "resnet-50"): ReferenceAccuracy(
        0.9339, f"{_HE}: ResNet-110, mean of five, 1.7 million parameters (ours 1.5)"
    ),
    ("whole", "cifar100", "resnet"): ReferenceAccuracy(
        0.6911, f"{_ZAGORUYKO}: Wide-ResNet-40-1, 0.6 million parameters (ours 0.71)"
    ),
    ("whole", "cifar100", "wide_resnet"): ReferenceAccuracy(
        0.6906, f"{_TIAN}: ResNet-20, 0.28 million parameters (ours 0.38)"
    ),
    ("whole", "mnist", "mlp"): ReferenceAccuracy(
        0.9840, "Simard et al. 2003: MLP of 800 hidden units, cross entropy"
    ),
    ("whole", "mnist", "resnet"): ReferenceAccuracy(0.9905, f"{_LECUN}: LeNet-5"),
    ("whole", "mnist", "wide_resnet"): ReferenceAccuracy(0.9905, f"{_LECUN}: LeNet-5"),
    ("whole", "mnist", "resnet-50"): ReferenceAccuracy(0.9905, f"{_LECUN}: LeNet-5"),
    ("paper", "cifar10", "wide_resnet"): ReferenceAccuracy(
        0.9600, f"{_ZAGORUYKO}: Wide-ResNet-28-10"
    ),
    ("paper", "cifar100", "wide_resnet"): ReferenceAccuracy(
        0.8075, f"{_ZAGORUYKO}: Wide-ResNet-28-10"
    ),
}


def model_options(preset: Preset, model: str) -> dict[str, Any]:
    """Builder options of a model by name: the preset's, unless the name says other.

    Raises:
        ValueError: An unknown model, or a variant that it does not have.
    """
    key, variant = parse_model_name(model)
    if key == "simclr":
        encoder = model.removeprefix("simclr").removeprefix("-") or "resnet"
        return {
            "encoder": parse_model_name(encoder)[0],
            "encoder_options": model_options(preset, encoder),
        }
    of_preset = preset.model_options
    return {**of_preset.get(key, {}), **of_preset.get(model, {}), **variant}


def recipe_of(preset: Preset, model: str) -> Recipe:
    """The recipe of a model by name, as a preset has it."""
    key, _ = parse_model_name(model)
    changes = preset.recipe_changes
    return dataclasses.replace(
        RECIPES[key], **{**changes.get(key, {}), **changes.get(model, {})}
    )


def epochs_of(preset: Preset, model: str, dataset: str) -> int:
    """How many epochs a preset trains a model for."""
    key, _ = parse_model_name(model)
    for name in (f"{dataset}:{model}", f"{dataset}:{key}", model, key):
        if name in preset.epochs_of:
            return preset.epochs_of[name]
    return preset.epochs


def scale_width(
    model: str, options: Mapping[str, Any], factor: float
) -> dict[str, Any]:
    """Builder options that make a network `factor` times as wide."""
    architecture = MODELS[parse_model_name(model)[0]]
    name = architecture.width_option
    default = inspect.signature(architecture.build).parameters[name].default
    return {**options, name: max(1, round(factor * options.get(name, default)))}


def watched_layers(model: str) -> list[str]:
    """What is logged of a model by default: its features, then its blocks."""
    architecture = MODELS[parse_model_name(model)[0]]
    return [architecture.feature_layer, f"re:{architecture.block_layers}"]
