"""Announces a sweep before it starts: its data, its runs, and the expected time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from keras_pvec.reproduction import training
from keras_pvec.reproduction.runner.job import DamagedRun, Job
from keras_pvec.reproduction.runner.progress import Forecast
from keras_pvec.reproduction.runner.sweep_state import duration_text


def announce_jobs(
    jobs: Sequence[Job], missing: Collection[Job], damaged: Collection[DamagedRun] = ()
) -> None:
    """Prints the data sets, and which runs are trained, reused or left out."""
    left_out = {run.path for run in damaged}
    for name, job in {job.settings.dataset: job for job in reversed(jobs)}.items():
        data = job.data.load()
        samples = [f"{n} {s}" for s, n in job.settings.num_samples.items()]
        print(
            f"{name}: {len(data.train)} training images, {len(data.test)} test "
            f"images; P-vectors on {' and '.join(samples)} samples."
        )
    for job in jobs:
        if job.path in left_out:
            print(f"  damaged  {job.path}")
            continue
        if job not in missing:
            print(f"  reuse  {job.path}")
            continue
        done = training.epochs_done(job.path)
        resumed = f", {done} of them done" if done else ""
        print(f"  train  {job.path}  ({job.settings.epochs} epochs{resumed})")


def announce_time(forecasts: Collection[Forecast], workers: int) -> None:
    """Prints how long the missing runs are expected to take."""
    seconds = sum(forecast.seconds for forecast in forecasts) / workers
    by = f" with {workers} workers" if workers > 1 else ""
    print(f"Expected time: about {duration_text(seconds)}{by}.", flush=True)


def forecast_jobs(jobs: Sequence[Job]) -> dict[Path, Forecast]:
    """Forecasts by folder of the run. One model of each kind is timed."""
    speeds: dict[tuple[str, str], training.Speed] = {}
    forecasts = {}
    for job in jobs:
        settings = job.settings
        kind = (settings.dataset, settings.model)
        done = training.epochs_done(job.path)
        try:
            data = job.data.load()
            if kind not in speeds:
                speeds[kind] = training.measure_speed(settings, data)
            seconds = training.expected_seconds(settings, data, speeds[kind], done)
        except Exception:  # the training will raise and report it
            seconds = 0.0
        forecasts[job.path] = Forecast(seconds, done / settings.epochs)
    return forecasts
