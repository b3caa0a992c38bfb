"""Which runs studies need, and where they are kept. Nothing is trained here."""

import dataclasses
import math
import pickle
from pathlib import Path

import pytest

from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.planner import (
    STORED_VECTORS,
    model_notes,
    plan_runs,
    reproduction_models,
    study_models,
)
from keras_pvec.reproduction.studies import STUDIES
from keras_pvec.reproduction.training import PRESETS, RECIPES, is_finished
from keras_pvec.runs import RunFolder

N_TRAIN, N_TEST = 1437, 360  # digits
FULL_VARIANTS = 12


def plan(config, study="convergence", models=None):
    of_study = STUDIES[study]
    models = study_models(config, of_study) if models is None else models
    return plan_runs(config, {of_study: models})[of_study]


def existing(**settings):
    """Settings that train nothing, so that no model is built to check it."""
    return ExperimentConfig(train=False, **settings)


def test_one_run_for_each_model_and_seed():
    jobs = plan(existing(models=("mlp", "resnet18"), seeds=(0, 3)))
    assert [job.path for job in jobs] == [
        Path("runs/digits/small", model, f"seed_{seed}")
        for model in ("mlp", "resnet18")
        for seed in (0, 3)
    ]
    assert [job.settings.seed for job in jobs] == [0, 3, 0, 3]
    assert len({job.settings.data_sha256 for job in jobs}) == 1


def test_a_preset_gives_what_the_config_leaves_open():
    (job,) = plan(existing(models=("mlp",), seeds=(5,)))
    settings, preset = job.settings, PRESETS["small"]
    assert settings.epochs == preset.epochs
    assert settings.model_options == {"width": 256, "depth": 3}
    assert settings.recipe == RECIPES["mlp"]
    # No more than there are: the preset asks for 5000 and 2000 images.
    assert job.data.train_samples == N_TRAIN
    assert job.data.test_samples == N_TEST
    assert settings.num_samples == {"train": preset.num_samples, "test": N_TEST}
    assert settings.k == STORED_VECTORS
    assert settings.layers_within_epoch == "first"
    assert settings.keep_weights is False


def test_the_config_overrides_the_preset():
    config = existing(
        models=("resnet",),
        epochs=3,
        batch_size=32,
        train_samples=200,
        num_samples=100,
        log_freq=7,
        layers=("avg_pool",),
        method="exact",
        optimizer="adam",
        learning_rate=0.5,
        weight_decay=0.25,
        augment=False,
        precision="mixed_bfloat16",
        jit_compile=True,
        deterministic=True,
        distribute="mirrored",
        keep_weights=True,
    )
    (job,) = plan(config)
    settings = job.settings
    assert job.data.train_samples == 200
    assert settings.num_samples == {"train": 100, "test": 100}
    assert settings.recipe == dataclasses.replace(
        RECIPES["resnet"],
        optimizer="adam",
        learning_rate=0.5,
        weight_decay=0.25,
        augment=False,
    )
    assert settings.layers == ["avg_pool"]
    assert settings.layers_within_epoch == "all"
    for name in (
        "epochs",
        "batch_size",
        "log_freq",
        "method",
        "precision",
        "jit_compile",
        "deterministic",
        "distribute",
        "keep_weights",
    ):
        assert getattr(settings, name) == getattr(config, name), name


def test_what_does_not_change_a_run_does_not_move_it():
    """Such as where it is computed, and what is made of it."""
    plain = plan(existing(models=("mlp",)))
    other = existing(
        models=("mlp",),
        split="test",
        data_matrix="input",
        workers=2,
        device="cpu",
        out_dir="elsewhere",
    )
    assert plan(other) == plain


def test_flattened_features_are_runs_of_their_own():
    (job,) = plan(existing(models=("autoencoder",), pooling=None, runs_dir="else/runs"))
    assert job.path == Path("else/runs/digits/small/autoencoder_flattened/seed_0")
    assert job.settings.pooling is None


def test_studies_of_every_model_share_runs():
    """Settings and folder alike."""
    config = existing(seeds=(0, 1))
    shared = [study for study in STUDIES.values() if not study.variants]
    assert len(shared) == 7
    jobs = plan_runs(config, {study: ["mlp", "resnet18"] for study in shared})
    assert all(of_study == jobs[shared[0]] for of_study in jobs.values())


def test_models_of_a_study():
    common, general = STUDIES["common_subspace"], STUDIES["generalization"]
    config = ExperimentConfig(models=("vgg16", "autoencoder"))
    # With its references, each once, in the sizes of the preset.
    assert study_models(config, common) == [
        "vgg16",
        "autoencoder",
        "wide_resnet16_1",
        "simclr",
    ]
    assert study_models(ExperimentConfig(), general) == list(general.quick_models)
    of_cifar = ExperimentConfig(dataset="cifar10")
    assert study_models(of_cifar, general) == list(general.models)
    # As part of a reproduction, it keeps to its own unless it looks at every model.
    assert reproduction_models(of_cifar, general, ["mlp"]) == list(general.models)
    assert reproduction_models(of_cifar, common, ["mlp"]) == [
        "mlp",
        "wide_resnet16_1",
        "autoencoder",
        "simclr",
    ]


