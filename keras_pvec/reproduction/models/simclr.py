"""SimCLR around the encoder of any of the classifiers.

Chen et al. 2020, "A simple framework for contrastive learning of visual
representations" (arXiv 2002.05709). The features are the output of the encoder, before
the projection head.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from keras_pvec.reproduction.models.architecture import Architecture
from keras_pvec.reproduction.models.densenet import DENSENET
from keras_pvec.reproduction.models.mlp import MLP
from keras_pvec.reproduction.models.resnet import RESNET
from keras_pvec.reproduction.models.two_views import TwoViews
from keras_pvec.reproduction.models.vgg import VGG
from keras_pvec.reproduction.models.wide_resnet import WIDE_RESNET

# The classifiers. SimCLR uses all of their layers before the logits.
ENCODERS: dict[str, Architecture] = {
    "mlp": MLP,
    "resnet": RESNET,
    "wide_resnet": WIDE_RESNET,
    "vgg": VGG,
    "densenet": DENSENET,
}

# The exponential of this logit is zero in float32.
_NEVER = -1e9
_ZERO = 1e-12


@keras.saving.register_keras_serializable("keras_pvec")
class NTXent(keras.losses.Loss):
    """Normalized temperature-scaled cross entropy of pairs of views.

    Among the `2 n - 1` other views, each view must identify its partner by cosine
    similarity (Chen et al. 2020, equation 1). Under a distribution strategy of
    TensorFlow, the other views are those of the same replica; under JAX's data
    parallelism, those of the whole batch.

    Args:
        temperature: Divides the cosine similarities.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: As in `keras.losses.Loss`.

    Call arguments:
        y_true: Projections of one view of each image, shape `(n, dim)`.
        y_pred: Projections of the other view, in the same order.

    Raises:
        ValueError: `temperature` is not positive.
    """

    def __init__(
        self,
        temperature: float = 0.5,
        reduction: str = "sum_over_batch_size",
        name: str = "nt_xent",
        dtype: Any = None,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}")
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each image, the mean of its two views; shape `(n,)`."""
        n = ops.shape(y_pred)[0]
        views = ops.concatenate([y_true, y_pred])
        squares = ops.sum(ops.square(views), axis=-1, keepdims=True)
        # A zero projection has no direction and gets no gradient.
        views = views * ops.rsqrt(ops.maximum(squares, _ZERO))
        cosines = ops.matmul(views, ops.transpose(views)) / self.temperature
        itself = ops.arange(2 * n)[:, None] == ops.arange(2 * n)[None, :]
        others = ops.where(itself, _NEVER, cosines)
        # The partner of row i is row i + n, modulo 2 n.
        partner = ops.sum(views * ops.roll(views, n, axis=0), axis=-1)
        loss = ops.logsumexp(others, axis=-1) - partner / self.temperature
        return (loss[:n] + loss[n:]) / 2

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable("keras_pvec")
class SimCLR(keras.Model):
    """Contrastive learning of two augmented views of each image, without labels.

    Called on pixels, shape `(n, height, width, channels)`, the model returns
    projections, shape `(n, dim)`. Called on a dict of `"pixels"` and `"draws"`, it
    returns the projections of two views of each image, shape `(n, 2, dim)`; the draws
    are the random numbers that `TwoViews` takes. Training uses the second form. Both
    views pass through the encoder as one batch, so that batch normalization sees them
    together, as in the paper.

    Args:
        encoder: A built model from pixels to features.
        projection_head: A built model from features to projections.
        temperature: As in `NTXent`.
        flip: As in `TwoViews`.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projection_head: keras.Model,
        temperature: float = 0.5,
        flip: bool = True,
        **kwargs: Any,
    ) -> None:
        # Mixed precision is for the encoder; crops need float32 coordinates.
        super().__init__(autocast=False, **kwargs)
        self.encoder = encoder
        self.projection_head = projection_head
        self.nt_xent = NTXent(temperature)
        self.two_views = TwoViews(flip=flip)
        self.build(encoder.input_shape)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.built = True  # encoder and projection head are built already

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not isinstance(inputs, Mapping):
            return self.projection_head(self.encoder(inputs, training=training))
        views = self.two_views(inputs["pixels"], inputs["draws"])
        as_one_batch = ops.reshape(views, (-1, *views.shape[2:]))
        projections = self(as_one_batch, training=training)
        return ops.reshape(projections, (-1, 2, projections.shape[-1]))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The NT-Xent loss of the projections; targets are not used."""
        del x, y, training
        return self.nt_xent(y_pred[:, 0], y_pred[:, 1], sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "projection_head": serialize(self.projection_head),
            "temperature": self.nt_xent.temperature,
            "flip": self.two_views.flip,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SimCLR:
        config = dict(config)
        for part in ("encoder", "projection_head"):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        return cls(**config)


def build_simclr(
    input_shape: tuple[int, ...],
    n_classes: int = 0,
    *,
    encoder: str = "resnet",
    encoder_options: Mapping[str, Any] | None = None,
    projection: int = 128,
    temperature: float = 0.5,
    flip: bool = True,
    mean: list[float] | None = None,
    variance: list[float] | None = None,
) -> keras.Model:
    """SimCLR with a projection head of one hidden layer, as wide as the features.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`.
        n_classes: Not used, since there are no labels; all builders take the same
            positional arguments.
        encoder: A key of `ENCODERS`.
        encoder_options: Keyword options of the encoder's architecture.
        projection: Dimension of the projections.
        temperature: As in `NTXent`.
        flip: As in `TwoViews`.
        mean: Channel means of the pixels. If `mean` and `variance` are given, the model
            standardizes its input.
        variance: Channel variances of the pixels.

    Raises:
        ValueError: `encoder` is not a key of `ENCODERS`.
    """
    del n_classes
    if encoder not in ENCODERS:
        raise ValueError(
            f"`encoder` must be one of {list(ENCODERS)}. Received: {encoder!r}"
        )
    architecture = ENCODERS[encoder]
    classifier = architecture.build(
        input_shape, 1, mean=mean, variance=variance, **(encoder_options or {})
    )
    features = classifier.get_layer(architecture.feature_layer).output
    n_features = features.shape[-1]
    return SimCLR(
        keras.Model(classifier.input, features, name="encoder"),
        keras.Sequential(
            [
                keras.Input((n_features,)),
                layers.Dense(
                    n_features,
                    activation="relu",
                    kernel_initializer="he_normal",
                    name="hidden",
                ),
                layers.Dense(projection, name="projection"),
            ],
            name="projection_head",
        ),
        temperature,
        flip,
        name="simclr",
    )


SIMCLR = Architecture(
    build=build_simclr,
    task="contrastive",
    feature_layer="encoder",
    block_layers=r"^block_\d+$",
    width_option=None,
)
