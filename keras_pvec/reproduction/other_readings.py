"""The claims of a study under other readings, from finished runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_pvec.reproduction.claims import ClaimResult, Reading, ReadingChoice
from keras_pvec.reproduction.data import SPLITS
from keras_pvec.reproduction.failures import error_text, save_traceback
from keras_pvec.reproduction.readings import RawImages, ReadingUnavailableError
from keras_pvec.reproduction.readings.measure import measure_reading
from keras_pvec.reproduction.runner import DamagedRun, Job, RunFailure, damage_text
from keras_pvec.reproduction.steps import show_steps
from keras_pvec.reproduction.studies import (
    Options,
    Study,
    analyse_readings,
    measured_readings,
)
from keras_pvec.runs import DamagedRunError, Run


def rate_under_readings(
    study: Study,
    jobs: Sequence[Job],
    runs: Mapping[Path, Run],
    options: Options,
    which: ReadingChoice,
) -> tuple[ClaimResult, ...]:
    """Rates the claims of a study under their readings.

    Readings that take a forward pass are rated where `measure_readings` measured them.

    Args:
        study: The study.
        jobs: Its finished runs, at least one.
        runs: The same runs by their folders.
        options: Options of the study.
        which: Which readings.

    Returns:
        One result for each claim and reading. Readings that the runs do not allow are
        not tested, with the obstacle.
    """
    return analyse_readings(
        study, [runs[job.path] for job in jobs], options, which, _images_of(jobs[0])
    )


def measure_readings(
    study: Study, jobs: Sequence[Job], runs: Mapping[Path, Run], which: ReadingChoice
) -> list[RunFailure | DamagedRun]:
    """Measures the runs of a study under the readings that take a forward pass of
    stored weights, once for each run. Nothing is trained.

    Args:
        study: The study.
        jobs: Its finished runs.
        runs: The same runs by their folders.
        which: Which readings.

    Returns:
        The runs that could not be measured, for example because the disk is full, and
        those with a damaged measurement. What the weights of a run do not allow is no
        failure: the result of the reading names what is missing.
    """
    failures: dict[Path, RunFailure | DamagedRun] = {}
    steps = list(itertools.product(measured_readings(study, which), jobs))
    for reading, job in show_steps(steps, f"{study.name}, measuring", _name_of):
        if job.path in failures:
            continue
        try:
            measured = measure_reading(runs[job.path], reading, job.data.load())
        except ReadingUnavailableError:
            continue
        except Exception as error:
            failures[job.path] = _failure(job, error)
            continue
        try:
            _read_all(measured)
        # What is raised depends on where a file is damaged.
        except Exception as error:
            text = damage_text(error)
            failures[job.path] = DamagedRun(job.path, text, measured.path)
    return list(failures.values())


def _name_of(step: tuple[Reading, Job]) -> str:
    reading, job = step
    return f"{reading.measurement}, {job.name}"


def _read_all(measured: Run) -> None:
    """Reads all files of a measurement."""
    for split in SPLITS:
        run = measured.on(split)
        if run.log.empty:
            raise DamagedRunError(run.path / "log.csv", "it has no rows")
        for moment in run.moments:
            run.p_vectors(moment)


def _failure(job: Job, error: Exception) -> RunFailure:
    reason = f"its other readings cannot be measured: {error_text(error)}"
    obstacle = save_traceback(job.traceback_path, error)
    return RunFailure(job.path, reason, None if obstacle else job.traceback_path)


def _images_of(job: Job) -> RawImages:
    """The images that the P-vectors of a run are computed on."""
    data = job.data.load()
    n_samples = job.settings.num_samples
    samples = {split: data.samples(split, n_samples[split]) for split in SPLITS}
    mean, variance = data.channel_moments()
    return RawImages(samples, mean, variance)
