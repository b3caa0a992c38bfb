"""From flags to the runs that studies need."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import flags

from common.command_line import POOLINGS, UsageError, parse_log_freq
from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import SPLITS, ImageData, ImageDataSpec
from keras_pvec.reproduction.models import MODELS, parse_model_name
from keras_pvec.reproduction.runner import Job
from keras_pvec.reproduction.studies import GENERALIZATION_VARIANTS, Study, Variant
from keras_pvec.reproduction.training import (
    PRESETS,
    REFERENCE_ACCURACIES,
    Recipe,
    RunSettings,
)

FLAGS = flags.FLAGS

# The P-vector, and those that are compared with it.
STORED_VECTORS = 5


def plan_runs(models: Mapping[Study, Sequence[str]]) -> dict[Study, list[Job]]:
    """The runs that studies of these models need.

    Everything that can be wrong with the flags is found here, before the first training
    starts and before anything is written.

    Raises:
        UsageError: The flags do not go together, or not with the data.
        LayerChoiceError: A model has no layer of that name.
    """
    try:
        jobs = {
            study: _plan(study, names, _data_of(study))
            for study, names in models.items()
        }
        _check_layers(jobs)
    except LayerChoiceError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error
    return jobs


def _data_of(study: Study) -> ImageDataSpec:
    """The images that the runs of a study are trained on."""
    preset = PRESETS[FLAGS.preset]
    whole = ImageDataSpec(FLAGS.dataset, FLAGS.data_dir)
    # A preset's subset of a data set that is smaller is the whole data set.
    n_train, n_test = (len(getattr(whole.load(), split)) for split in SPLITS)
    train = FLAGS.train_samples
    if train is None:
        train = preset.train_samples
        if study.variants:
            train = preset.variant_train_samples or train
        train = train and min(train, n_train)
    return dataclasses.replace(
        whole,
        train_samples=train,
        test_samples=preset.test_samples and min(preset.test_samples, n_test),
    )


def _plan(study: Study, models: Sequence[str], data: ImageDataSpec) -> list[Job]:
    """Settings and folder of every run of a study."""
    for model in models:
        needed = "classification"
        task = MODELS[parse_model_name(model)[0]].task
        if study.variants and task != needed:
            raise ValueError(
                f"{study.name} compares classifiers by their accuracy; {model} is not "
                "one. Leave it out of --models."
            )
    suits_augmentation = data.load().augment
    return [
        _job(model, seed, variant, data)
        for model in models
        for variant in study.variants or (None,)
        if variant is None or suits_augmentation or not variant.switch_augment
        for seed in map(int, FLAGS.seeds)
    ]


def _job(model: str, seed: int, variant: Variant | None, data: ImageDataSpec) -> Job:
    preset = PRESETS[FLAGS.preset]
    recipe = _override(training.recipe_of(preset, model))
    options = training.model_options(preset, model)
    watched = FLAGS.layers or training.watched_layers(model)
    num_samples = _num_samples(data.load())
    place = model if FLAGS.pooling == "avg" else f"{model}_flattened"
    keep_weights = FLAGS.keep_weights
    if keep_weights is None:
        keep_weights = FLAGS.preset != "small"
    measured = {
        "layers": watched,
        # Whoever names layers wants them at every moment.
        "layers_within_epoch": "all" if FLAGS.layers else "first",
        "pooling": POOLINGS[FLAGS.pooling],
        "log_freq": parse_log_freq(FLAGS.log_freq),
        "k": STORED_VECTORS,
        "keep_weights": keep_weights,
    }
    if variant is not None:
        options = training.scale_width(
            model, options, variant.width * preset.variant_width
        )
        recipe = _vary(recipe, variant)
        # The same samples for all variants: no more than the fewest images.
        n_train = len(data.load().train)
        fewest = min(v.train_share for v in GENERALIZATION_VARIANTS)
        num_samples["train"] = min(num_samples["train"], round(fewest * n_train))
        data = dataclasses.replace(data, label_noise=variant.label_noise)
        if variant.train_share < 1:
            n_share = max(2, round(variant.train_share * n_train))
            data = dataclasses.replace(data, train_samples=n_share)
        place = f"variants/{model}/{variant.name}"
        # Of many models the end of each is looked at, of its features alone.
        measured |= {
            "layers": watched[:1],
            "log_freq": "epoch",
            "k": 1,
            "keep_weights": False,
        }
    settings = RunSettings(
        dataset=FLAGS.dataset,
        data_sha256=data.load().fingerprint(),
        model=model,
        model_options=options,
        variant="" if variant is None else variant.name,
        label_noise=0.0 if variant is None else variant.label_noise,
        recipe=recipe,
        epochs=FLAGS.epochs or training.epochs_of(preset, model, FLAGS.dataset),
        batch_size=FLAGS.batch_size,
        seed=seed,
        num_samples=num_samples,
        method=FLAGS.method,
        precision=FLAGS.precision,
        jit_compile=FLAGS.jit_compile,
        deterministic=FLAGS.deterministic,
        distribute=FLAGS.distribute,
        **measured,
    )
    path = Path(FLAGS.runs_dir, FLAGS.dataset, FLAGS.preset, place, f"seed_{seed}")
    reference = None
    if variant is None:
        reference = REFERENCE_ACCURACIES.get((FLAGS.preset, FLAGS.dataset, model))
    return Job(settings, path, data, reference)


def _num_samples(data: ImageData) -> dict[str, int]:
    """How many samples of each split; a preset's number is cut to what there is."""
    available = {split: len(getattr(data, split)) for split in SPLITS}
    if FLAGS.num_samples is None:
        wanted = PRESETS[FLAGS.preset].num_samples
        return {s: min(wanted or n, n) for s, n in available.items()}
    if FLAGS.num_samples > available[FLAGS.split]:
        raise ValueError(
            f"{FLAGS.num_samples} samples were asked for, but the {FLAGS.split} split "
            f"of {data.name} that is used here has {available[FLAGS.split]}."
        )
    return {split: min(FLAGS.num_samples, n) for split, n in available.items()}


def _override(recipe: Recipe) -> Recipe:
    """The recipe with what was given by flag."""
    names = ("optimizer", "learning_rate", "weight_decay", "augment")
    given = {name: FLAGS[name].value for name in names}
    return dataclasses.replace(
        recipe, **{name: v for name, v in given.items() if v is not None}
    )


def _vary(recipe: Recipe, variant: Variant) -> Recipe:
    """The recipe of a variant."""
    changes = {"learning_rate": recipe.learning_rate * variant.rate}
    if variant.switch_augment:
        changes["augment"] = not recipe.augment
    if variant.weight_decay is not None:
        changes["weight_decay"] = variant.weight_decay
    return dataclasses.replace(recipe, **changes)


def _check_layers(jobs: Mapping[Study, Sequence[Job]]) -> None:
    """Builds one of the models of each name that are to be trained."""
    checked = set()
    for job in (job for of_study in jobs.values() for job in of_study):
        key = (job.settings.model, job.settings.recipe.augment)
        is_missing = FLAGS.train and not training.is_finished(job.settings, job.path)
        if is_missing and key not in checked:
            training.check_layers(job.settings, job.data.load())
            checked.add(key)
