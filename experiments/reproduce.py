"""All case studies on shared runs, from nothing to the last figure.

    python experiments/reproduce.py                    # digits
    python experiments/reproduce.py --dataset=cifar10  # 40 minutes on two CPU cores
    python experiments/reproduce.py --datasets=mnist,cifar10,cifar100 --seeds=0,1,2
    python experiments/reproduce.py --dataset=cifar10 --only=C4,C9
    python experiments/reproduce.py --dataset=cifar10 --notrain  # of what is there
    python experiments/reproduce.py --only=C13 --weights=imagenet --images=FOLDER

A run that two studies need is trained once. What is there already is reused, and a
program that was stopped goes on after the last finished epoch. Writes what the programs
of the studies write, all verdicts as `<out_dir>/claims.csv`, and the ledger of claims
with all figures as `report.html` and `report.md`.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import common
import pandas as pd
from absl import flags

from keras_pvec import claims, report
from keras_pvec.data import DATASETS
from keras_pvec.store import Run
from keras_pvec.studies import STUDIES, Study

FLAGS = flags.FLAGS

# Supervised, unsupervised and self-supervised, as in the paper.
_MODELS = ("mlp", "resnet", "resnet-50", "wide_resnet", "autoencoder", "simclr")
_PRETRAINED = "C13"
_CLAIMS = tuple(
    sorted(
        {_PRETRAINED, *(c for study in STUDIES.values() for c in study.claims)},
        key=lambda claim: int(claim[1:]),
    )
)

common.define_flags()
common.define_pretrained_flags("pretrained")
flags.DEFINE_list(
    "datasets", None, "Data sets to go through; default the one of --dataset."
)
flags.DEFINE_list("only", None, f"Claims to test, of {', '.join(_CLAIMS)}.")
flags.register_validator(
    "datasets",
    lambda names: names is None or (names and set(names) <= set(DATASETS)),
    f"must be of {', '.join(DATASETS)}",
)
flags.register_validator(
    "only",
    lambda ids: ids is None or (ids and set(ids) <= set(_CLAIMS)),
    f"must be of {', '.join(_CLAIMS)}",
)


def _models(study: Study) -> list[str]:
    if not study.every_model:
        quick = study.quick_models if FLAGS.dataset == "digits" else ()
        return [*(quick or study.models)]
    return list(dict.fromkeys([*(FLAGS.models or _MODELS), *study.references]))


def _analyse(
    study: Study, jobs: list[common.Job], runs: dict, failures: list[str]
) -> pd.DataFrame | None:
    """The verdicts of a study; what goes wrong does not stop the others."""
    if not FLAGS.train and not any(job.path in runs for job in jobs):
        return None
    try:
        if not any(job.path in runs for job in jobs):
            raise common.RunsFailedError("none of its runs was finished")
        return common.analyse(study, jobs, runs).claims
    except Exception as error:
        report = common.out_dir() / study.name / "error.txt"
        report.write_text(traceback.format_exc())
        failures.append(
            f"{study.name} failed ({type(error).__name__}: {error}); the whole of it "
            f"is in {report}."
        )
        return None


def _numbers(claims: pd.Series) -> pd.Series:
    return claims.str[1:].astype(int)


def _not_tested(found: list[pd.DataFrame], chosen: list[Study]) -> pd.DataFrame:
    """A row for each claim that no study spoke of, with the reason."""
    asked = {claim for study in chosen for claim in study.claims}
    spoken = {claim for table in found for claim in table["claim"]}
    of_images = "Ready-trained ImageNet networks have small angles to each other."
    no_runs = "its study failed" if FLAGS.train else "none of its runs is there"
    return claims.as_table(
        claims.not_tested(claim, of_images, "needs --images and --weights")
        if claim == _PRETRAINED
        else claims.not_tested(
            claim, "Not looked at.", no_runs if claim in asked else "left out by --only"
        )
        for claim in _CLAIMS
        if claim not in spoken
    )


def _section(
    verdicts: pd.DataFrame, jobs: dict[Study, list[common.Job]], runs: dict[Path, Run]
) -> report.Section:
    """What the report tells of the data set that is looked at."""
    figures = {
        f"{study.name}: {path.stem.replace('_', ' ')}": path
        for study in jobs
        for path in sorted((common.out_dir() / study.name).glob("*.png"))
    }
    used = dict.fromkeys(
        runs[job.path]
        for of_study in jobs.values()
        for job in of_study
        if job.path in runs
    )
    planned = {job.path for of_study in jobs.values() for job in of_study}
    return report.Section(
        common.title(), verdicts, figures, list(used), len(planned) - len(used)
    )


def _analyse_pretrained(failures: list[str]) -> None:
    """Ready-trained networks, which need images and weights that a user has to name."""
    folder = common.out_dir() / "imagenet"
    try:
        with common.results_folder(folder):
            findings = common.pretrained_findings(FLAGS.pretrained)
            common.save_findings(findings, folder)
    except Exception as error:
        failures.append(f"imagenet failed ({type(error).__name__}: {error})")
    else:
        common.print_claims(findings.claims)


def main() -> None:
    chosen = [
        study
        for study in STUDIES.values()
        if FLAGS.only is None or set(FLAGS.only) & set(study.claims)
    ]
    datasets = FLAGS.datasets or [FLAGS.dataset]
    # Results of one data set are not to overwrite those of another.
    base = Path(FLAGS.out_dir or "results")
    if len(datasets) == 1:
        base = common.out_dir()

    def look_at(dataset: str) -> None:
        FLAGS.dataset = dataset
        FLAGS.out_dir = str(base if len(datasets) == 1 else base / dataset)

    plans: dict[str, dict[Study, list[common.Job]]] = {}
    for dataset in datasets:
        look_at(dataset)
        plans[dataset] = common.prepare({study: _models(study) for study in chosen})

    runs, failures = common.train(
        [
            job
            for jobs in plans.values()
            for of_study in jobs.values()
            for job in of_study
        ]
    )
    sections = []
    for dataset, jobs in plans.items():
        look_at(dataset)
        found = [
            table.assign(study=study.name)
            for study in chosen
            if (table := _analyse(study, jobs[study], runs, failures)) is not None
        ]
        if found:
            verdicts = pd.concat([*found, _not_tested(found, chosen)]).fillna(
                {"study": ""}
            )
            verdicts = verdicts.sort_values("claim", key=_numbers, kind="stable")
            common.save_table(verdicts, common.out_dir() / "claims.csv")
            print(f"\n{common.title()}")
            common.print_claims(verdicts)
            sections.append(_section(verdicts, jobs, runs))
    if sections:
        written = report.write_report(base, sections)
        print(f"Report in {written[0].resolve()}")
    asked = FLAGS.only is not None and _PRETRAINED in FLAGS.only
    if asked or (FLAGS.only is None and FLAGS.images is not None):
        _analyse_pretrained(failures)
    common.finish(base, failures)


if __name__ == "__main__":
    common.run(main)
