"""All case studies on shared runs, from nothing to the last figure.

    python experiments/reproduce.py                    # digits
    python experiments/reproduce.py --dataset=cifar10  # 40 minutes on two CPU cores
    python experiments/reproduce.py --datasets=mnist,cifar10,cifar100 --seeds=0,1,2
    python experiments/reproduce.py --dataset=cifar10 --only=C4,C9
    python experiments/reproduce.py --dataset=cifar10 --notrain  # of what is there
    python experiments/reproduce.py --only=C13 --weights=imagenet --images=FOLDER

A run that two studies need is trained once. What is there already is reused, and a
program that was stopped goes on after the last finished epoch. Writes what the programs
of the studies write, all verdicts as `<out_dir>/claims.csv`, and the report on all
claims with all figures as `report.html` and `report.md`.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import common
from absl import flags

from keras_pvec.reproduction import claims, report
from keras_pvec.reproduction.claims import CLAIMS, Cause, ClaimResult, Obstacle
from keras_pvec.reproduction.data import DATASETS
from keras_pvec.reproduction.studies import STUDIES, Findings, Study
from keras_pvec.runs import Run

FLAGS = flags.FLAGS

# Supervised, unsupervised and self-supervised, as in the paper.
_MODELS = ("mlp", "resnet", "resnet-50", "wide_resnet", "autoencoder", "simclr")
_PRETRAINED = "C13"
_CLAIMS = (*CLAIMS, *claims.PARTS)

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
) -> Findings | None:
    """What a study finds; what goes wrong does not stop the others."""
    if not any(job.path in runs for job in jobs) and not FLAGS.train:
        return None
    try:
        return common.analyse(study, jobs, runs)
    except Exception as error:
        log = common.out_dir() / study.name / "error.txt"
        log.write_text(traceback.format_exc())
        failures.append(
            f"{study.name} failed ({type(error).__name__}: {error}); full "
            f"traceback in {log}."
        )
        return None


def _asked() -> set[str]:
    """Ids of the claims to test."""
    if FLAGS.only is None:
        return set(CLAIMS)
    return {id for name in FLAGS.only for id in claims.PARTS.get(name, (name,))}


def _results(found: dict[Study, Findings], chosen: list[Study]) -> list[ClaimResult]:
    """The claims of all studies, with the reason for those that found nothing."""
    results = [result for findings in found.values() for result in findings.claims]
    for study in STUDIES.values():
        if study not in found:
            cause = Cause.STUDY_FAILED if FLAGS.train else Cause.NO_RUNS
            cause = cause if study in chosen else Cause.NOT_SELECTED
            results += [claims.not_tested(c, Obstacle(cause)) for c in study.claims]
    order = [*CLAIMS]
    return sorted(results, key=lambda result: order.index(result.claim))


def _pictures(findings: Findings, folder: Path) -> dict[str, Path]:
    """The figures that were written into a folder, by what to call them."""
    return {
        f"{folder.name}: {name.replace('_', ' ')}": folder / f"{name}.png"
        for name in findings.figures
    }


def _section(
    found: dict[Study, Findings],
    results: list[ClaimResult],
    jobs: dict[Study, list[common.Job]],
    runs: dict[Path, Run],
) -> report.Section:
    """What the report tells of the data set that is looked at."""
    used = dict.fromkeys(
        runs[job.path]
        for of_study in jobs.values()
        for job in of_study
        if job.path in runs
    )
    planned = {job.path for of_study in jobs.values() for job in of_study}
    figures: dict[str, Path] = {}
    for study, of_study in found.items():
        figures |= _pictures(of_study, common.out_dir() / study.name)
    return report.Section(
        common.title(), results, figures, list(used), len(planned) - len(used)
    )


def _pretrained_section(folder: Path, failures: list[str]) -> report.Section:
    """Ready-trained networks, which need images and weights that a user has to name."""
    title = "ImageNet networks"
    asked = _PRETRAINED in _asked()
    if not asked or (FLAGS.only is None and FLAGS.images is None):
        cause = Cause.NO_IMAGES if asked else Cause.NOT_SELECTED
    else:
        try:
            with common.results_folder(folder):
                findings = common.pretrained_findings(FLAGS.pretrained)
                common.save_findings(findings, folder)
        except Exception as error:
            failures.append(f"imagenet failed ({type(error).__name__}: {error})")
            cause = Cause.STUDY_FAILED
        else:
            pictures = _pictures(findings, folder)
            return report.Section(title, findings.claims, pictures, [])
    result = claims.not_tested(_PRETRAINED, Obstacle(cause))
    return report.Section(title, [result], {}, [])


def main() -> None:
    chosen = [study for study in STUDIES.values() if _asked() & set(study.claims)]
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
        found = {
            study: findings
            for study in chosen
            if (findings := _analyse(study, jobs[study], runs, failures)) is not None
        }
        if found:
            results = _results(found, chosen)
            table = report.claims_table(results)
            common.save_table(table, common.out_dir() / "claims.csv")
            print(f"\n{common.title()}\n\n{report.render_claims(results)}")
            sections.append(_section(found, results, jobs, runs))
    pretrained = _pretrained_section(base / "imagenet", failures)
    print(f"{pretrained.title}\n\n{report.render_claims(pretrained.claims)}")
    if sections or pretrained.figures:
        written = report.write_report(base, [*sections, pretrained])
        print(f"Report in {written[0].resolve()}")
    common.finish(base, failures)


if __name__ == "__main__":
    common.run(main)
