"""What every experiment shares: flags, the plan of runs, progress, outputs, errors."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

# Before TensorFlow is imported: keep its start-up remarks out of the user's way.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from keras_pvec import figures, pretrained, studies, training
from keras_pvec.data import (
    DATASETS,
    SPLITS,
    DatasetUnavailableError,
    ImageData,
    load_data,
)
from keras_pvec.features import LayerChoiceError
from keras_pvec.models import MODELS, parse_model_name
from keras_pvec.store import Run, RunConflictError, open_run, write_atomically
from keras_pvec.studies import (
    DATA_MATRICES,
    GENERALIZATION_VARIANTS,
    STUDIES,
    Findings,
    Options,
    Study,
    Variant,
)
from keras_pvec.training import PRESETS, RECIPES, Recipe, RunSettings, Speed

FLAGS = flags.FLAGS

# absl files the flags under the module that defines them: this one.
_MODULE = __name__
DEVICES = ("auto", "cpu", "gpu")
_POOLINGS = {"avg": "avg", "flatten": None}
# The P-vector, and those that are compared with it.
_STORED_VECTORS = 5
_TRIAL_IMAGES = 100


class RunsFailedError(RuntimeError):
    """No run of an experiment came to its end."""


class UsageError(ValueError):
    """A flag, or a combination of flags, that cannot be followed."""


def define_flags() -> None:
    """Defines the flags that all experiments have."""
    flags.DEFINE_enum("dataset", "digits", DATASETS, "Data set to train on.")
    flags.DEFINE_list(
        "models",
        None,
        f"Models to look at, of {', '.join(MODELS)}; with a variant if wanted, as in "
        "resnet-50, wide_resnet-28-2, mlp-512x3 or simclr-wide_resnet; default as the "
        "study needs.",
    )
    flags.DEFINE_enum(
        "preset",
        "small",
        list(PRESETS),
        "How much of everything: 'small' takes minutes on two cores, 'paper' is the "
        "setting of the paper. Other flags win over it.",
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of tensorflow-datasets; default TFDS_DATA_DIR, else its own default.",
    )
    flags.DEFINE_string("runs_dir", "runs", "Where trained runs are kept and reused.")
    flags.DEFINE_string(
        "out_dir", None, "Where tables and figures go; default results/<dataset>."
    )
    flags.DEFINE_list("seeds", ["0"], "Seeds; each gives a run of its own.")
    flags.DEFINE_integer("epochs", None, "Epochs to train.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Images per update.", lower_bound=1)
    flags.DEFINE_integer(
        "train_samples", None, "Size of the training subset.", lower_bound=2
    )
    flags.DEFINE_integer(
        "num_samples",
        None,
        "Samples of either split that P-vectors are taken on.",
        lower_bound=2,
    )
    flags.DEFINE_enum("split", "train", SPLITS, "Which of those samples to look at.")
    flags.DEFINE_enum(
        "data_matrix",
        "data",
        DATA_MATRICES,
        "What the raw data are: 'data' for pixels in [0, 1], 'input' for the "
        "standardised ones that the networks work on.",
    )
    flags.DEFINE_string(
        "log_freq",
        "first_epoch:1",
        "When to log besides the end of each epoch: 'epoch' for no more than that, a "
        "number of steps, or 'first_epoch:<steps>'.",
    )
    flags.DEFINE_list(
        "layers",
        None,
        "Layers to watch, by name or as 're:<regular expression>'; default the "
        "feature layer and the blocks of each model. The first one is analysed.",
    )
    flags.DEFINE_enum(
        "pooling",
        "avg",
        list(_POOLINGS),
        "What becomes of feature maps: 'avg' averages each channel over the image, "
        "'flatten' takes every entry as a feature.",
    )
    flags.DEFINE_enum(
        "method",
        "fast",
        ["fast", "exact"],
        "How P-vectors are computed; 'exact' is tf.linalg.svd.",
    )
    flags.DEFINE_enum(
        "optimizer", None, ["sgd", "adam"], "Instead of the model's own recipe's."
    )
    flags.DEFINE_float(
        "learning_rate", None, "Instead of the recipe's.", lower_bound=1e-12
    )
    flags.DEFINE_float(
        "weight_decay", None, "Instead of the recipe's.", lower_bound=0.0
    )
    flags.DEFINE_boolean("augment", None, "Instead of the recipe's.")
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "mixed_float16", "mixed_bfloat16"],
        "Keras's dtype policy.",
    )
    flags.DEFINE_boolean("jit_compile", False, "Train under XLA.")
    flags.DEFINE_boolean(
        "deterministic", False, "Repeat a training bit for bit, even where slower."
    )
    flags.DEFINE_enum(
        "distribute",
        "none",
        ["none", "mirrored"],
        "Share each batch among all accelerators of this machine.",
    )
    flags.DEFINE_enum("device", "auto", DEVICES, "Where to train.")
    flags.DEFINE_boolean(
        "train", True, "Train what is missing; --notrain looks at what is there alone."
    )
    flags.register_validator("models", _check_models)
    flags.register_validator(
        "layers",
        lambda layers: layers is None or bool(layers),
        "must name at least one layer",
    )
    flags.register_validator(
        "seeds",
        lambda seeds: (
            all(seed.isdecimal() for seed in seeds)
            and _are_different([int(seed) for seed in seeds])
        ),
        "must be different whole numbers, not negative",
    )
    flags.register_validator(
        "log_freq",
        lambda text: _parse_log_freq(text) is not None,
        "must be 'epoch', a positive number, or 'first_epoch:<positive number>'",
    )


@dataclasses.dataclass(frozen=True)
class Job:
    """A run that an experiment needs: what to train, on what, and where it is kept."""

    settings: RunSettings
    path: Path
    data: ImageData


def define_pretrained_flags(networks: str) -> None:
    """Defines the flags of what is done with ready-trained networks, which are chosen
    by the flag that is called `networks`."""
    flags.DEFINE_list(
        networks,
        ["MobileNet", "MobileNetV2", "EfficientNetB0"],
        "Networks of keras.applications to compare.",
    )
    flags.DEFINE_string(
        "weights",
        "none",
        "Their weights: 'imagenet' (downloaded once), a weights file, a folder with "
        "<network>.weights.h5 for each, or 'none' for random ones.",
    )
    flags.DEFINE_string(
        "images",
        None,
        "Folder of images, or 'imagenet_v2' for that of tensorflow-datasets; default "
        "the digits, which serve to try things.",
    )
    flags.DEFINE_integer(
        "num_images", None, "How many images, the first ones.", lower_bound=2
    )


def pretrained_findings(networks: Sequence[str]) -> Findings:
    """Compares ready-trained networks on what the flags say."""
    n = FLAGS.num_images
    try:
        if FLAGS.images is None:
            digits = load_data("digits").test.take(n or _TRIAL_IMAGES)
            images = pretrained.Images(
                np.uint8(np.rint(255 * digits.pixels())), name="digits"
            )
        elif FLAGS.images == "imagenet_v2":
            images = pretrained.imagenet_v2(FLAGS.data_dir, n)
        else:
            name = Path(FLAGS.images).name
            images = pretrained.Images(
                pretrained.image_files(FLAGS.images, n), name=name
            )
        keras.utils.set_random_seed(0)  # of random weights
        p_vectors = pretrained.p_vectors(
            networks,
            images,
            weights=None if FLAGS.weights == "none" else FLAGS.weights,
            k=_STORED_VECTORS,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    return studies.pretrained(
        p_vectors, FLAGS.weights, f"{len(images)} images of {images.name}"
    )


def run(experiment: Callable[[], None]) -> None:
    """Runs an experiment as a program: what the user got wrong becomes one sentence."""

    def main(argv: list[str]) -> None:
        try:
            if len(argv) > 1:
                raise UsageError(
                    f"Unexpected argument {argv[1]!r}; every setting is a --flag."
                )
            experiment()
        except KeyboardInterrupt:
            print(
                "\nStopped. The same command goes on after the last finished epoch.",
                file=sys.stderr,
            )
            sys.exit(130)
        except (
            UsageError,
            RunsFailedError,
            DatasetUnavailableError,
            LayerChoiceError,
            RunConflictError,
            pretrained.WeightsUnavailableError,
        ) as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(1)

    app.run(main)


def run_study(name: str) -> None:
    """A program that answers the question of one study."""
    define_flags()
    study = STUDIES[name]

    def experiment() -> None:
        jobs = prepare({study: _models_of(study)})
        runs, failures = train(jobs[study])
        if not runs:
            raise RunsFailedError(
                "No run was finished. " + " ".join(failures)
                if FLAGS.train
                else f"None of the runs is in {FLAGS.runs_dir}; leave out --notrain."
            )
        findings = analyse(study, jobs[study], runs)
        print_claims(findings.claims)
        finish(out_dir() / name, failures)

    run(experiment)


def prepare(models: Mapping[Study, Sequence[str]]) -> dict[Study, list[Job]]:
    """The runs that studies of these models need, and folders to write to.

    Everything that can be wrong with the flags is found before the first training
    starts and before anything is written.
    """
    tf.get_logger().addFilter(_is_news)
    logging.getLogger("absl").addFilter(_is_news)
    choose_device()
    try:
        data = _load_data()
        jobs = {study: _plan(study, names, data) for study, names in models.items()}
        _check_layers(jobs)
    except LayerChoiceError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error
    make_folders(Path(FLAGS.runs_dir), *(out_dir() / study.name for study in models))
    return jobs


def out_dir() -> Path:
    """The folder of results, which holds one folder for each study."""
    return Path(FLAGS.out_dir or f"results/{FLAGS.dataset}")


def title() -> str:
    """What figures are headed with."""
    return f"{FLAGS.dataset}, preset {FLAGS.preset}"


def analyse(study: Study, jobs: Sequence[Job], runs: Mapping[Path, Run]) -> Findings:
    """Makes tables and figures of those runs of a study that were finished, and writes
    them into its folder."""
    finished = [job for job in jobs if job.path in runs]
    options = Options(title(), FLAGS.split, FLAGS.data_matrix, _images(finished[0]))
    findings = study.analyse([runs[job.path] for job in finished], options)
    save_findings(findings, out_dir() / study.name)
    return findings


def _images(job: Job) -> np.ndarray:
    """The samples that are looked at, as pictures."""
    n = job.settings.num_samples[FLAGS.split]
    return job.data.samples(FLAGS.split, n).x


def save_findings(findings: Findings, folder: Path) -> None:
    """Writes tables, figures, claims and the flags that led to them."""
    for name, table in {**findings.tables, "claims": findings.claims}.items():
        save_table(table, folder / f"{name}.csv")
    for name, figure in findings.figures.items():
        figures.save_figure(figure, folder / name)
    by_module = FLAGS.flags_by_module_dict()
    used = {
        flag.name: flag.value
        for module in (_MODULE, sys.argv[0])
        for flag in by_module.get(module, [])
    }
    with write_atomically(folder / "flags.json") as file:
        file.write((json.dumps(used, indent=2, sort_keys=True) + "\n").encode())


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a CSV file."""
    with write_atomically(path) as file:
        table.to_csv(file, index=False)


