"""SimCLR: its loss and its model."""

import dataclasses

import keras
import numpy as np
import pytest
from small_models import small_settings

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.models import MODELS, parse_model_name
from keras_pvec.reproduction.models.simclr import NTXent


def nt_xent_by_loops(a, b, temperature):
    """Equation 1 of Chen et al. 2020, one pair of views after the other."""
    views = [z / np.linalg.norm(z) for z in (*a, *b)]
    n = len(a)
    losses = []
    for i, z in enumerate(views):
        others = [
            np.exp(z @ other / temperature) for k, other in enumerate(views) if k != i
        ]
        partner = np.exp(z @ views[(i + n) % (2 * n)] / temperature)
        losses.append(-np.log(partner / sum(others)))
    return np.reshape(losses, (2, n)).mean(axis=0)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_nt_xent_against_loops(n, temperature, rng):
    a, b = rng.standard_normal((2, n, 5))
    loss = NTXent(temperature, reduction=None)
    np.testing.assert_allclose(
        loss(a, b), nt_xent_by_loops(a, b, temperature), rtol=1e-5, atol=1e-6
    )
    mean = NTXent(temperature)(a, b)
    np.testing.assert_allclose(mean, np.mean(loss(a, b)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [2, 16])
def test_nt_xent_of_orthogonal_embeddings(n):
    """All cosines are zero, the partner's as well: chance among 2 n - 1. With equal
    views of orthogonal images the partner alone stands out, by e^(1/t)."""
    all_different = np.eye(2 * n)
    np.testing.assert_allclose(
        NTXent(0.5)(all_different[:n], all_different[n:]), np.log(2 * n - 1), rtol=1e-6
    )
    equal = np.eye(n)
    expected = np.log(1 + (2 * n - 2) * np.exp(-1 / 0.5))
    np.testing.assert_allclose(NTXent(0.5)(equal, equal), expected, rtol=1e-6)


def test_nt_xent_ignores_length_and_keeps_its_head(rng):
    a, b = rng.standard_normal((2, 6, 5))
    np.testing.assert_allclose(NTXent()(a, b), NTXent()(100 * a, 0.01 * b), rtol=1e-5)
    # At a low temperature the exponentials themselves would overflow.
    assert np.isfinite(NTXent(1e-3)(a, b))
    half = NTXent()(a.astype("float16"), b.astype("float16"))
    assert half.dtype == "float32"
    np.testing.assert_allclose(half, NTXent()(a, b), rtol=1e-2)
    with pytest.raises(ValueError, match="temperature"):
        NTXent(0)


def batch_of(rng, n, shape):
    """Pixels, and what decides their views."""
    return {
        "pixels": rng.random((n, *shape)).astype("float32"),
        "draws": rng.random((n, 2, 16)).astype("float32"),
    }


def simclr(name="simclr_resnet18", shape=(8, 8, 1), **encoder_options):
    key, options = parse_model_name(name)
    options["encoder_options"] |= encoder_options
    return MODELS[key].build(shape, **options)


@pytest.mark.parametrize(
    ("encoder", "small"),
    [
        ("mlp", {"width": 8}),
        ("resnet18_w4", {}),
        ("wide_resnet10_1", {}),
        ("vgg16_w4", {}),
        ("densenet121_k2", {}),
    ],
)
def test_any_encoder(encoder, small, rng):
    model = simclr(f"simclr_{encoder}", (16, 16, 3), **small)
    batch = batch_of(rng, 3, (16, 16, 3))
    projections = model(batch)
    assert projections.shape == (3, 2, 128)
    # Each view is projected by itself; pairs stay together.
    views = model.two_views(batch["pixels"], batch["draws"])
    np.testing.assert_allclose(
        projections[:, 1], model(views[:, 1]), rtol=1e-4, atol=1e-5
    )
    # The encoder is the classifier without its logits.
    key, options = parse_model_name(encoder)
    classifier = MODELS[key].build((16, 16, 3), 5, **options, **small)
    assert model.encoder.count_params() == (
        classifier.count_params() - classifier.get_layer("logits").count_params()
    )


def test_an_unknown_encoder():
    with pytest.raises(ValueError, match="lenet"):
        MODELS["simclr"].build((8, 8, 1), encoder="lenet")


def test_the_loss_that_is_trained_is_nt_xent_of_the_projections(rng):
    model = simclr(width=4)
    model.compile("sgd")
    batch = batch_of(rng, 5, (8, 8, 1))
    a, b = np.moveaxis(np.asarray(model(batch)), 1, 0)
    np.testing.assert_allclose(
        model.evaluate(batch, verbose=0),
        nt_xent_by_loops(a, b, 0.5).mean(),
        rtol=1e-5,
    )


def test_it_survives_saving(tmp_path, rng):
    pixels = rng.random((3, 8, 8, 1)).astype("float32")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = simclr("simclr_wide_resnet10_1")
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("sgd")
    model.fit(batch_of(rng, 4, (8, 8, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(keras.ops.cast(model(pixels), "float32")),
        keras.ops.convert_to_numpy(keras.ops.cast(loaded(pixels), "float32")),
    )
    assert loaded.nt_xent.temperature == 0.5
    assert loaded.two_views.flip
    loaded.fit(batch_of(rng, 4, (8, 8, 1)), verbose=0)


def test_augmentation_is_required():
    """Without it there is nothing to learn."""
    data = load_data("digits").subset(100, 50)
    settings = small_settings(data, "simclr")
    recipe = dataclasses.replace(settings.recipe, augment=False)
    with pytest.raises(ValueError, match="simclr_mlp"):
        training.build_model(dataclasses.replace(settings, recipe=recipe), data)
