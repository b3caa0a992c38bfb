"""The claims of a study under other readings, from finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_pvec.reproduction.claims import ClaimResult, ReadingChoice
from keras_pvec.reproduction.data import SPLITS
from keras_pvec.reproduction.readings import RawImages, ReadingUnavailableError
from keras_pvec.reproduction.readings.measure import measure_reading
from keras_pvec.reproduction.runner import Job
from keras_pvec.reproduction.studies import (
    Options,
    Study,
    analyse_readings,
    measured_readings,
)
from keras_pvec.runs import Run


def rate_under_readings(
    study: Study,
    jobs: Sequence[Job],
    runs: Mapping[Path, Run],
    options: Options,
    which: ReadingChoice,
) -> tuple[ClaimResult, ...]:
    """Rates the claims of a study under their readings.

    Readings that take a forward pass of stored weights are measured first, once for
    each run. Nothing is trained.

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
    for reading in measured_readings(study, which):
        for job in jobs:
            try:
                measure_reading(runs[job.path], reading, job.data.load())
            except ReadingUnavailableError:
                continue  # the result of the reading names what is missing
    return analyse_readings(
        study, [runs[job.path] for job in jobs], options, which, _images_of(jobs[0])
    )


def _images_of(job: Job) -> RawImages:
    """The images that the P-vectors of a run are computed on."""
    data = job.data.load()
    n_samples = job.settings.num_samples
    samples = {split: data.samples(split, n_samples[split]) for split in SPLITS}
    mean, variance = data.channel_moments()
    return RawImages(samples, mean, variance)