def print_claims(claims: pd.DataFrame) -> None:
    """Prints each claim with what was measured, whichever way it fell."""
    for row in claims.itertuples():
        print(f"\n{row.claim}: {row.verdict.upper()}. {row.statement}")
        print(f"  measured:  {row.measured}")
        if row.met:
            print(f"  met by:    {row.met}")
        if row.null:
            print(f"  null:      {row.null}")
        if row.criterion:
            print(f"  criterion: {row.criterion}")
    print()


def finish(folder: Path, failures: Sequence[str]) -> None:
    """Says what failed and where the results are; the last line of every experiment."""
    for failure in failures:
        print(f"Error: {failure}", file=sys.stderr)
    print(f"Results in {folder.resolve()}", flush=True)
    if failures:
        sys.exit(1)


def _is_news(record: logging.LogRecord) -> bool:
    # Every model is traced once; TensorFlow counts over all of them.
    return "triggered tf.function retracing" not in record.getMessage()


def _models_of(study: Study) -> list[str]:
    """The models asked for, and the references that the study needs besides."""
    quick = study.quick_models if FLAGS.dataset == "digits" else ()
    models = FLAGS.models or [*(quick or study.models)]
    return list(dict.fromkeys([*models, *study.references]))


def _load_data() -> ImageData:
    preset = PRESETS[FLAGS.preset]
    # A preset's subset of a data set that is smaller is the whole data set.
    whole = load_data(FLAGS.dataset, data_dir=FLAGS.data_dir)
    train = FLAGS.train_samples
    if train is None and preset.train_samples is not None:
        train = min(preset.train_samples, len(whole.train))
    test = preset.test_samples and min(preset.test_samples, len(whole.test))
    return whole.subset(train, test)


