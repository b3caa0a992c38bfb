"""An experiment as a program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import app, flags

from common import command_line, ready_trained
from common.command_line import RunsFailedError, UsageError
from common.plan import plan_runs
from common.results import analyse, finish, make_folders, out_dir
from common.runs import train
from keras_pvec.features import LayerChoiceError
from keras_pvec.reproduction import pretrained, report
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.devices import DeviceUnavailableError, prepare_process
from keras_pvec.reproduction.runner import Job
from keras_pvec.reproduction.studies import STUDIES, Study
from keras_pvec.runs import RunConflictError

FLAGS = flags.FLAGS


def run(experiment: Callable[[], None]) -> None:
    """Runs an experiment as a program: what the user got wrong becomes one sentence."""

    def main(argv: list[str]) -> None:
        try:
            if len(argv) > 1:
                raise UsageError(
                    f"Unexpected argument {argv[1]!r}; every setting is a --flag."
                )
            experiment()
        except KeyboardInterrupt:
            print(
                "\nStopped. The same command goes on after the last finished epoch.",
                file=sys.stderr,
            )
            sys.exit(130)
        except (
            UsageError,
            RunsFailedError,
            DatasetUnavailableError,
            DeviceUnavailableError,
            LayerChoiceError,
            RunConflictError,
            pretrained.WeightsUnavailableError,
        ) as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(1)

    for module in (command_line, ready_trained):
        for flag in FLAGS.get_flags_for_module(module.__name__):
            # What --help lists, and what is saved beside the results.
            FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(main)


def run_study(name: str) -> None:
    """A program that answers the question of one study."""
    command_line.define_flags()
    study = STUDIES[name]

    def experiment() -> None:
        jobs = prepare({study: _models_of(study)})
        runs, failures = train(jobs[study])
        if not runs:
            raise RunsFailedError(
                "No run was finished. " + " ".join(failures)
                if FLAGS.train
                else f"None of the runs is in {FLAGS.runs_dir}; leave out --notrain."
            )
        findings = analyse(study, jobs[study], runs)
        print(f"\n{report.render_claims(findings.claims)}")
        finish(out_dir() / name, failures)

    run(experiment)


def prepare(models: Mapping[Study, Sequence[str]]) -> dict[Study, list[Job]]:
    """The runs that studies of these models need, on the device that was chosen, and
    folders to write to."""
    prepare_process(FLAGS.device, shared=FLAGS.workers > 1)
    jobs = plan_runs(models)
    make_folders(Path(FLAGS.runs_dir), *(out_dir() / study.name for study in models))
    return jobs


def _models_of(study: Study) -> list[str]:
    """The models asked for, and the references that the study needs besides."""
    quick = study.quick_models if FLAGS.dataset == "digits" else ()
    models = FLAGS.models or [*(quick or study.models)]
    return list(dict.fromkeys([*models, *study.references]))
