"""What every experiment shares: flags, the plan of runs, progress, outputs, errors."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

# Before TensorFlow is imported: keep its start-up remarks out of the user's way.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pandas as pd
import tensorflow as tf
from absl import app, flags
from matplotlib.figure import Figure
from tqdm import tqdm

from keras_pvec import figures, training
from keras_pvec.data import (
    DATASETS,
    SPLITS,
    DatasetUnavailableError,
    ImageData,
    load_data,
)
from keras_pvec.features import LayerChoiceError
from keras_pvec.models import MODELS, parse_model_name
from keras_pvec.store import Run, RunConflictError, write_atomically
from keras_pvec.training import PRESETS, RECIPES, Recipe, RunSettings

FLAGS = flags.FLAGS

# absl files the flags under the module that defines them: this one.
_MODULE = __name__
_DEVICES = ("auto", "cpu", "gpu")


class RunsFailedError(RuntimeError):
    """No run of an experiment came to its end."""


class UsageError(ValueError):
    """A flag, or a combination of flags, that cannot be followed."""


def define_flags(models: Sequence[str]) -> None:
    """Defines the flags that all experiments have."""
    flags.DEFINE_enum("dataset", "digits", DATASETS, "Data set to train on.")
    flags.DEFINE_list(
        "models",
        list(models),
        f"Models to train, of {', '.join(MODELS)}; with a variant if wanted, as in "
        "resnet-50, wide_resnet-28-2 or mlp-512x3.",
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
        "num_samples", None, "Samples that P-vectors are taken on.", lower_bound=2
    )
    flags.DEFINE_enum("split", "train", SPLITS, "Where those samples come from.")
    flags.DEFINE_string(
        "log_freq",
        "epoch",
        "When to log besides the end of each epoch: 'epoch' for no more than that, a "
        "number of steps, or 'first_epoch:<steps>'.",
    )
    flags.DEFINE_list(
        "layers",
        None,
        "Layers to watch, by name or as 're:<regular expression>'; default the "
        "feature layer of each model. The first one is analysed.",
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
    flags.DEFINE_enum("device", "auto", _DEVICES, "Where to train.")
    flags.register_validator("models", _check_models)
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
class Experiment:
    """Trained runs and the place for what is made of them.

    Attributes:
        runs: One finished run for each model and seed, less those that failed.
        failures: What went wrong with those, one line each.
        out_dir: Folder of the tables and figures.
        title: Data set and preset, for figures.
    """

    runs: list[Run]
    failures: list[str]
    out_dir: Path
    title: str

    def save_table(self, table: pd.DataFrame, name: str) -> None:
        """Writes `<name>.csv`."""
        with write_atomically(self.out_dir / f"{name}.csv") as file:
            table.to_csv(file, index=False)

    def save_figure(self, figure: Figure, name: str) -> None:
        """Writes `<name>.png` and `<name>.pdf`."""
        figures.save_figure(figure, self.out_dir / name)


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
        ) as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(1)

    app.run(main)


def prepare(name: str) -> Experiment:
    """Trains what the flags ask for, or reuses it, and makes the output folder.

    Everything that can be wrong with the flags is found before the first training
    starts and before anything is written.
    """
    _choose_device()
    try:
        data = _load_data()
        plan = _plan(data)
    except LayerChoiceError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error
    missing = [item for item in plan if not training.is_finished(*item)]
    out_dir = Path(FLAGS.out_dir or f"results/{FLAGS.dataset}") / name
    _make_folders(Path(FLAGS.runs_dir), out_dir)

    _announce(plan, missing, data)
    runs, failures = _train(plan, missing, data)
    if not runs:
        raise RunsFailedError("No run was finished. " + " ".join(failures))
    used = {flag.name: flag.value for flag in FLAGS.flags_by_module_dict()[_MODULE]}
    with write_atomically(out_dir / "flags.json") as file:
        file.write((json.dumps(used, indent=2, sort_keys=True) + "\n").encode())
    title = f"{FLAGS.dataset}, preset {FLAGS.preset}"
    return Experiment(runs, failures, out_dir, title)


def print_claims(claims: pd.DataFrame) -> None:
    """Prints each claim with what was measured, whichever way it fell."""
    for row in claims.itertuples():
        print(f"\n{row.claim}: {row.verdict.upper()}. {row.statement}")
        print(f"  measured:  {row.measured}")
        if row.null:
            print(f"  null:      {row.null}")
        print(f"  criterion: {row.criterion}")
    print()


def finish(experiment: Experiment) -> None:
    """Says what failed and where the results are; the last line of every experiment."""
    for failure in experiment.failures:
        print(f"Error: {failure}", file=sys.stderr)
    print(f"Results in {experiment.out_dir.resolve()}", flush=True)
    if experiment.failures:
        sys.exit(1)


_Planned = tuple[RunSettings, Path]


def _load_data() -> ImageData:
    preset = PRESETS[FLAGS.preset]
    # A preset's subset of a data set that is smaller is the whole data set.
    whole = load_data(FLAGS.dataset, data_dir=FLAGS.data_dir)
    train = FLAGS.train_samples
    if train is None and preset.train_samples is not None:
        train = min(preset.train_samples, len(whole.train))
    test = preset.test_samples and min(preset.test_samples, len(whole.test))
    return whole.subset(train, test)


def _plan(data: ImageData) -> list[_Planned]:
    """Settings and folder of every run, checked as far as can be without training."""
    preset = PRESETS[FLAGS.preset]
    available = len(getattr(data, FLAGS.split))
    num_samples = FLAGS.num_samples or min(preset.num_samples or available, available)
    data.samples(FLAGS.split, num_samples)
    data_sha256 = data.fingerprint()
    plan = []
    for model in FLAGS.models:
        key, _ = parse_model_name(model)
        recipe = _override(RECIPES[key])
        for seed in map(int, FLAGS.seeds):
            settings = RunSettings(
                dataset=FLAGS.dataset,
                data_sha256=data_sha256,
                model=model,
                model_options=training.model_options(preset, model),
                recipe=recipe,
                epochs=FLAGS.epochs or preset.epochs,
                batch_size=FLAGS.batch_size,
                seed=seed,
                split=FLAGS.split,
                num_samples=num_samples,
                layers=FLAGS.layers or [MODELS[key].feature_layer],
                log_freq=_parse_log_freq(FLAGS.log_freq),
                method=FLAGS.method,
                precision=FLAGS.precision,
                jit_compile=FLAGS.jit_compile,
                deterministic=FLAGS.deterministic,
                distribute=FLAGS.distribute,
            )
            place = Path(
                FLAGS.dataset, FLAGS.preset, FLAGS.split, model, f"seed_{seed}"
            )
            plan.append((settings, FLAGS.runs_dir / place))
        training.check_layers(plan[-1][0], data)
    return plan


def _announce(plan: list[_Planned], missing: list[_Planned], data: ImageData) -> None:
    print(
        f"{FLAGS.dataset}: {len(data.train)} training images, {len(data.test)} test "
        f"images; P-vectors on {plan[0][0].num_samples} {FLAGS.split} samples."
    )
    forecast: dict[str, float] = {}
    total = 0.0
    for settings, path in plan:
        if (settings, path) not in missing:
            print(f"  reuse  {path}")
            continue
        if settings.model not in forecast:
            forecast[settings.model] = training.expected_seconds(settings, data)
        done = training.epochs_done(path)
        total += forecast[settings.model] * (1 - done / settings.epochs)
        resumed = f", {done} of them done" if done else ""
        print(f"  train  {path}  ({settings.epochs} epochs{resumed})")
    if missing:
        print(f"Expected time: about {_duration(total)}.", flush=True)


def _train(
    plan: list[_Planned], missing: list[_Planned], data: ImageData
) -> tuple[list[Run], list[str]]:
    """Trains what is missing; one run that fails does not stop the others."""
    updates = sum(
        training.steps_per_epoch(settings, data)
        * (settings.epochs - training.epochs_done(path))
        for settings, path in missing
    )
    runs: list[Run] = []
    failures: list[str] = []
    with tqdm(
        total=updates,
        unit="update",
        disable=not missing,
        # A log file is not to be flooded with states of the bar.
        mininterval=0.5 if sys.stderr.isatty() else 30,
    ) as bar:
        for settings, path in plan:
            progress = _Progress(bar, f"{settings.model}, seed {settings.seed}")
            try:
                runs.append(training.train(settings, data, path, callbacks=[progress]))
            except Exception as error:
                report = path.with_name(f"{path.name}_error.txt")
                report.parent.mkdir(parents=True, exist_ok=True)
                report.write_text(traceback.format_exc())
                failures.append(
                    f"{path} failed ({type(error).__name__}: "
                    f"{str(error).splitlines()[0]}); the whole of it is in {report}."
                )
    return runs, failures


class _Progress(keras.callbacks.Callback):
    """Moves one bar through all the updates of all the runs."""

    def __init__(self, bar: tqdm, name: str) -> None:
        super().__init__()
        self._bar = bar
        self._name = name

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._bar.set_description(f"{self._name}, epoch {epoch + 1}", refresh=False)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        shown = {
            key: f"{value:.4g}"
            for key, value in (logs or {}).items()
            if key in ("loss", "val_accuracy", "pvec_angle_data")
        }
        self._bar.set_postfix(shown, refresh=False)


def _choose_device() -> None:
    if FLAGS.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif FLAGS.device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise UsageError("--device=gpu was asked for, but TensorFlow sees no GPU.")


def _make_folders(*folders: Path) -> None:
    """Makes folders that can be written to, all of them or none."""
    made: list[Path] = []
    for folder in folders:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made += missing
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            for path in sorted(made, reverse=True):  # inner ones first
                path.rmdir()
            raise UsageError(
                f"Cannot write to {folder} ({error.strerror}); choose another folder "
                "with --runs_dir or --out_dir."
            ) from error


def _check_models(names: list[str]) -> bool:
    """Validates --models."""
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
