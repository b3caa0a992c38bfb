"""All studies on shared runs, and the report about their claims."""

from __future__ import annotations

import dataclasses
import itertools
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_pvec.reproduction import claims, report
from keras_pvec.reproduction.claims import CLAIMS, Cause, ClaimResult, Obstacle
from keras_pvec.reproduction.config import (
    ExperimentConfig,
)
from keras_pvec.reproduction.devices import prepare_process
from keras_pvec.reproduction.experiment import (
    Outcome,
    analyse_study,
    experiment_folders,
    print_notes,
    train_or_open,
)
from keras_pvec.reproduction.flag_values import flags_from_config
from keras_pvec.reproduction.imagenet import compare_pretrained
from keras_pvec.reproduction.planner import plan_runs, reproduction_models
from keras_pvec.reproduction.reproduction_config import ReproductionConfig
from keras_pvec.reproduction.results import make_folders, save_table
from keras_pvec.reproduction.runner import Job
from keras_pvec.reproduction.studies import STUDIES, Findings, Study
from keras_pvec.runs import Run

# Supervised, unsupervised and self-supervised networks, as in the paper.
MODELS = ("mlp", "resnet18", "resnet50", "wide_resnet", "autoencoder", "simclr")

# Tested by `imagenet`, not by a study in `STUDIES`.
_PRETRAINED_CLAIM = "C13"
_PRETRAINED_TITLE = "ImageNet networks"


def reproduce(config: ReproductionConfig) -> Outcome:
    """Trains the runs of all studies once, analyses them, and writes the report.

    Args:
        config: The settings.

    Returns:
        The folder of the report, and what failed.

    Raises:
        ConfigError: The settings contradict each other or the data, or a folder cannot
            be written to.
        RunConflictError: A folder holds a run with other settings.
        LayerChoiceError: A model lacks one of the watched layers.
        DatasetUnavailableError: A data set cannot be loaded.
        DeviceUnavailableError: This machine does not have the device.
    """
    general = config.experiment
    print_notes(general)
    prepare_process(general.device, shared=general.workers > 1)
    plans = [
        _Plan(experiment, plan_runs(experiment, _models(experiment, config.studies)))
        for experiment in config.experiments
    ]
    folders = [experiment_folders(plan.experiment, plan.jobs) for plan in plans]
    make_folders(*itertools.chain.from_iterable(folders))
    jobs = [
        job for plan in plans for of_study in plan.jobs.values() for job in of_study
    ]
    runs, run_failures = train_or_open(general, jobs)
    failures = [str(failure) for failure in run_failures]
    sections = []
    for plan in plans:
        findings, study_failures = _analyse(config, plan, runs)
        failures += study_failures
        if findings:
            sections.append(_report_claims(plan, findings, runs))
    pretrained, pretrained_failures = _pretrained_section(config)
    failures += pretrained_failures
    print(f"\n{pretrained.title}\n\n{report.render_claims(pretrained.claims)}")
    if sections or pretrained.figures:
        written = report.write_report(config.results_dir, [*sections, pretrained])
        print(f"Report in {written[0].resolve()}")
    return Outcome(config.results_dir, failures)


def join_results(
    findings: Mapping[Study, Findings], cause_of: Callable[[Study], Cause]
) -> list[ClaimResult]:
    """Joins the results of all studies, in the order of the claims.

    Args:
        findings: Findings by study.
        cause_of: Returns why a study without findings tested none of its claims.
    """
    results = [result for found in findings.values() for result in found.claims]
    for study in STUDIES.values():
        if study not in findings:
            obstacle = Obstacle(cause_of(study))
            results += [claims.not_tested(claim, obstacle) for claim in study.claims]
    order = list(CLAIMS)
    return sorted(results, key=lambda result: order.index(result.claim))


class _Plan(NamedTuple):
    """The runs of one data set, by study."""

    experiment: ExperimentConfig
    jobs: dict[Study, list[Job]]


def _models(
    experiment: ExperimentConfig, studies: Sequence[Study]
) -> dict[Study, list[str]]:
    models = experiment.models or MODELS
    return {study: reproduction_models(experiment, study, models) for study in studies}


def _analyse(
    config: ReproductionConfig, plan: _Plan, runs: Mapping[Path, Run]
) -> tuple[dict[Study, Findings], list[str]]:
    """The findings of each study, and what failed. A study that fails does not stop the
    others."""
    findings = {}
    failures = []
    settings = {**config.flag_values(), **flags_from_config(plan.experiment)}
    for study, jobs in plan.jobs.items():
        if not config.experiment.train and not any(job.path in runs for job in jobs):
            continue
        try:
            findings[study] = analyse_study(
                plan.experiment, study, jobs, runs, settings
            )
        except Exception as error:
            path = plan.experiment.results_dir / study.name / "error.txt"
            path.write_text("".join(traceback.format_exception(error)))
            failures.append(
                f"{study.name} failed ({type(error).__name__}: {error}); full "
                f"traceback in {path}."
            )
    return findings, failures


def _report_claims(
    plan: _Plan,
    findings: Mapping[Study, Findings],
    runs: Mapping[Path, Run],
) -> report.Section:
    """Writes and prints the claims of one data set.

    Returns:
        The section of the report about it.
    """
    experiment = plan.experiment
    without_findings = Cause.STUDY_FAILED if experiment.train else Cause.NO_RUNS
    results = join_results(
        findings,
        lambda study: without_findings if study in plan.jobs else Cause.NOT_SELECTED,
    )
    save_table(report.claims_table(results), experiment.results_dir / "claims.csv")
    print(f"\n{experiment.title}\n\n{report.render_claims(results)}")
    under_readings = [
        result for found in findings.values() for result in found.readings
    ]
    print(report.render_readings(under_readings))
    specification = report.write_specification(
        experiment.results_dir, under_readings, experiment.title
    )
    paths = {job.path for jobs in plan.jobs.values() for job in jobs}
    used = [run for path, run in runs.items() if path in paths]
    pictures: dict[str, Path] = {}
    for study, found in findings.items():
        pictures |= _pictures(found, experiment.results_dir / study.name)
    return report.Section(
        experiment.title,
        results,
        pictures,
        used,
        len(paths) - len(used),
        specification=specification,
    )


def _pretrained_section(
    config: ReproductionConfig,
) -> tuple[report.Section, list[str]]:
    """The section about pretrained networks, and what failed."""
    failures = []
    if not config.tests(_PRETRAINED_CLAIM):
        cause = Cause.NOT_SELECTED
    elif config.only is None and config.pretrained.images is None:
        cause = Cause.NO_IMAGES
    else:
        pretrained = dataclasses.replace(config.pretrained, out_dir=config.results_dir)
        settings = config.flag_values() | {"out_dir": str(config.results_dir)}
        try:
            found = compare_pretrained(pretrained, settings)
        except Exception as error:
            failures.append(f"imagenet failed ({type(error).__name__}: {error})")
            cause = Cause.STUDY_FAILED
        else:
            pictures = _pictures(found, pretrained.results_dir)
            return report.Section(_PRETRAINED_TITLE, found.claims, pictures, []), []
    result = claims.not_tested(_PRETRAINED_CLAIM, Obstacle(cause))
    return report.Section(_PRETRAINED_TITLE, [result], {}, []), failures


def _pictures(findings: Findings, folder: Path) -> dict[str, Path]:
    """The figures (png) in a folder of results, by caption."""
    return {
        f"{folder.name}: {name.replace('_', ' ')}": folder / f"{name}.png"
        for name in findings.figures
    }
