"""Networks by name and preset: one canonical name, one recipe, one folder."""

import dataclasses

import pytest

from keras_pvec.reproduction import training
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.training import (
    PRESETS,
    RECIPES,
    REFERENCE_ACCURACIES,
    canonical_name,
    existing_or_new_path,
    resolve_network,
)
from keras_pvec.reproduction.training.networks import old_spellings
from keras_pvec.runs import RunFolder

SPELLINGS = [
    ("small", "mlp", ["mlp", "mlp-256", "mlp-256x3", "mlp_256x3"]),
    ("whole", "mlp", ["mlp", "mlp-512", "mlp-512x3", "mlp_512x3"]),
    ("whole", "mlp_256x3", ["mlp-256", "mlp-256-3"]),
    ("small", "resnet18", ["resnet", "resnet-18", "resnet-18-16", "resnet18_w16"]),
    ("paper", "resnet18", ["resnet", "resnet-18-64", "resnet18_w64"]),
    ("whole", "resnet18_w64", ["resnet-18-64"]),
    ("small", "resnet50", ["resnet-50", "resnet-50-8", "resnet50_w8"]),
    ("whole", "resnet50", ["resnet-50", "resnet-50-16", "resnet50_w16"]),
    ("small", "wide_resnet16_1", ["wide_resnet", "wide_resnet-16", "wide_resnet-16-1"]),
    ("whole", "wide_resnet28_1", ["wide_resnet", "wide_resnet-28", "wide_resnet-28-1"]),
    ("paper", "wide_resnet28_10", ["wide_resnet", "wide_resnet-28-10"]),
    ("small", "wide_resnet28_1", ["wide_resnet-28"]),
    ("whole", "vgg16", ["vgg", "vgg-16", "vgg16_w16"]),
    ("paper", "vgg16_w16", ["vgg-16"]),
    ("whole", "densenet121", ["densenet", "densenet-8"]),
    ("whole", "autoencoder", ["autoencoder-16", "autoencoder-16-64"]),
    ("paper", "autoencoder_w16_b128", ["autoencoder-16"]),
    ("whole", "simclr", ["simclr-resnet", "simclr-resnet-18", "simclr_resnet18"]),
    ("whole", "simclr_resnet50", ["simclr-resnet-50"]),
    ("whole", "simclr_wide_resnet28_1", ["simclr-wide_resnet"]),
    ("whole", "simclr_mlp", ["simclr-mlp", "simclr-mlp-512x3"]),
]


@pytest.mark.parametrize(("preset", "name", "spellings"), SPELLINGS)
def test_spellings_of_one_network_have_one_name(preset, name, spellings):
    preset = PRESETS[preset]
    network = resolve_network(name, preset)
    assert network.name == name
    assert network.note is None
    for spelling in spellings:
        same = resolve_network(spelling, preset)
        assert same == network
        assert canonical_name(spelling, preset) == name
        assert (same.note is None) == (spelling == name)
        if spelling != name:
            assert spelling in same.note
            assert name in same.note
        assert training.model_options(preset, spelling) == network.options
        assert training.recipe_of(preset, spelling) == training.recipe_of(preset, name)
        for dataset in ("cifar10", "mnist"):
            assert training.epochs_of(preset, spelling, dataset) == (
                training.epochs_of(preset, name, dataset)
            )


def test_different_networks_have_different_names():
    names = {}
    for preset_name, preset in PRESETS.items():
        for _, name, spellings in SPELLINGS:
            for spelling in [name, *spellings]:
                network = resolve_network(spelling, preset)
                same = names.setdefault((preset_name, network.name), network)
                assert same == network


@pytest.mark.parametrize("preset", PRESETS)
def test_networks_have_all_sizes(preset):
    for _, name, spellings in SPELLINGS:
        for spelling in [name, *spellings]:
            network = resolve_network(spelling, PRESETS[preset])
            options = network.options
            architecture = network.architecture
            if architecture == "simclr":
                architecture, options = options["encoder"], options["encoder_options"]
            known = MODELS[architecture].all_options({})
            assert set(options) <= set(known)
            assert MODELS[architecture].all_options(options) == {**known, **options}


def test_options_of_presets():
    options = training.model_options
    small, whole, paper = (PRESETS[name] for name in ("small", "whole", "paper"))
    assert options(small, "resnet18") == {"depth": 18, "width": 16}
    assert options(small, "resnet34") == {"depth": 34, "width": 16}
    assert options(small, "resnet50") == {"depth": 50, "width": 8}
    assert options(whole, "resnet50") == {"depth": 50, "width": 16}
    assert options(paper, "resnet50") == {"depth": 50, "width": 64}
    assert options(small, "resnet50_w32") == {"depth": 50, "width": 32}
    assert options(whole, "mlp") == {"width": 512, "depth": 3}
    assert options(small, "simclr") == {
        "encoder": "resnet",
        "encoder_options": {"depth": 18, "width": 16},
    }
    assert options(paper, "simclr_wide_resnet16_2") == {
        "encoder": "wide_resnet",
        "encoder_options": {"depth": 16, "widen": 2},
    }


