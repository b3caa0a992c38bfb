"""All studies on shared runs, and the report about their claims."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_pvec.reproduction import claims, report
from keras_pvec.reproduction.claims import CLAIMS, Cause, ClaimResult, Obstacle
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.devices import prepare_process
from keras_pvec.reproduction.experiment import (
    Analysis,
    NoRunsError,
    Outcome,
    analyse_study,
    experiment_folders,
    print_notes,
    train_or_open,
)
from keras_pvec.reproduction.failures import (
    error_text,
    remove_traceback,
    save_traceback,
)
from keras_pvec.reproduction.flag_values import flags_from_config
from keras_pvec.reproduction.imagenet import compare_pretrained
from keras_pvec.reproduction.planner import plan_runs, reproduction_models
from keras_pvec.reproduction.reproduction_config import ReproductionConfig
from keras_pvec.reproduction.results import (
    ResultsNotWrittenError,
    make_folders,
    save_table,
    writing_to,
)
from keras_pvec.reproduction.runner import DamagedRun, Job, RunFailure, TrainedRuns
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
        ClusterError: The cluster cannot be used.
    """
    general = config.experiment
    print_notes(general)
    prepare_process(general.device, shared=general.workers > 1)
    plans = [
        _Plan(experiment, plan_runs(experiment, _models(experiment, config.studies)))
        for experiment in config.experiments
    ]
    folders = [
        experiment_folders(plan.experiment, plan.jobs, plan.all_jobs) for plan in plans
    ]
    make_folders(*itertools.chain.from_iterable(folders))
    trained = train_or_open(general, [job for plan in plans for job in plan.all_jobs])
    failures = [str(failure) for failure in trained.failures]
    sections = []
    for plan in plans:
        analyses, study_failures = _analyse(config, plan, trained.runs)
        failures += study_failures
        if analyses:
            try:
                sections.append(_report_claims(plan, analyses, trained))
            except ResultsNotWrittenError as error:
                failures.append(str(error))
    pretrained, pretrained_failures = _pretrained_section(config)
    failures += pretrained_failures
    print(f"\n{pretrained.title}\n\n{report.render_claims(pretrained.claims)}")
    if sections or pretrained.figures:
        try:
            with writing_to(config.results_dir):
                page, _ = report.write_report(
                    config.results_dir, [*sections, pretrained]
                )
            print(f"Report in {page.resolve()}")
        except ResultsNotWrittenError as error:
            failures.append(str(error))
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

    @property
    def all_jobs(self) -> list[Job]:
        """The runs of all studies; shared ones occur several times."""
        return [job for of_study in self.jobs.values() for job in of_study]


def _models(
    experiment: ExperimentConfig, studies: Sequence[Study]
) -> dict[Study, list[str]]:
    models = experiment.models or MODELS
    return {study: reproduction_models(experiment, study, models) for study in studies}


def _analyse(
    config: ReproductionConfig, plan: _Plan, runs: Mapping[Path, Run]
) -> tuple[dict[Study, Analysis], list[str]]:
    """The analysis of each study, and what failed. A study that fails does not stop the
    others."""
    analyses = {}
    failures = []
    settings = {**config.flag_values(), **flags_from_config(plan.experiment)}
    for study, jobs in plan.jobs.items():
        if not config.experiment.train and not any(job.path in runs for job in jobs):
            continue
        traceback_path = plan.experiment.results_dir / study.name / "error.txt"
        try:
            analyses[study] = analyse_study(
                plan.experiment, study, jobs, runs, settings
            )
        except (NoRunsError, ResultsNotWrittenError) as error:
            failures += str(error).splitlines()
        except Exception as error:
            obstacle = save_traceback(traceback_path, error)
            failures.append(
                f"{study.name} failed ({error_text(error)}); "
                + (
                    f"the traceback cannot be written: {obstacle}."
                    if obstacle
                    else f"full traceback in {traceback_path}."
                )
            )
        else:
            # The report of an earlier failure is outdated.
            remove_traceback(traceback_path)
            failures += analyses[study].failures
    return analyses, list(dict.fromkeys(failures))


def _report_claims(
    plan: _Plan, analyses: Mapping[Study, Analysis], trained: TrainedRuns
) -> report.Section:
    """Writes and prints the claims of one data set.

    Returns:
        The section of the report about it.

    Raises:
        ResultsNotWrittenError: They cannot be written.
    """
    experiment = plan.experiment
    findings = {study: analysis.findings for study, analysis in analyses.items()}
    without_findings = Cause.STUDY_FAILED if experiment.train else Cause.NO_RUNS
    results = join_results(
        findings,
        lambda study: without_findings if study in plan.jobs else Cause.NOT_SELECTED,
    )
    print(f"\n{experiment.title}\n\n{report.render_claims(results)}")
    under_readings = [
        result for found in findings.values() for result in found.readings
    ]
    print(report.render_readings(under_readings))
    jobs = {job.path: job for job in plan.all_jobs}
    used = [run for path, run in trained.runs.items() if path in jobs]
    missing = [
        job.settings.as_json() for path, job in jobs.items() if path not in trained.runs
    ]
    with writing_to(experiment.results_dir):
        runs = report.runs_table(used, missing)
        save_table(runs, experiment.results_dir / report.RUNS_FILE)
        path = experiment.results_dir / report.CLAIMS_FILE
        save_table(report.claims_table(results), path)
        specification = report.write_specification(
            experiment.results_dir, under_readings, experiment.title
        )
    pictures: dict[str, report.ReportFigure] = {}
    for study, found in findings.items():
        pictures |= _pictures(found, experiment.results_dir / study.name)
    return report.Section(
        experiment.title,
        results,
        pictures,
        used,
        len(missing),
        left_out=_left_out(jobs, trained.failures, analyses.values()),
        specification=specification,
    )


def _left_out(
    paths: Collection[Path],
    failures: Iterable[RunFailure | DamagedRun],
    analyses: Iterable[Analysis],
) -> list[str]:
    """Why runs are not, or not always, part of the results, one sentence each."""
    of_runs = [str(failure) for failure in failures if failure.path in paths]
    of_studies = [
        text
        for analysis in analyses
        for text in (*analysis.failures, *analysis.left_out)
    ]
    return list(dict.fromkeys([*of_runs, *of_studies]))


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
            failures.append(f"imagenet failed ({error_text(error)}).")
            cause = Cause.STUDY_FAILED
        else:
            pictures = _pictures(found, pretrained.results_dir)
            return report.Section(_PRETRAINED_TITLE, found.claims, pictures, []), []
    result = claims.not_tested(_PRETRAINED_CLAIM, Obstacle(cause))
    return report.Section(_PRETRAINED_TITLE, [result], {}, []), failures


def _pictures(findings: Findings, folder: Path) -> dict[str, report.ReportFigure]:
    """The figures in a folder of results, by caption."""
    charts = report.charts_of(findings.tables, findings.claims)
    tested = tuple(result.claim for result in findings.claims)
    return {
        f"{folder.name}: {name.replace('_', ' ')}": report.ReportFigure(
            folder / f"{name}.png", tested, charts.get(name)
        )
        for name in findings.figures
    }
