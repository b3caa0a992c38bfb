"""Presets: how much data, how many epochs, and how wide the networks are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_pvec.reproduction.training.recipes import RECIPES


@dataclasses.dataclass(frozen=True)
class Preset:
    """The scale of an experiment.

    Entries by model have the name of an architecture, such as `"resnet"`, for all of
    its networks, or the canonical name of one network, such as `"resnet50"`, which
    takes precedence.

    Attributes:
        epochs: Passes over the training images.
        train_samples: Size of the training subset; `None` for all images.
        test_samples: Number of test images to evaluate on; `None` for all.
        num_samples: Number of samples of each split for P-vectors; `None` for all.
        model_options: Sizes that a name without sizes stands for, by model.
        variant_width: Factor on all widths in a study that trains many variants.
        variant_train_samples: Size of the training subset in such a study; `None` for
            `train_samples`.
        recipe_changes: Changes of `RECIPES`, by model.
        epochs_of: Epochs by model; default: `epochs`.
        epochs_on: The same for some data sets, by data set and model; takes precedence
            over `epochs_of`.
    """

    epochs: int
    train_samples: int | None
    test_samples: int | None
    num_samples: int | None
    model_options: Mapping[str, Mapping[str, int]]
    variant_width: float = 1.0
    variant_train_samples: int | None = None
    recipe_changes: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    epochs_of: Mapping[str, int] = dataclasses.field(default_factory=dict)
    epochs_on: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)


# The cosine ends early, and the last tenth of the training runs at a hundredth of the
# learning rate. The step schedules of the papers end in such a phase as well, and it
# shows whether a training has converged.
_EARLY_COSINE: dict[str, Any] = {
    "milestones": (),
    "decay_share": 0.9,
    "final_rate": 0.01,
}

PRESETS: dict[str, Preset] = {
    # Minutes on two cores.
    "small": Preset(
        epochs=15,
        train_samples=5000,
        test_samples=2000,
        num_samples=1000,
        model_options={
            "mlp": {"width": 256},
            "resnet": {"width": 16},
            "resnet50": {"width": 8},
            "wide_resnet": {"depth": 16, "widen": 1},
            "vgg": {"width": 16},
            "densenet": {"growth": 8},
            "autoencoder": {"width": 16, "bottleneck": 64},
            "denoising_autoencoder": {"width": 16, "bottleneck": 64},
            "dense_autoencoder": {"width": 256, "bottleneck": 64},
        },
        variant_width=0.5,
    ),
    # Narrow networks on the whole data set, trained until they have converged. A cosine
    # needs far fewer epochs than the schedules of the papers. The weight decay is
    # between the 1e-4 of He et al. and the 5e-4 of wide networks, since narrow networks
    # overfit little.
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
            architecture: {**_EARLY_COSINE, "weight_decay": 2e-4}
            for architecture in ("resnet", "wide_resnet", "vgg", "densenet")
        },
        epochs_of={
            "mlp": 40,
            "autoencoder": 60,
            "denoising_autoencoder": 60,
            "dense_autoencoder": 60,
            "simclr": 60,
            "resnet50": 20,
        },
        epochs_on={
            "mnist": {
                "mlp": 20,
                "resnet": 10,
                "wide_resnet": 10,
                "autoencoder": 30,
                "simclr": 20,
            },
        },
    ),
    # The setting of the paper: 200 epochs of batch size 128 on the whole data set, with
    # networks of full width.
    "paper": Preset(
        epochs=200,
        train_samples=None,
        test_samples=None,
        num_samples=10000,
        model_options={},
    ),
}