def test_widths_are_scaled():
    scale = training.scale_width
    assert scale("resnet18", {"width": 16}, 0.5) == {"width": 8}
    assert scale("resnet50", {"depth": 50}, 2) == {"depth": 50, "width": 128}
    assert scale("densenet121", {}, 0.5) == {"growth": 16}
    assert scale("wide_resnet16_1", {"widen": 1}, 0.5) == {"widen": 1}
    with pytest.raises(ValueError, match="simclr"):
        scale("simclr", {}, 2)


def test_recipes_and_epochs_of_presets():
    whole, small = PRESETS["whole"], PRESETS["small"]
    assert training.recipe_of(small, "resnet50") == RECIPES["resnet"]
    assert training.recipe_of(small, "simclr_mlp") == RECIPES["simclr"]
    early = training.recipe_of(whole, "wide_resnet16_2")
    assert (early.milestones, early.decay_share, early.final_rate) == ((), 0.9, 0.01)
    assert early.weight_decay == 2e-4
    epochs = training.epochs_of
    assert epochs(whole, "resnet18", "cifar10") == 30
    assert epochs(whole, "resnet50", "cifar10") == 20
    assert epochs(whole, "resnet50", "mnist") == 10
    assert epochs(whole, "resnet18", "mnist") == 10
    assert epochs(whole, "simclr_wide_resnet16_1", "cifar100") == 60
    assert epochs(whole, "denoising_autoencoder", "mnist") == 60
    assert epochs(small, "resnet18", "mnist") == 15
    one = dataclasses.replace(
        whole, recipe_changes={"resnet": {"factor": 0.5}, "resnet50": {"factor": 0.2}}
    )
    assert training.recipe_of(one, "resnet18").factor == 0.5
    assert training.recipe_of(one, "resnet-50").factor == 0.2


def test_entries_of_presets_are_canonical_names():
    """An entry under another spelling would never be found."""
    for preset in PRESETS.values():
        by_model = [
            preset.model_options,
            preset.recipe_changes,
            preset.epochs_of,
            *preset.epochs_on.values(),
        ]
        for key in {key for entries in by_model for key in entries} - set(MODELS):
            assert canonical_name(key, preset) == key
    for preset, _, name in REFERENCE_ACCURACIES:
        assert canonical_name(name, PRESETS[preset]) == name
    chance = {"mnist": 0.1, "cifar10": 0.1, "cifar100": 0.01}
    for (_, dataset, _), reference in REFERENCE_ACCURACIES.items():
        assert 3 * chance[dataset] < reference.accuracy < 1


def test_old_spellings_are_those_of_the_same_network():
    whole = PRESETS["whole"]
    assert set(old_spellings("resnet18", whole)) == {
        "resnet",
        "resnet-18",
        "resnetx18",
        "resnet-18-16",
        "resnet-18x16",
        "resnetx18-16",
        "resnetx18x16",
    }
    assert "mlp-512x3" in old_spellings("mlp", whole)
    assert "mlp" not in old_spellings("mlp_256x3", whole)
    assert "resnet" not in old_spellings("resnet18_w64", whole)
    assert {"simclr-resnet", "simclr-resnet-18"} <= set(old_spellings("simclr", whole))
    assert "simclr" not in old_spellings("simclr_resnet50", whole)


def test_the_folder_of_a_run(tmp_path):
    """A run that an earlier version made is found; new ones have the canonical name."""
    whole, small = PRESETS["whole"], PRESETS["small"]

    def path_of(name):
        return tmp_path / name / "seed_0"

    def found(model, preset=whole):
        return existing_or_new_path(model, preset, path_of).relative_to(tmp_path)

    for model in ("resnet", "resnet-18", "resnet18", "resnet18_w16"):
        assert found(model).parts == ("resnet18", "seed_0")
    (tmp_path / "resnet" / "seed_0").mkdir(parents=True)
    assert found("resnet").parts == ("resnet18", "seed_0")  # it is empty
    RunFolder(tmp_path / "resnet" / "seed_0").note(status="running")
    for model in ("resnet", "resnet-18", "resnet18", "resnet18_w16"):
        assert found(model).parts == ("resnet", "seed_0")
    # Not of another network, and not of another seed.
    assert found("resnet50").parts == ("resnet50", "seed_0")
    assert found("resnet18_w64").parts == ("resnet18_w64", "seed_0")
    seed_1 = existing_or_new_path(
        "resnet18", whole, lambda name: tmp_path / name / "seed_1"
    )
    assert seed_1 == tmp_path / "resnet18" / "seed_1"
    # Both are there: the canonical one.
    RunFolder(tmp_path / "resnet18" / "seed_0").note(status="running")
    assert found("resnet").parts == ("resnet18", "seed_0")
    # The plain name of wide networks depends on the preset.
    RunFolder(tmp_path / "wide_resnet" / "seed_0").note(status="finished")
    assert found("wide_resnet28_1").parts == ("wide_resnet", "seed_0")
    assert found("wide_resnet28_1", small).parts == ("wide_resnet28_1", "seed_0")
    assert found("wide_resnet16_1", small).parts == ("wide_resnet", "seed_0")
    RunFolder(tmp_path / "simclr-wide_resnet-16-2" / "seed_0").note(status="running")
    assert found("simclr_wide_resnet16_2").parts[0] == "simclr-wide_resnet-16-2"
