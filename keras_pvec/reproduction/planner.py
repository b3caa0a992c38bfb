"""From an `ExperimentConfig` to the runs that studies need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction import training
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.data import SPLITS, ImageData, ImageDataSpec
from keras_pvec.reproduction.model_names import parse_model_name
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.runner import Job, needs_training
from keras_pvec.reproduction.studies import GENERALIZATION_VARIANTS, Study, Variant
from keras_pvec.reproduction.training import (
    PRESETS,
    REFERENCE_ACCURACIES,
    Recipe,
    RunSettings,
)

# The P-vector and the four singular vectors after it, which the studies compare.
STORED_VECTORS = 5

_RECIPE_SETTINGS = ("optimizer", "learning_rate", "weight_decay", "augment")


def study_models(config: ExperimentConfig, study: Study) -> list[str]:
    """The models of a study that runs alone: those of the config, or its own, and its
    references; canonical names, each once."""
    models = config.models or _models_of_study(config, study)
    return _canonical(config, [*models, *study.references])


def reproduction_models(
    config: ExperimentConfig, study: Study, models: Sequence[str]
) -> list[str]:
    """The models of a study that is part of a reproduction: `models` if it compares
    every model, otherwise its own; canonical names, each once."""
    if study.every_model:
        return _canonical(config, [*models, *study.references])
    return _canonical(config, _models_of_study(config, study))


def model_notes(config: ExperimentConfig) -> list[str]:
    """The canonical names of models that were requested by another spelling, one
    sentence each."""
    preset = PRESETS[config.preset]
    networks = [training.resolve_network(name, preset) for name in config.models or ()]
    return [network.note for network in networks if network.note is not None]


def plan_runs(
    config: ExperimentConfig, models: Mapping[Study, Sequence[str]]
) -> dict[Study, list[Job]]:
    """The runs that studies need.

    All errors in the settings are found here, before the first training starts and
    before anything is written.

    Args:
        config: Settings of the experiment.
        models: Model names by study, in any spelling.

    Returns:
        The runs by study, with canonical names. Studies that share a run hold equal
        jobs.

    Raises:
        ConfigError: The settings contradict each other or the data.
        LayerChoiceError: A model lacks one of the watched layers.
        DatasetUnavailableError: The data set is not on disk and cannot be downloaded.
    """
    _check_runs_dir(config)
    try:
        jobs = {
            study: _plan_study(config, study, names) for study, names in models.items()
        }
        if config.train:
            _check_models(job for of_study in jobs.values() for job in of_study)
    except (ConfigError, LayerChoiceError):
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return jobs


def _models_of_study(config: ExperimentConfig, study: Study) -> list[str]:
    quick = study.quick_models if config.dataset == "digits" else ()
    return list(quick or study.models)


def _canonical(config: ExperimentConfig, models: Sequence[str]) -> list[str]:
    preset = PRESETS[config.preset]
    names = [training.canonical_name(name, preset) for name in models]
    return list(dict.fromkeys(names))


def _plan_study(
    config: ExperimentConfig, study: Study, models: Sequence[str]
) -> list[Job]:
    data = _training_data(config, study)
    models = _canonical(config, models)
    if study.variants:
        _check_classifiers(study, models)
        return [
            _variant_job(config, _base_job(config, model, seed, data), variant)
            for model in models
            for variant in study.variants
            if data.load().augment or not variant.switch_augment
            for seed in config.seeds
        ]
    return [
        _base_job(config, model, seed, data)
        for model in models
        for seed in config.seeds
    ]


def _check_classifiers(study: Study, models: Sequence[str]) -> None:
    for model in models:
        if MODELS[parse_model_name(model).architecture].task != "classification":
            raise ConfigError(
                f"{study.name} compares classifiers by their accuracy; {model} is not "
                "a classifier. Leave it out of the models."
            )


def _training_data(config: ExperimentConfig, study: Study) -> ImageDataSpec:
    """The images that the runs of a study are trained on."""
    preset = PRESETS[config.preset]
    spec = ImageDataSpec(config.dataset, config.data_dir)
    # Presets may request more images than a small data set has.
    n_train, n_test = (len(getattr(spec.load(), split)) for split in SPLITS)
    train_samples = config.train_samples
    if train_samples is None:
        train_samples = preset.train_samples
        if study.variants:
            train_samples = preset.variant_train_samples or train_samples
        train_samples = train_samples and min(train_samples, n_train)
    return dataclasses.replace(
        spec,
        train_samples=train_samples,
        test_samples=preset.test_samples and min(preset.test_samples, n_test),
    )


def _base_job(
    config: ExperimentConfig, model: str, seed: int, data: ImageDataSpec
) -> Job:
    """The run of a model under the preset."""
    preset = PRESETS[config.preset]
    images = data.load()
    settings = RunSettings(
        dataset=config.dataset,
        data_sha256=images.fingerprint(),
        model=model,
        model_options=training.model_options(preset, model),
        recipe=_override_recipe(training.recipe_of(preset, model), config),
        epochs=config.epochs or training.epochs_of(preset, model, config.dataset),
        batch_size=config.batch_size,
        seed=seed,
        num_samples=_num_samples(config, images),
        layers=list(config.layers or training.watched_layers(model)),
        # Layers that the user names are measured at every moment.
        layers_within_epoch="all" if config.layers else "first",
        pooling=config.pooling,
        log_freq=config.log_freq,
        k=STORED_VECTORS,
        method=config.method,
        precision=config.precision,
        jit_compile=config.jit_compile,
        deterministic=config.deterministic,
        distribute=config.distribute,
        keep_weights=config.keeps_weights,
    )
    suffix = "" if config.pooling == "avg" else "_flattened"
    path = _run_path(config, model, seed, lambda name: f"{name}{suffix}")
    return Job(
        _on_stored_backend(settings, path, config),
        path,
        data,
        REFERENCE_ACCURACIES.get((config.preset, config.dataset, model)),
    )


def _variant_job(config: ExperimentConfig, base: Job, variant: Variant) -> Job:
    """A variant of a run. Only its last epoch and its feature layer are analysed, so
    nothing else is stored."""
    settings, data = base.settings, base.data
    n_train = len(data.load().train)
    data = dataclasses.replace(data, label_noise=variant.label_noise)
    if variant.train_share < 1:
        share = max(2, round(variant.train_share * n_train))
        data = dataclasses.replace(data, train_samples=share)
    # All variants are compared on the same samples: those of the smallest subset.
    smallest = min(v.train_share for v in GENERALIZATION_VARIANTS)
    num_samples = dict(settings.num_samples)
    num_samples["train"] = min(num_samples["train"], round(smallest * n_train))
    settings = dataclasses.replace(
        settings,
        data_sha256=data.load().fingerprint(),
        model_options=training.scale_width(
            settings.model,
            settings.model_options,
            variant.width * PRESETS[config.preset].variant_width,
        ),
        variant=variant.name,
        label_noise=variant.label_noise,
        recipe=_vary_recipe(settings.recipe, variant),
        num_samples=num_samples,
        layers=settings.layers[:1],
        log_freq="epoch",
        k=1,
        keep_weights=False,
    )
    path = _run_path(
        config,
        settings.model,
        settings.seed,
        lambda name: f"variants/{name}/{variant.name}",
    )
    return Job(_on_stored_backend(settings, path, config), path, data)


def _on_stored_backend(
    settings: RunSettings, path: Path, config: ExperimentConfig
) -> RunSettings:
    """The settings of a run; those of one that is only analysed have the backend that
    it was trained on, since its P-vectors are compared like any others."""
    if config.train:
        return settings
    return dataclasses.replace(settings, backend=training.stored_backend(path))


def _run_path(
    config: ExperimentConfig, model: str, seed: int, folder_of: Callable[[str], str]
) -> Path:
    """The folder of a run, which may exist under an earlier name."""
    base = config.runs_dir / config.dataset / config.preset
    return training.existing_or_new_path(
        model,
        PRESETS[config.preset],
        lambda name: base / folder_of(name) / f"seed_{seed}",
    )


def _check_runs_dir(config: ExperimentConfig) -> None:
    """Raises an error if the folder of the runs cannot be searched, for example since
    its name is too long."""
    try:
        config.runs_dir.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # it can be made, or the attempt will say why not
    except OSError as error:
        raise ConfigError(
            f"Cannot search {str(config.runs_dir)[:200]!r} for runs "
            f"({error.strerror}). Choose another folder with `runs_dir`."
        ) from error


def _num_samples(config: ExperimentConfig, data: ImageData) -> dict[str, int]:
    """Number of samples by split. A number from the preset is reduced to what is
    available; a number from the user must be available."""
    available = {split: len(getattr(data, split)) for split in SPLITS}
    if config.num_samples is None:
        wanted = PRESETS[config.preset].num_samples
        return {split: min(wanted or n, n) for split, n in available.items()}
    if config.num_samples > available[config.split]:
        raise ConfigError(
            f"`num_samples` is {config.num_samples}, but the {config.split} split of "
            f"{data.name} has only {available[config.split]} images in this experiment."
        )
    return {split: min(config.num_samples, n) for split, n in available.items()}


def _override_recipe(recipe: Recipe, config: ExperimentConfig) -> Recipe:
    """The recipe with the user's settings."""
    given = {name: getattr(config, name) for name in _RECIPE_SETTINGS}
    return dataclasses.replace(
        recipe, **{name: value for name, value in given.items() if value is not None}
    )


def _vary_recipe(recipe: Recipe, variant: Variant) -> Recipe:
    """The recipe of a variant."""
    decay = variant.weight_decay
    return dataclasses.replace(
        recipe,
        learning_rate=recipe.learning_rate * variant.rate,
        augment=recipe.augment != variant.switch_augment,
        weight_decay=recipe.weight_decay if decay is None else decay,
    )


def _check_models(jobs: Iterable[Job]) -> None:
    """Builds one model of each kind that is to be trained, to find errors early."""
    checked = set()
    for job in jobs:
        kind = (job.settings.model, job.settings.recipe.augment)
        if not needs_training(job) or kind in checked:
            continue
        checked.add(kind)
        try:
            training.check_layers(job.settings, job.data.load())
        except ValueError:
            raise
        # For example too little memory. The training will raise and report it, and the
        # other models are trained.
        except Exception:
            continue
