"""Studies under other readings of the paper's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    ClaimResult,
    Obstacle,
    RawData,
    Reading,
    ReadingChoice,
    Samples,
    not_tested,
    selected_readings,
)
from keras_pvec.reproduction.readings import (
    CachedRun,
    RawImages,
    ReadingUnavailableError,
    RunView,
)
from keras_pvec.reproduction.record import LoggedRun
from keras_pvec.reproduction.steps import show_steps
from keras_pvec.reproduction.studies.study import Findings, Options, Study


def measured_readings(study: Study, which: ReadingChoice) -> tuple[Reading, ...]:
    """One reading for each measurement that the readings of a study need, to be made
    of each run with `measure_reading`."""
    found = {
        reading.measurement: dataclasses.replace(
            Reading(),
            representation=reading.representation,
            extraction=reading.extraction,
        )
        for claim in study.claims
        for reading in selected_readings(CLAIMS[claim], which)
        if not reading.is_stored
    }
    return tuple(found.values())


def analyse_readings(
    study: Study,
    runs: Sequence[LoggedRun],
    options: Options,
    which: ReadingChoice,
    images: RawImages,
) -> tuple[ClaimResult, ...]:
    """Rates the claims of a study under their readings.

    Where the runs lack what a reading needs, its result is "not tested", with the
    obstacle. Networks that have no such features are left out of a reading, and its
    results name them.

    Args:
        study: The study.
        runs: Its finished runs.
        options: Its options. Readings have samples and raw data of their own.
        which: The readings.
        images: The images of the runs.

    Returns:
        One result for each claim and reading, by claim; the first one of each claim has
        its primary reading.
    """
    runs = [CachedRun(run) for run in runs]
    results: dict[tuple[str, Reading], ClaimResult] = {}
    passes = _passes(study, which)
    first = next(iter(passes))
    for combined in show_steps(
        list(passes), f"{study.name}, rating", lambda reading: _name(reading, first)
    ):
        asked = passes[combined]
        found = _rate(study, runs, options, combined, images)
        for claim, reading in asked:
            result = found[claim]
            if result.reading != reading:
                raise RuntimeError(f"{claim}: {result.reading} is not {reading}")
            results[claim, reading] = result
    return tuple(
        results[claim, reading]
        for claim in study.claims
        for reading in selected_readings(CLAIMS[claim], which)
    )


def analyse_reading(
    study: Study,
    runs: Sequence[LoggedRun],
    options: Options,
    reading: Reading,
    images: RawImages,
) -> Findings:
    """The findings of a study under a reading.

    Args:
        study: The study.
        runs: Its finished runs.
        options: Its options.
        reading: The reading; its samples and raw data, where it has any, take the place
            of those of the options.
        images: The images of the runs.

    Raises:
        ReadingUnavailableError: The reading is not to be had of these runs.
    """
    samples, raw_data = reading.samples, reading.raw_data
    if samples in (Samples.TRAIN, Samples.TEST):
        options = dataclasses.replace(options, split=samples.value)
    if raw_data is not None:
        options = dataclasses.replace(options, data_matrix=raw_data.value)
    options = dataclasses.replace(options, factors=reading)
    views, without = _views(runs, reading, images)
    findings = study.analyse(views, options)
    results = (dataclasses.replace(r, without=without) for r in findings.claims)
    return dataclasses.replace(findings, claims=tuple(results))


def _passes(
    study: Study, which: ReadingChoice
) -> dict[Reading, list[tuple[str, Reading]]]:
    """The claims and readings that one analysis of the runs gives, by what to analyse:
    a reading that has samples and raw data even where a claim has no choice."""
    passes: dict[Reading, list[tuple[str, Reading]]] = {}
    for claim in study.claims:
        for reading in selected_readings(CLAIMS[claim], which):
            is_one = reading.samples in (Samples.TRAIN, Samples.TEST)
            combined = dataclasses.replace(
                reading,
                samples=reading.samples if is_one else Samples.TRAIN,
                raw_data=reading.raw_data or RawData.PIXELS,
            )
            passes.setdefault(combined, []).append((claim, reading))
    return passes


def _name(reading: Reading, first: Reading) -> str:
    """In what a reading differs from the first one."""
    levels = reading.changes(first).values()
    return ", ".join(str(level.value) for level in levels) or "primary reading"


def _rate(
    study: Study,
    runs: Sequence[LoggedRun],
    options: Options,
    reading: Reading,
    images: RawImages,
) -> dict[str, ClaimResult]:
    """Results of all claims of a study under a reading, by claim."""
    options = dataclasses.replace(options, with_figures=False, images=None)
    try:
        findings = analyse_reading(study, runs, options, reading, images)
    except ReadingUnavailableError as error:
        return {
            claim: not_tested(claim, error.obstacle, CLAIMS[claim].closest(reading))
            for claim in study.claims
        }
    return {result.claim: result for result in findings.claims}


def _views(
    runs: Sequence[LoggedRun], reading: Reading, images: RawImages
) -> tuple[list[RunView], tuple[str, ...]]:
    """The runs under a reading, and the networks that have no such features, whose runs
    are left out.

    Raises:
        ReadingUnavailableError: A run lacks what the reading needs, or none is left.
    """
    views: list[RunView] = []
    without: list[str] = []
    unmeasured: list[str] = []
    for run in runs:
        try:
            views.append(RunView(run, reading, images=images, others=runs))
        except ReadingUnavailableError as error:
            if error.obstacle.cause is Cause.NOT_APPLICABLE:
                without += error.obstacle.names
            elif error.obstacle.cause is Cause.NO_WEIGHTS:
                unmeasured += error.obstacle.names
            else:
                raise
    if unmeasured or not views:
        cause = Cause.NO_WEIGHTS if unmeasured else Cause.NOT_APPLICABLE
        names = tuple(dict.fromkeys(unmeasured or without))
        raise ReadingUnavailableError(
            f"{reading} is not to be had of {', '.join(names)}.",
            Obstacle(cause, names=names),
        )
    return views, tuple(dict.fromkeys(without))
