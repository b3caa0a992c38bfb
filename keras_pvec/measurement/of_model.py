"""The P-vectors of a model with its current weights."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_pvec.features import LayerChoice
from keras_pvec.measurement.options import MeasurementOptions
from keras_pvec.measurement.probe import PVectorProbe
from keras_pvec.pass_bars import PassBars, Verbose
from keras_pvec.pvector import PVector
from keras_pvec.samples import SampleSource


def model_p_vectors(
    model: keras.Model,
    samples: SampleSource,
    layers: LayerChoice | Sequence[LayerChoice] | None = None,
    *,
    k: int = 1,
    method: str = "fast",
    pooling: str | None = None,
    batch_size: int = 256,
    max_feature_bytes: int = 2**28,
    verbose: Verbose = "auto",
) -> dict[str, PVector]:
    """Computes the P-vectors of layers of a model with its current weights.

    Args:
        model: A Keras model, or a part of one, such as `gan.discriminator`; its state
            is not changed.
        samples: The samples to run through it.
        layers: As in `PVectorLogger`; default: the input of the head.
        k: Number of left singular vectors per layer.
        method: `"fast"`, or `"exact"` for the full SVD of the Keras backend
            (`tf.linalg.svd`, `jnp.linalg.svd`, `torch.linalg.svd`).
        pooling: `None` flattens each sample's features; `"avg"` first averages over
            all axes but the channels.
        batch_size: Samples per forward call.
        max_feature_bytes: Largest number of bytes of features that are held at once;
            layers that do not fit take further forward passes.
        verbose: Progress of the forward passes over the samples, as in `p_vector`.

    Returns:
        A dict from layer name to `PVector`.

    Raises:
        LayerChoiceError: A choice of layers that matches nothing.
        ValueError: The features of a layer hold NaN or infinity, or are all zero (a
            `ZeroMatrixError`).

    Example:

    ```python
    vectors = kp.model_p_vectors(model, samples, ["avg_pool", r"re:^block_\\d+$"])
    vectors["avg_pool"].energy1
    ```
    """
    options = MeasurementOptions(k, method, pooling, batch_size, max_feature_bytes)
    bars = PassBars(verbose, len(samples), "sample")
    measured = PVectorProbe(model, samples, layers, options).measure(bars=bars)
    for label, error in measured.failures.items():
        raise type(error)(f"Layer {label!r} has no P-vector. {error}") from error
    return dict(measured.p_vectors)