@pytest.mark.parametrize(
    ("preset", "spellings", "name"),
    [
        ("small", ("mlp", "mlp-256", "mlp_256x3"), "mlp"),
        ("whole", ("mlp", "mlp_512x3"), "mlp"),
        ("small", ("wide_resnet", "wide_resnet-16-1"), "wide_resnet16_1"),
        ("small", ("resnet", "resnet18"), "resnet18"),
    ],
)
def test_spellings_of_one_network_are_one_run(preset, spellings, name):
    config = existing(models=spellings, preset=preset)
    (job,) = plan(config)
    assert job.path == Path("runs/digits", preset, name, "seed_0")
    assert len(model_notes(config)) == len(set(spellings) - {name})
    assert plan(config, models=spellings) == [job]


def test_a_run_of_an_earlier_version_is_found_under_its_old_name(tmp_path):
    old = tmp_path / "digits" / "small" / "resnet" / "seed_0"
    (job,) = plan(existing(models=("resnet18",), runs_dir=tmp_path))
    stored = job.settings.as_json() | {
        "model": "resnet",
        "model_options": {"width": 16},
    }
    RunFolder(old).note(settings=stored, status="finished")
    (found,) = plan(existing(models=("resnet18",), runs_dir=tmp_path))
    assert found.path == old
    assert is_finished(found.settings, found.path)


def test_variants_differ_from_their_base_in_one_factor():
    config = existing(models=("mlp",), train_samples=200, num_samples=100)
    jobs = plan(config, "generalization")
    # Digits are not augmented, so nothing can be switched.
    assert len(jobs) == FULL_VARIANTS - 1
    by_name = {job.settings.variant: job for job in jobs}
    base = by_name["base"].settings
    assert base.k == 1
    assert base.log_freq == "epoch"
    assert base.keep_weights is False
    width = PRESETS["small"].model_options["mlp"]["width"] * 0.5
    assert base.model_options["width"] == width
    # All are compared on the images of the smallest subset.
    for name, job in by_name.items():
        assert job.path == Path("runs/digits/small/variants/mlp", name, "seed_0")
        assert job.settings.num_samples["train"] == 0.2 * 200
        assert job.reference is None

    def changes(name):
        settings = by_name[name].settings
        return {
            field.name: getattr(settings, field.name)
            for field in dataclasses.fields(settings)
            if getattr(settings, field.name) != getattr(base, field.name)
            and field.name not in ("variant", "data_sha256")
        }

    assert changes("width=2") == {"model_options": {"width": 2 * width, "depth": 3}}
    assert changes("width=0.5") == {"model_options": {"width": width / 2, "depth": 3}}
    assert changes("label_noise=0.2") == {"label_noise": 0.2}
    assert changes("train_share=0.2") == {}
    for name, value in (("weight_decay=0.005", 5e-3), ("weight_decay=0.001", 1e-3)):
        recipe = dataclasses.replace(base.recipe, weight_decay=value)
        assert changes(name) == {"recipe": recipe}
    rate = by_name["rate=3"].settings.recipe.learning_rate
    assert math.isclose(rate, 3 * base.recipe.learning_rate)
    n_train = {name: len(job.data.load().train) for name, job in by_name.items()}
    assert n_train["train_share=0.2"] == 40
    assert n_train["train_share=0.5"] == 100
    assert n_train["label_noise=0.5"] == n_train["base"] == 200
    fingerprints = {job.settings.data_sha256 for job in jobs}
    # The whole subset, two shares of it, and two shares of wrong labels.
    assert len(fingerprints) == 5


def test_photographs_are_studied_with_and_without_augmentation(tfds_dir):
    config = existing(dataset="cifar10", data_dir=tfds_dir, models=("mlp",))
    jobs = plan(config, "generalization")
    assert len(jobs) == FULL_VARIANTS
    augment = {job.settings.variant: job.settings.recipe.augment for job in jobs}
    switched = augment.pop("augment=switched")
    assert set(augment.values()) == {not switched}


def test_jobs_pickle_without_their_images():
    (job,) = plan(existing(models=("mlp",)))
    job.data.load()
    pickled = pickle.dumps(job)
    assert pickle.loads(pickled) == job
    assert len(pickled) < 5000


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"num_samples": 99999}, ["99999", str(N_TRAIN)]),
        ({"num_samples": 400, "split": "test"}, ["400", str(N_TEST)]),
        ({"train_samples": 99999}, ["99999", str(N_TRAIN)]),
        # Contrastive models learn from augmented views.
        ({"models": ("simclr",), "augment": False}, ["simclr"]),
    ],
    ids=str,
)
def test_settings_that_contradict_the_data_are_an_error(settings, named):
    with pytest.raises(ConfigError) as error:
        plan(ExperimentConfig(**settings))
    assert all(word in str(error.value) for word in named)


def test_generalization_is_of_classifiers():
    with pytest.raises(ConfigError, match="autoencoder"):
        plan(existing(models=("autoencoder",)), "generalization")


@pytest.mark.parametrize("layer", ["nope", "re:("])
def test_a_layer_that_no_model_has_is_an_error(layer, tmp_path):
    config = ExperimentConfig(models=("mlp",), layers=(layer,), runs_dir=tmp_path)
    with pytest.raises(LayerChoiceError) as error:
        plan(config)
    assert layer.removeprefix("re:") in str(error.value)
    assert not any(tmp_path.iterdir())
