"""Architectures: published sizes, names, shapes and tasks."""

import re

import keras
import numpy as np
import pytest
from small_models import SMALL_MODELS

from keras_pvec.reproduction.models import MODELS, parse_model_name
from keras_pvec.reproduction.models.batch_normalization import FusedBatchNormalization

N_BLOCKS = {
    "mlp": 3,
    "resnet": 8,
    "wide_resnet": 3,
    "vgg": 5,
    "densenet": 4,
    "autoencoder": 3,
    "denoising_autoencoder": 3,
    "dense_autoencoder": 2,
    "simclr": 2,
}


def n_trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18", 11_173_962),
        ("resnet34", 21_282_122),
        ("resnet50", 23_520_842),
        ("wide_resnet28_10", 36_479_194),
        ("densenet121", 6_956_298),
        # Published as 14,728,266 with the biases of its 13 convolutions, which
        # BatchNormalization makes superfluous.
        ("vgg16", 14_728_266 - (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512)),
    ],
)
def test_trainable_parameters_with_10_classes_are_as_published(name, published):
    key, options = parse_model_name(name)
    assert n_trainable(MODELS[key].build((32, 32, 3), 10, **options)) == published


def test_depths_that_do_not_exist():
    with pytest.raises(ValueError, match="Received: 19"):
        MODELS["resnet"].build((32, 32, 3), 10, depth=19)
    with pytest.raises(ValueError, match="Received: 20"):
        MODELS["wide_resnet"].build((32, 32, 3), 10, depth=20)


def test_denoising_corrupts_in_training_only():
    for name in ("autoencoder", "dense_autoencoder"):
        clean = MODELS[name].build((8, 8, 1), width=8)
        noisy = MODELS[name].build((8, 8, 1), width=8, noise=0.5)
        noisy.set_weights(clean.get_weights())
        x = np.full((4, 8, 8, 1), 0.5, "float32")
        np.testing.assert_array_equal(clean(x), noisy(x))
        assert np.abs(clean(x, training=True) - noisy(x, training=True)).max() > 1e-4


def test_mlp_has_the_size_of_its_layers():
    model = MODELS["mlp"].build((28, 28, 1), 10, width=100, depth=2)
    expected = (784 + 1) * 100 + (100 + 1) * 100 + (100 + 1) * 10
    assert n_trainable(model) == expected


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (64, 64, 3)])
def test_every_model_takes_every_size(name, shape):
    architecture = MODELS[name]
    model = architecture.build(shape, 7, **SMALL_MODELS[name])
    output = model(np.zeros((2, *shape), "float32"))
    expected = {
        "classification": (2, 7),
        "reconstruction": (2, *shape),
        "contrastive": (2, 128),
    }
    assert output.shape == expected[architecture.task]
    assert len(model.get_layer(architecture.feature_layer).output.shape) == 2
    names = [layer.name for layer in model._flatten_layers()]
    blocks = [n for n in names if re.search(architecture.block_layers, n)]
    assert len(blocks) == N_BLOCKS[name]


@pytest.mark.parametrize("name", MODELS)
def test_pixels_are_normalised_within(name):
    """A model that is told the moments treats raw pixels as one that is given
    standardised pixels."""
    rng = np.random.default_rng(0)
    pixels = rng.random((4, 8, 8, 3)).astype("float32")
    mean, variance = [0.5, 0.4, 0.3], [0.04, 0.09, 0.01]
    build, small = MODELS[name].build, SMALL_MODELS[name]
    inside = build((8, 8, 3), 5, **small, mean=mean, variance=variance)
    outside = build((8, 8, 3), 5, **small)
    outside.set_weights(inside.get_weights())
    standardised = (pixels - mean) / np.sqrt(variance)
    expected = keras.ops.convert_to_numpy(outside(standardised, training=False))
    # Outputs near zero are differences of large numbers.
    atol = 1e-5 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(inside(pixels, training=False)),
        expected,
        rtol=1e-4,
        atol=atol,
    )


