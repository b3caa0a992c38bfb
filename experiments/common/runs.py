"""Trains what is missing of the runs of an experiment, and says how far it is."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import keras
from absl import flags
from tqdm import tqdm

from common.plan import Job
from keras_pvec import training
from keras_pvec.store import Run, open_run
from keras_pvec.training import Speed

FLAGS = flags.FLAGS


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


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
