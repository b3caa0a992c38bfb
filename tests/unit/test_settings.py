"""Settings of runs: what counts as the same run."""

import dataclasses
import json

import pytest
from small_models import small_settings

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.training import PRESETS, Recipe, RunSettings
from keras_pvec.reproduction.training.settings import (
    BATCHES_VERSION,
    Difference,
    differences,
)


@pytest.fixture(scope="module")
def data():
    return load_data("digits").subset(200, 50)


@pytest.fixture
def settings(data):
    return small_settings(data)


def test_settings_survive_a_file(settings):
    stored = json.loads(json.dumps(settings.as_json()))
    assert differences(stored, settings) == {}
    rebuilt = RunSettings(**{**stored, "recipe": Recipe(**stored["recipe"])})
    assert differences(rebuilt.as_json(), settings) == {}


def test_differences_have_both_values(settings):
    stored = settings.as_json()
    asked = dataclasses.replace(
        settings, epochs=5, seed=1, recipe=Recipe("adam", 0.5, augment=False)
    )
    different = differences(stored, asked)
    assert set(different) == {"epochs", "seed", "recipe"}
    assert different["epochs"] == Difference(stored=3, asked=5)
    assert different["seed"] == Difference(0, 1)
    assert different["recipe"].stored["learning_rate"] == 1e-3
    assert different["recipe"].asked["learning_rate"] == 0.5


def test_what_earlier_versions_did_not_store(settings):
    """They kept no weights and drew batches of version 1; recipes had no early end of
    the cosine."""
    stored = settings.as_json()
    for name in ("batches", "keep_weights", "variant", "precision"):
        del stored[name]
    for name in ("decay_share", "final_rate"):
        del stored["recipe"][name]
    asked = dataclasses.replace(settings, keep_weights=True)
    assert differences(stored, asked) == {
        "batches": Difference(1, BATCHES_VERSION),
        "keep_weights": Difference(False, True),
    }


# By preset: the name and the options that earlier versions stored, and a name of today.
OLD_NETWORKS = [
    ("small", "mlp", {"width": 256}, "mlp"),
    ("small", "mlp-256", {"width": 256}, "mlp"),
    ("whole", "mlp-512x3", {"width": 512, "depth": 3}, "mlp"),
    ("whole", "resnet", {"width": 16}, "resnet18"),
    ("whole", "resnet-50", {"width": 16, "depth": 50}, "resnet50"),
    ("small", "resnet-50", {"width": 8, "depth": 50}, "resnet50"),
    ("whole", "wide_resnet", {"depth": 28, "widen": 1}, "wide_resnet28_1"),
    ("paper", "wide_resnet", {}, "wide_resnet28_10"),
    ("paper", "vgg", {}, "vgg16"),
    ("whole", "densenet", {"growth": 8}, "densenet121"),
    ("whole", "autoencoder", {"width": 16, "bottleneck": 64}, "autoencoder"),
    (
        "whole",
        "simclr",
        {"encoder": "resnet", "encoder_options": {"width": 16}},
        "simclr",
    ),
    ("paper", "simclr", {"encoder": "resnet", "encoder_options": {}}, "simclr"),
    (
        "small",
        "simclr-wide_resnet-16-2",
        {"encoder": "wide_resnet", "encoder_options": {"depth": 16, "widen": 2}},
        "simclr_wide_resnet16_2",
    ),
]


@pytest.mark.parametrize(("preset", "old", "options", "name"), OLD_NETWORKS)
def test_models_are_compared_as_networks(preset, old, options, name, settings):
    stored = {**settings.as_json(), "model": old, "model_options": options}
    asked = dataclasses.replace(
        settings,
        model=name,
        model_options=training.model_options(PRESETS[preset], name),
    )
    assert differences(stored, asked) == {}
    # Another network is told from it, under the same name as well.
    other = training.model_options(PRESETS[preset], name)
    if "encoder" in other:
        other = {**other, "temperature": 0.1}
    else:
        other = training.scale_width(name, other, 3)
    asked = dataclasses.replace(asked, model_options=other)
    different = differences(stored, asked)
    assert different["model_options"] == Difference(options, asked.model_options)


def test_a_model_of_another_package_differs(settings):
    stored = {**settings.as_json(), "model": "lenet"}
    assert differences(stored, settings)["model"] == Difference("lenet", "mlp")


def test_steps_and_architecture(data, settings):
    assert training.steps_per_epoch(settings, data) == 4  # 200 images by 64
    assert training.architecture_of(settings).feature_layer == "features"
    wide = dataclasses.replace(settings, model="wide_resnet16_1")
    assert training.architecture_of(wide).width_option == "widen"
