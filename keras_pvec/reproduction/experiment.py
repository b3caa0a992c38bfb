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
from keras_pvec.reproduction.other_readings import (
    measure_readings,
    rate_under_readings,
)
from keras_pvec.reproduction.planner import model_notes, plan_runs, study_models
from keras_pvec.reproduction.results import (
    ResultsNotWrittenError,
    make_folders,
    save_findings,
    writing_to,
)
from keras_pvec.reproduction.runner import (
    DamagedRun,
    Job,
    RayCluster,
    TrainedRuns,
    needs_training,
    stored_runs,
    train_jobs,
)
from keras_pvec.reproduction.studies import STUDIES, Findings, Options, Study
from keras_pvec.runs import Run, RunNotFoundError


class NoRunsError(RuntimeError):
    """An experiment has no finished run to analyse. The message has a line for each run
    that failed, and one more."""


class Outcome(NamedTuple):
    """The outcome of an experiment.

    Attributes:
        folder: Folder of the results.
        failures: What failed, one line each.
    """

    folder: Path
    failures: Sequence[str] = ()


class Analysis(NamedTuple):
    """The outcome of the analysis of finished runs.

    Attributes:
        findings: What was found.
        failures: What failed on the way, one line each.
        left_out: Why runs are not part of it, one sentence each.
    """

    findings: Findings
    failures: Sequence[str] = ()
    left_out: Sequence[str] = ()


def run_study(config: ExperimentConfig, name: str) -> Outcome:
    """Trains the runs of a study, analyses them, and prints its claims.

    Args:
        config: The settings.
        name: A key of `studies.STUDIES`.

    Returns:
        The folder of results, and the runs that failed or are damaged.

    Raises:
        ConfigError: The settings contradict each other or the data, or a folder cannot
            be written to.
        NoRunsError: No finished run has P-vectors at its end.
        ResultsNotWrittenError: Results cannot be written.
        RunConflictError: A folder holds a run with other settings.
        LayerChoiceError: A model lacks one of the watched layers.
        DatasetUnavailableError: The data set cannot be loaded.
        DeviceUnavailableError: This machine does not have the device.
        ClusterError: The cluster cannot be used.
    """
    study = STUDIES[name]
    print_notes(config)
    prepare_process(config.device, shared=config.workers > 1)
    jobs = plan_runs(config, {study: study_models(config, study)})[study]
    make_folders(*experiment_folders(config, [study], jobs))
    trained = train_or_open(config, jobs)
    if not trained.runs:
        raise NoRunsError(_describe_no_runs(config, trained))
    failures = [str(failure) for failure in trained.failures]
    try:
        analysis = analyse_study(config, study, jobs, trained.runs)
    except (NoRunsError, ResultsNotWrittenError) as error:
        if failures:
            raise type(error)("\n".join([*failures, str(error)])) from error
        raise
    print(report.render_claims(analysis.findings.claims))
    print(report.render_readings(analysis.findings.readings))
    return Outcome(config.results_dir / name, [*failures, *analysis.failures])


def print_notes(config: ExperimentConfig) -> None:
    """Prints the canonical names of models that were requested by another spelling."""
    for note in model_notes(config):
        print(note)


def experiment_folders(
    config: ExperimentConfig, studies: Iterable[Study], jobs: Iterable[Job]
) -> list[Path]:
    """The folders that an experiment writes to.

    Args:
        config: The settings.
        studies: The studies.
        jobs: Their runs.
    """
    # Finished runs may be on a read-only disk.
    writes_runs = config.train and any(map(needs_training, jobs))
    folders = [config.runs_dir] if writes_runs else []
    return [*folders, *(config.results_dir / study.name for study in studies)]


def train_or_open(config: ExperimentConfig, jobs: Sequence[Job]) -> TrainedRuns:
    """Trains the missing runs, or opens those that exist if `config.train` is false."""
    if config.train:
        return train_jobs(
            jobs,
            workers=config.workers,
            device=config.device,
            cluster=_cluster_of(config),
        )
    runs, missing, damaged = stored_runs(jobs)
    text = f"Found {len(runs)} finished runs; {len(missing)} are missing."
    print(text + (f" {len(damaged)} more are damaged." if damaged else ""))
    return TrainedRuns(runs, [*damaged])


def _cluster_of(config: ExperimentConfig) -> RayCluster | None:
    if config.cluster == "none":
        return None
    return RayCluster(config.ray_address, config.num_cpus, config.num_gpus)


def analyse_study(
    config: ExperimentConfig,
    study: Study,
    jobs: Sequence[Job],
    runs: Mapping[Path, Run],
    settings: Mapping[str, Any] | None = None,
) -> Analysis:
    """Analyses the finished runs of a study, and writes its folder of results.

    Args:
        config: The settings.
        study: The study.
        jobs: Its runs.
        runs: The finished runs by their folders.
        settings: The flag values to save; default: those of `config`.

    Returns:
        The findings of the study, and the runs that are not part of them.

    Raises:
        NoRunsError: No finished run has P-vectors at its end.
        ResultsNotWrittenError: Results cannot be written.
    """
    choice = ReadingChoice(config.readings)
    print(f"Analysing {study.name}: {config.title}", flush=True)
    usable, without_end = _split_usable(jobs, runs)
    failures = measure_readings(study, usable, runs, choice)
    damaged = {run.path for run in failures if isinstance(run, DamagedRun)}
    usable = [job for job in usable if job.path not in damaged]
    if not usable:
        reasons = [*without_end, *map(str, failures)]
        raise NoRunsError(
            "\n".join([*reasons, f"{study.name}: no finished run can be analysed."])
        )
    options = Options(
        config.title, config.split, config.data_matrix, _images(usable[0], config.split)
    )
    findings = study.analyse([runs[job.path] for job in usable], options)
    results = rate_under_readings(study, usable, runs, options, choice)
    findings = dataclasses.replace(findings, readings=results)
    folder = config.results_dir / study.name
    save_findings(
        findings, folder, flags_from_config(config) if settings is None else settings
    )
    if choice is not ReadingChoice.PRIMARY:
        with writing_to(folder):
            report.write_specification(folder, results, config.title)
    return Analysis(findings, [str(failure) for failure in failures], without_end)


def _split_usable(
    jobs: Sequence[Job], runs: Mapping[Path, Run]
) -> tuple[list[Job], list[str]]:
    """The jobs with a run that has P-vectors at its end, and why others have none.

    Features that are all zero have no P-vector, so that the run cannot be compared with
    others.
    """
    usable, reasons = [], []
    for job in jobs:
        if job.path not in runs:
            continue
        run = runs[job.path]
        try:
            for split in SPLITS:
                run.on(split).p_vector("final", run.layers[0])
        except RunNotFoundError as error:
            reasons.append(str(error))
            print(f"Left out: {error}")
        else:
            usable.append(job)
    return usable, reasons


def _images(job: Job, split: str) -> np.ndarray:
    """The samples of a run as images, shape `(n_samples, height, width, channels)`."""
    return job.data.load().samples(split, job.settings.num_samples[split]).x


def _describe_no_runs(config: ExperimentConfig, trained: TrainedRuns) -> str:
    if config.train:
        return "\n".join([*map(str, trained.failures), "No run was finished."])
    text = f"{config.runs_dir} has none of the runs. Train them without --notrain."
    return "\n".join([*map(str, trained.failures), text])
