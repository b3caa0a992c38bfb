"""From the tensor of a layer to one row of features per sample."""

from __future__ import annotations

from typing import Any

import keras

from keras_pvec.features.choice import LayerChoiceError


def feature_rows(tensor: Any, n_samples: int, label: str, pooling: str | None) -> Any:
    """Flattens the features of each sample to a row.

    Args:
        tensor: The features, shape `(n_samples, ...)`. While a forward pass is traced,
            its number of rows may be unknown.
        n_samples: Number of samples in the forward pass.
        label: Name of the layer, for errors.
        pooling: `"avg"` averages over all axes but the channels first.

    Returns:
        A tensor `(n_samples, n_features)`; `tensor` itself if its number of rows is
        unknown. It is to be passed again when it has values.

    Raises:
        LayerChoiceError: The tensor does not have one row per sample.
    """
    shape = _known_shape(tensor)
    if shape is None or (len(shape) > 1 and shape[0] is None):
        return tensor
    if len(shape) < 2 or shape[0] != n_samples:
        received = f"{shape[0]} rows" if shape else "one number"
        raise LayerChoiceError(
            f"Layer {label!r} returns {received} for {n_samples} samples (shape "
            f"{shape}); expected {n_samples} rows of features, one per sample. Watch a "
            "layer before its samples are split or joined, or after they are one row "
            "each again, such as a pooling layer."
        )
    if pooling == "avg" and len(shape) > 2:
        channels_first = keras.config.image_data_format() == "channels_first"
        axes = range(2, len(shape)) if channels_first else range(1, len(shape) - 1)
        tensor = keras.ops.mean(keras.ops.cast(tensor, "float32"), axis=tuple(axes))
    return keras.ops.reshape(tensor, (n_samples, -1))


def check_widths(
    features: dict[str, Any], widths: dict[str, int], block: slice
) -> None:
    """Checks that all samples have the same number of features.

    Args:
        features: Rows of features of a block, by layer.
        widths: Number of features of the earlier blocks, by layer; it is completed.
        block: Which samples the block holds, for the error.

    Raises:
        LayerChoiceError: A layer has another number of features than before.
    """
    for label, rows in features.items():
        width = widths.setdefault(label, rows.shape[1])
        if rows.shape[1] != width:
            raise LayerChoiceError(
                f"Layer {label!r} has {rows.shape[1]} features per sample for samples "
                f"{block.start} to {block.stop - 1}, and {width} for those before. "
                "Every sample needs the same features. Pad the samples to one length, "
                "or watch a layer after the pooling."
            )


def _known_shape(tensor: Any) -> tuple[int | None, ...] | None:
    """The shape of a tensor as far as it is known; `None` if not even its rank is."""
    try:
        return tuple(tensor.shape)
    except ValueError:
        return None