@pytest.mark.parametrize("name", MODELS)
def test_models_survive_saving(name, tmp_path):
    moments = {"mean": [0.3], "variance": [0.2]}
    model = MODELS[name].build((8, 8, 1), 3, **SMALL_MODELS[name], **moments)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((3, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(model(x, training=False), loaded(x, training=False))


def trained_once(layer, x):
    """Output, gradients and moving statistics of a step in training mode."""
    tf = pytest.importorskip("tensorflow")
    x = tf.Variable(x)
    layer.build(x.shape)
    layer.gamma.assign([0.5, 2.0, 1.0])
    layer.beta.assign([0.1, -1.0, 0.0])
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
        loss = tf.reduce_sum(y * tf.cast(tf.range(3), y.dtype) + y**3)
    parts = [x, layer.gamma.value, layer.beta.value]
    return [y, *tape.gradient(loss, parts), layer.moving_mean.value], layer


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its kernel")
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_fused_batch_normalization_is_that_of_keras(dtype, rng):
    x = rng.normal(2, 3, (8, 5, 4, 3)).astype("float32")
    options = {"momentum": 0.9, "epsilon": 1e-5, "dtype": dtype}
    fused, layer = trained_once(FusedBatchNormalization(**options), x)
    plain, reference = trained_once(keras.layers.BatchNormalization(**options), x)
    tolerance = 1e-4 if dtype == "float32" else 2e-2
    for a, b in zip(fused, plain, strict=True):
        assert a.dtype == b.dtype
        scale = np.abs(b).max()
        np.testing.assert_allclose(a, b, atol=tolerance * scale)
    # The unbiased estimate of the variance of 160 values.
    batch = (np.asarray(reference.moving_variance.value) - 0.9) / 0.1
    unbiased = (np.asarray(layer.moving_variance.value) - 0.9) / 0.1
    np.testing.assert_allclose(unbiased, batch * 160 / 159, rtol=1e-3)
    # Inference, and a frozen layer, use the moving statistics.
    for trainable in (True, False):
        layer.trainable = reference.trainable = trainable
        layer.moving_variance.assign(reference.moving_variance)
        np.testing.assert_allclose(
            layer(x, training=not trainable),
            reference(x, training=not trainable),
            atol=tolerance,
        )


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its kernel")
def test_fused_batch_normalization_under_xla(rng):
    """Outputs, gradients and moving statistics of a step, compiled and not."""
    tf = pytest.importorskip("tensorflow")
    x = rng.normal(2, 3, (8, 5, 4, 3)).astype("float32")
    target = rng.normal(size=x.shape).astype("float32")

    def step(layer):
        with tf.GradientTape() as tape:
            y = layer(x, training=True)
            loss = tf.reduce_mean((y - target) ** 2)
        variables = [v.value for v in layer.trainable_variables]
        return y, *tape.gradient(loss, variables)

    layers = [FusedBatchNormalization() for _ in range(2)]
    for layer in layers:
        layer.build(x.shape)
    plain = step(layers[0])
    compiled = tf.function(lambda: step(layers[1]), jit_compile=True)()
    for a, b in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for a, b in zip(layers[0].weights, layers[1].weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_fused_batch_normalization_where_there_is_no_kernel(rng):
    """Feature vectors, channels in front, a mask: as its base class, and saved."""
    x = rng.normal(2, 3, (8, 6)).astype("float32")
    layer = FusedBatchNormalization()
    reference = keras.layers.BatchNormalization()
    np.testing.assert_array_equal(layer(x, training=True), reference(x, training=True))
    config = keras.saving.serialize_keras_object(layer)
    assert isinstance(
        keras.saving.deserialize_keras_object(config), FusedBatchNormalization
    )
    images = rng.normal(2, 3, (4, 3, 5, 5)).astype("float32")
    layer = FusedBatchNormalization(axis=1)
    reference = keras.layers.BatchNormalization(axis=1)
    np.testing.assert_array_equal(
        layer(images, training=True), reference(images, training=True)
    )
