"""Runs one experiment, from its settings to its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_pvec.reproduction import report
from keras_pvec.reproduction.claims import ReadingChoice
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.data import SPLITS
from keras_pvec.reproduction.devices import prepare_process
from keras_pvec.reproduction.flag_values import flags_from_config
from keras_pvec.reproduction.other_readings import rate_under_readings
from keras_pvec.reproduction.planner import model_notes, plan_runs, study_models
from keras_pvec.reproduction.results import make_folders, save_findings
from keras_pvec.reproduction.runner import Job, TrainedRuns, finished_runs, train_jobs
from keras_pvec.reproduction.studies import STUDIES, Findings, Options, Study
from keras_pvec.runs import Run, RunNotFoundError


class NoRunsError(RuntimeError):
    """An experiment has no finished run to analyse."""


class Outcome(NamedTuple):
    """The outcome of an experiment.

    Attributes:
        folder: Folder of the results.
        failures: What failed, one line each.
    """

    folder: Path
    failures: Sequence[str] = ()


def run_study(config: ExperimentConfig, name: str) -> Outcome:
    """Trains the runs of a study, analyses them, and prints its claims.

    Args:
        config: The settings.
        name: A key of `studies.STUDIES`.

    Returns:
        The folder of results, and the runs that failed.

    Raises:
        ConfigError: The settings contradict each other or the data, or a folder cannot
            be written to.
        NoRunsError: No finished run has P-vectors at its end.
        RunConflictError: A folder holds a run with other settings.
        LayerChoiceError: A model lacks one of the watched layers.
        DatasetUnavailableError: The data set cannot be loaded.
        DeviceUnavailableError: This machine does not have the device.
    """
    study = STUDIES[name]
    print_notes(config)
    prepare_process(config.device, shared=config.workers > 1)
    jobs = plan_runs(config, {study: study_models(config, study)})[study]
    make_folders(*experiment_folders(config, [study]))
    trained = train_or_open(config, jobs)
    if not trained.runs:
        raise NoRunsError(_describe_no_runs(config, trained))
    findings = analyse_study(config, study, jobs, trained.runs)
    print(report.render_claims(findings.claims))
    print(report.render_readings(findings.readings))
    return Outcome(config.results_dir / name, [str(f) for f in trained.failures])


def print_notes(config: ExperimentConfig) -> None:
    """Prints the canonical names of models that were requested by another spelling."""
    for note in model_notes(config):
        print(note)


def experiment_folders(
    config: ExperimentConfig, studies: Iterable[Study]
) -> list[Path]:
    """The folders that an experiment writes to."""
    # Existing runs may be on a read-only disk.
    folders = [config.runs_dir] if config.train else []
    return [*folders, *(config.results_dir / study.name for study in studies)]


def train_or_open(config: ExperimentConfig, jobs: Sequence[Job]) -> TrainedRuns:
    """Trains the missing runs, or opens those that exist if `config.train` is false."""
    if config.train:
        return train_jobs(jobs, workers=config.workers, device=config.device)
    runs = finished_runs(jobs)
    n_missing = len({job.path for job in jobs}) - len(runs)
    print(f"Found {len(runs)} finished runs; {n_missing} are missing.")
    return TrainedRuns(runs, [])


def analyse_study(
    config: ExperimentConfig,
    study: Study,
    jobs: Sequence[Job],
    runs: Mapping[Path, Run],
    settings: Mapping[str, Any] | None = None,
) -> Findings:
    """Analyses the finished runs of a study, and writes its folder of results.

    Args:
        config: The settings.
        study: The study.
        jobs: Its runs.
        runs: The finished runs by their folders.
        settings: The flag values to save; default: those of `config`.

    Returns:
        The findings of the study.

    Raises:
        NoRunsError: No finished run has P-vectors at its end.
    """
    usable = [
        job for job in jobs if job.path in runs and _has_final_p_vectors(runs[job.path])
    ]
    if not usable:
        raise NoRunsError(f"{study.name}: no finished run has a P-vector at its end.")
    options = Options(
        config.title, config.split, config.data_matrix, _images(usable[0], config.split)
    )
    findings = study.analyse([runs[job.path] for job in usable], options)
    choice = ReadingChoice(config.readings)
    results = rate_under_readings(study, usable, runs, options, choice)
    findings = dataclasses.replace(findings, readings=results)
    folder = config.results_dir / study.name
    save_findings(
        findings, folder, flags_from_config(config) if settings is None else settings
    )
    if choice is not ReadingChoice.PRIMARY:
        report.write_specification(folder, results, config.title)
    return findings


def _has_final_p_vectors(run: Run) -> bool:
    """Whether the features have a P-vector at the end of the run. Features that are all
    zero have none, so the run cannot be compared with others."""
    try:
        for split in SPLITS:
            run.on(split).p_vector("final", run.layers[0])
    except RunNotFoundError as error:
        print(f"Left out: {error}")
        return False
    return True


def _images(job: Job, split: str) -> np.ndarray:
    """The samples of a run as images, shape `(n_samples, height, width, channels)`."""
    return job.data.load().samples(split, job.settings.num_samples[split]).x


def _describe_no_runs(config: ExperimentConfig, trained: TrainedRuns) -> str:
    if config.train:
        return " ".join(["No run was finished.", *map(str, trained.failures)])
    return f"{config.runs_dir} has none of the runs. Train them without --notrain."
