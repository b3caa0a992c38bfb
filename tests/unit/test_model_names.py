"""Names of networks: what they say, and that old spellings are still read."""

import pytest

from keras_pvec.reproduction.model_names import (
    DEFAULT_ENCODER,
    MODEL_NAMES,
    NAMINGS,
    parse_model_name,
    stored_model_name,
)
from keras_pvec.reproduction.models import ENCODERS, MODELS


@pytest.mark.parametrize(
    ("name", "old", "architecture", "options"),
    [
        ("mlp", "mlp", "mlp", {}),
        ("mlp_512x3", "mlp-512x3", "mlp", {"width": 512, "depth": 3}),
        ("mlp_512x3", "mlp-512-3", "mlp", {"width": 512, "depth": 3}),
        ("resnet18", "resnet-18", "resnet", {"depth": 18}),
        ("resnet50", "resnet-50", "resnet", {"depth": 50}),
        ("resnet18_w16", "resnet-18-16", "resnet", {"depth": 18, "width": 16}),
        (
            "wide_resnet28_10",
            "wide_resnet-28-10",
            "wide_resnet",
            {"depth": 28, "widen": 10},
        ),
        ("vgg16", "vgg", "vgg", {}),
        ("vgg16_w8", "vgg-8", "vgg", {"width": 8}),
        ("densenet121", "densenet", "densenet", {}),
        ("densenet121_k12", "densenet-12", "densenet", {"growth": 12}),
        (
            "dense_autoencoder_w64_b8",
            "dense_autoencoder-64-8",
            "dense_autoencoder",
            {"width": 64, "bottleneck": 8},
        ),
        ("simclr", "simclr", "simclr", {}),
        (
            "simclr_wide_resnet16_2",
            "simclr-wide_resnet-16-2",
            "simclr",
            {"encoder": "wide_resnet", "encoder_options": {"depth": 16, "widen": 2}},
        ),
        (
            "simclr_mlp",
            "simclr-mlp",
            "simclr",
            {"encoder": "mlp", "encoder_options": {}},
        ),
    ],
)
def test_names_and_old_names(name, old, architecture, options):
    assert parse_model_name(name) == (architecture, options)
    assert parse_model_name(old) == (architecture, options)


def test_old_names_of_which_only_some_sizes_are_given():
    assert parse_model_name("resnet") == ("resnet", {})
    assert parse_model_name("wide_resnet-16") == ("wide_resnet", {"depth": 16})
    assert parse_model_name("mlp-256") == ("mlp", {"width": 256})


@pytest.mark.parametrize(
    "name",
    [
        "",
        "lenet",
        "resnett",
        "resnet-",
        "resnet-18-64-3",
        "resnet18x64",
        "resnet0",
        "mlp-x3",
        "mlp_512",
        "wide_resnet28",
        "vgg19",
        "autoencoder_w8",
        "simclr-",
        "simclr_",
        "simclr_autoencoder",
        "simclr-simclr",
        "simclr_resnet_x",
    ],
)
def test_unknown_names(name):
    with pytest.raises(ValueError, match=f"'{name}'"):
        parse_model_name(name)


def test_the_names_are_those_of_the_architectures():
    """Sizes are options of the builders, with the same defaults."""
    assert {*NAMINGS, "simclr"} == set(MODELS)
    assert {parse_model_name(name).architecture for name in MODEL_NAMES} == set(MODELS)
    assert {key for key, naming in NAMINGS.items() if naming.is_encoder} == set(
        ENCODERS
    )
    assert parse_model_name(DEFAULT_ENCODER).architecture in ENCODERS
    for key, naming in NAMINGS.items():
        defaults = MODELS[key].all_options({})
        assert naming.sizes == {size: defaults[size] for size in naming.sizes}
        # Every size is part of the name or of its suffix.
        sizes = {size: i for i, size in enumerate(naming.sizes, start=2)}
        assert parse_model_name(naming.full_name(sizes)) == (key, sizes)


@pytest.mark.parametrize(
    ("stored", "options", "name"),
    [
        ("mlp", {"width": 512}, "mlp"),
        ("mlp-256x1", {"width": 256, "depth": 1}, "mlp_256x1"),
        ("mlp-256", {"width": 256}, "mlp_256x3"),
        ("resnet", {"width": 16}, "resnet18"),
        ("resnet-50", {"width": 16, "depth": 50}, "resnet50"),
        ("resnet-18-32", {"width": 32, "depth": 18}, "resnet18_w32"),
        ("wide_resnet", {"depth": 28, "widen": 1}, "wide_resnet28_1"),
        ("wide_resnet", {}, "wide_resnet28_10"),
        ("wide_resnet-16", {"depth": 16, "widen": 1}, "wide_resnet16_1"),
        ("vgg", {"width": 16}, "vgg16"),
        ("densenet", {}, "densenet121"),
        ("autoencoder", {"width": 16, "bottleneck": 64}, "autoencoder"),
        (
            "simclr",
            {"encoder": "resnet", "encoder_options": {"width": 16}},
            "simclr",
        ),
        ("simclr-resnet-18", {}, "simclr"),
        (
            "simclr-wide_resnet",
            {"encoder": "wide_resnet", "encoder_options": {"depth": 28, "widen": 1}},
            "simclr_wide_resnet28_1",
        ),
        # Networks of other packages keep their names.
        ("lenet", {}, "lenet"),
        ("simclr", {"encoder": "lenet"}, "simclr"),
    ],
)
def test_current_names_of_stored_networks(stored, options, name):
    assert stored_model_name(stored, options) == name
    # A name of this version stays as it is.
    assert stored_model_name(name, options) == name


def test_the_width_of_a_variant_is_not_part_of_its_name():
    """Variants of one network differ in width and have one name."""
    for width in (128, 256, 512):
        assert stored_model_name("mlp", {"width": width}) == "mlp"
        assert stored_model_name("resnet", {"width": width}) == "resnet18"