def _plan(study: Study, models: Sequence[str], data: ImageData) -> list[Job]:
    """Settings and folder of every run of a study."""
    for model in models:
        needed = "classification"
        task = MODELS[parse_model_name(model)[0]].task
        if study.variants and task != needed:
            raise ValueError(
                f"{study.name} compares classifiers by their accuracy; {model} is not "
                "one. Leave it out of --models."
            )
    return [
        _job(model, seed, variant, data)
        for model in models
        for variant in study.variants or (None,)
        if variant is None or data.augment or not variant.switch_augment
        for seed in map(int, FLAGS.seeds)
    ]


def _job(model: str, seed: int, variant: Variant | None, data: ImageData) -> Job:
    preset = PRESETS[FLAGS.preset]
    key, _ = parse_model_name(model)
    recipe = _override(RECIPES[key])
    options = training.model_options(preset, model)
    watched = FLAGS.layers or training.watched_layers(model)
    num_samples = _num_samples(data)
    place = model if FLAGS.pooling == "avg" else f"{model}_flattened"
    measured = {
        "layers": watched,
        # Whoever names layers wants them at every moment.
        "layers_within_epoch": "all" if FLAGS.layers else "first",
        "pooling": _POOLINGS[FLAGS.pooling],
        "log_freq": _parse_log_freq(FLAGS.log_freq),
        "k": _STORED_VECTORS,
    }
    if variant is not None:
        options = training.scale_width(
            model, options, variant.width * preset.variant_width
        )
        recipe = _vary(recipe, variant)
        # The same samples for all variants: no more than the fewest images.
        fewest = min(v.train_share for v in GENERALIZATION_VARIANTS)
        n_fewest = round(fewest * len(data.train))
        num_samples["train"] = min(num_samples["train"], n_fewest)
        data = _vary_data(data, variant.train_share, variant.label_noise)
        place = f"variants/{model}/{variant.name}"
        # Of many models the end of each is looked at, of its features alone.
        measured |= {"layers": watched[:1], "log_freq": "epoch", "k": 1}
    settings = RunSettings(
        dataset=FLAGS.dataset,
        data_sha256=data.fingerprint(),
        model=model,
        model_options=options,
        variant="" if variant is None else variant.name,
        label_noise=0.0 if variant is None else variant.label_noise,
        recipe=recipe,
        epochs=FLAGS.epochs or preset.epochs,
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
    return Job(settings, path, data)


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


def _vary(recipe: Recipe, variant: Variant) -> Recipe:
    """The recipe of a variant."""
    changes = {"learning_rate": recipe.learning_rate * variant.rate}
    if variant.switch_augment:
        changes["augment"] = not recipe.augment
    if variant.weight_decay is not None:
        changes["weight_decay"] = variant.weight_decay
    return dataclasses.replace(recipe, **changes)


@functools.cache
def _vary_data(data: ImageData, train_share: float, label_noise: float) -> ImageData:
    if train_share < 1:
        data = data.subset(max(2, round(train_share * len(data.train))))
    return data.with_label_noise(label_noise) if label_noise else data


def _check_layers(jobs: Mapping[Study, Sequence[Job]]) -> None:
    """Builds one of the models of each name that are to be trained."""
    checked = set()
    for job in (job for of_study in jobs.values() for job in of_study):
        key = (job.settings.model, job.settings.recipe.augment)
        is_missing = FLAGS.train and not training.is_finished(job.settings, job.path)
        if is_missing and key not in checked:
            training.check_layers(job.settings, job.data)
            checked.add(key)


def train(jobs: Sequence[Job]) -> tuple[dict[Path, Run], list[str]]:
    """Trains what is missing of these runs; one that fails does not stop the others.

    Returns:
        The finished runs by their folders, and one line for each failure.
    """
    jobs = list({job.path: job for job in jobs}.values())
    missing = [j for j in jobs if not training.is_finished(j.settings, j.path)]
    if not FLAGS.train:
        print(f"{len(jobs) - len(missing)} runs are there, {len(missing)} are not.")
        return {j.path: open_run(j.path) for j in jobs if j not in missing}, []
    forecasts = _announce(jobs, missing)
    runs: dict[Path, Run] = {}
    failures: list[str] = []
    with tqdm(
        total=round(sum(forecasts.values()), 1),
        disable=not missing,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
        "{postfix}",
        # A log file is not to be flooded with states of the bar.
        mininterval=0.5 if sys.stderr.isatty() else 30,
    ) as bar:
        for job in jobs:
            progress = _Progress(bar, job, forecasts.get(job.path, 0.0))
            try:
                runs[job.path] = training.train(
                    job.settings, job.data, job.path, callbacks=[progress]
                )
            except Exception as error:
                report = job.path.with_name(f"{job.path.name}_error.txt")
                report.parent.mkdir(parents=True, exist_ok=True)
                report.write_text(traceback.format_exc())
                failures.append(
                    f"{job.path} failed ({type(error).__name__}: "
                    f"{str(error).splitlines()[0]}); the whole of it is in {report}."
                )
    return runs, failures


def _announce(jobs: Sequence[Job], missing: Sequence[Job]) -> dict[Path, float]:
    """Says what is trained and what is reused; returns the seconds that each missing
    run is expected to take."""
    for name, job in {job.settings.dataset: job for job in reversed(jobs)}.items():
        samples = [f"{n} {s}" for s, n in job.settings.num_samples.items()]
        print(
            f"{name}: {len(job.data.train)} training images, {len(job.data.test)} test "
            f"images; P-vectors on {' and '.join(samples)} samples."
        )
    speeds: dict[tuple[str, str], Speed] = {}
    forecasts = {}
    for job in jobs:
        if job not in missing:
            print(f"  reuse  {job.path}")
            continue
        kind = (job.settings.dataset, job.settings.model)
        if kind not in speeds:
            speeds[kind] = training.measure_speed(job.settings, job.data)
        done = training.epochs_done(job.path)
        forecasts[job.path] = training.expected_seconds(
            job.settings, job.data, speeds[kind], done
        )
        resumed = f", {done} of them done" if done else ""
        print(f"  train  {job.path}  ({job.settings.epochs} epochs{resumed})")
    if missing:
        print(f"Expected time: about {_duration(sum(forecasts.values()))}.", flush=True)
    return forecasts


class _Progress(keras.callbacks.Callback):
    """Moves one bar through all the runs, by the time that is expected to pass."""

    def __init__(self, bar: tqdm, job: Job, seconds: float) -> None:
        super().__init__()
        self._bar = bar
        settings = job.settings
        self._name = " ".join([settings.model, settings.variant]).strip()
        self._name += f", seed {settings.seed}"
        epochs = settings.epochs - training.epochs_done(job.path)
        updates = epochs * training.steps_per_epoch(settings, job.data)
        self._seconds_per_update = seconds / max(updates, 1)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._bar.set_description(f"{self._name}, epoch {epoch + 1}", refresh=False)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # Rounding may add up to a little more than the whole.
        left = self._bar.total - self._bar.n
        self._bar.update(min(self._seconds_per_update, left))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        shown = {
            key: f"{value:.4g}"
            for key, value in (logs or {}).items()
            if key in ("loss", "val_accuracy", "pvec_angle_data")
        }
        self._bar.set_postfix(shown, refresh=False)


def choose_device() -> None:
    """Keeps TensorFlow to the device of --device."""
    if FLAGS.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif FLAGS.device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise UsageError("--device=gpu was asked for, but TensorFlow sees no GPU.")


def make_folders(*folders: Path) -> None:
    """Makes folders that can be written to, all of them or none.

    Raises:
        UsageError: One of them cannot be written to.
    """
    made: list[Path] = []
    for folder in folders:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made += missing
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            _remove(made)
            raise UsageError(
                f"Cannot write to {folder} ({error.strerror}); choose another folder "
                "with --runs_dir or --out_dir."
            ) from error


@contextlib.contextmanager
def results_folder(folder: Path) -> Iterator[None]:
    """Makes a folder for the results of what runs within, and removes it again if that
    fails before anything was written."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    make_folders(folder)
    try:
        yield
    except BaseException:
        if not any(folder.iterdir()):
            _remove(missing)
        raise


def _remove(empty: Sequence[Path]) -> None:
    for path in sorted(empty, reverse=True):  # inner ones first
        path.rmdir()


def _check_models(names: list[str] | None) -> bool:
    """Validates --models."""
    if names is None:
        return True
    if not _are_different(names):
        raise flags.ValidationError("must be different models, at least one")
    for name in names:
        try:
            parse_model_name(name)
        except ValueError as error:
            raise flags.ValidationError(str(error)) from error
    return True


def _override(recipe: Recipe) -> Recipe:
    """The recipe with what was given by flag."""
    names = ("optimizer", "learning_rate", "weight_decay", "augment")
    given = {name: FLAGS[name].value for name in names}
    return dataclasses.replace(
        recipe, **{name: v for name, v in given.items() if v is not None}
    )


def _are_different(values: list) -> bool:
    return bool(values) and len(set(values)) == len(values)


def _parse_log_freq(text: str) -> str | int | dict[str, int] | None:
    """The value that `PVectorLogger` takes; `None` if the text is not one."""
    if text == "epoch":
        return text
    where, _, number = text.rpartition(":")
    if where not in ("", "first_epoch") or not number.isdecimal() or int(number) < 1:
        return None
    return {where: int(number)} if where else int(number)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
