"""How each architecture is optimized."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Optimizer, learning-rate schedule, weight decay and augmentation.

    Attributes:
        optimizer: `"sgd"` (Nesterov momentum 0.9) or `"adam"`.
        learning_rate: Initial learning rate.
        weight_decay: Coefficient of the L2 penalty, as in the papers. Biases and the
            parameters of batch normalization are not decayed. The decay is decoupled
            from the gradient (Loshchilov and Hutter 2019) and scaled to the strength
            that the penalty has with momentum.
        milestones: Fractions of the training after which the learning rate is
            multiplied by `factor`. If empty, the learning rate follows half a cosine.
        factor: See `milestones`.
        augment: Whether to pad, crop and flip the images, if the data set allows it.
            Contrastive models require it; their augmentation is that of `TwoViews`.
        decay_share: Fraction of the training at which the cosine ends.
        final_rate: Learning rate from the end of the cosine on, as a fraction of
            `learning_rate`.
    """

    optimizer: str
    learning_rate: float
    weight_decay: float = 0.0
    milestones: Sequence[float] = ()
    factor: float = 0.1
    augment: bool = True
    decay_share: float = 1.0
    final_rate: float = 0.0


# By architecture, a key of `MODELS`.
RECIPES: dict[str, Recipe] = {
    # The learning rate that Kingma and Ba 2015 recommend for Adam; images are not
    # augmented (section 6.2).
    "mlp": Recipe("adam", 1e-3, augment=False),
    # An autoencoder reconstructs the images themselves.
    "autoencoder": Recipe("adam", 1e-3, augment=False),
    "denoising_autoencoder": Recipe("adam", 1e-3, augment=False),
    "dense_autoencoder": Recipe("adam", 1e-3, augment=False),
    # Weight decay and cosine of Chen et al. 2020 (section 2.2). Adam replaces LARS, an
    # optimizer for batches of thousands of images.
    "simclr": Recipe("adam", 1e-3, weight_decay=1e-6),
    # The usual recipe for CIFAR: learning rate and momentum of He et al. 2016 (section
    # 4.2), weight decay of Zagoruyko and Komodakis 2016, cosine of Loshchilov and
    # Hutter 2017.
    "resnet": Recipe("sgd", 0.1, weight_decay=5e-4),
    # The same at half the learning rate, since VGG has no shortcuts.
    "vgg": Recipe("sgd", 0.05, weight_decay=5e-4),
    # Zagoruyko and Komodakis 2016, section 3: epochs 60, 120 and 160 of 200.
    "wide_resnet": Recipe(
        "sgd", 0.1, weight_decay=5e-4, milestones=[0.3, 0.6, 0.8], factor=0.2
    ),
    # Huang et al. 2017, section 4.2: after 50% and 75% of the epochs.
    "densenet": Recipe("sgd", 0.1, weight_decay=1e-4, milestones=[0.5, 0.75]),
}
