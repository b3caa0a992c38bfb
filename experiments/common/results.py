"""Where tables and figures go, how they are written, and what is printed of them."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from absl import flags

from common.command_line import RunsFailedError, UsageError
from keras_pvec.reproduction import figures, report
from keras_pvec.reproduction.data import SPLITS
from keras_pvec.reproduction.runner import Job
from keras_pvec.reproduction.studies import Findings, Options, Study
from keras_pvec.runs import Run, RunNotFoundError, write_atomically

FLAGS = flags.FLAGS


def out_dir() -> Path:
    """The folder of results, which holds one folder for each study."""
    return Path(FLAGS.out_dir or f"results/{FLAGS.dataset}")


def title() -> str:
    """What figures are headed with."""
    return f"{FLAGS.dataset}, preset {FLAGS.preset}"


def analyse(study: Study, jobs: Sequence[Job], runs: Mapping[Path, Run]) -> Findings:
    """Makes tables and figures of those runs of a study that were finished, and writes
    them into its folder.

    Raises:
        RunsFailedError: No run was finished with features that have a P-vector.
    """
    finished = [job for job in jobs if job.path in runs and _is_alive(runs[job.path])]
    if not finished:
        raise RunsFailedError(f"{study.name}: no finished run has a last P-vector.")
    options = Options(title(), FLAGS.split, FLAGS.data_matrix, _images(finished[0]))
    findings = study.analyse([runs[job.path] for job in finished], options)
    save_findings(findings, out_dir() / study.name)
    return findings


def _is_alive(run: Run) -> bool:
    """Whether the features had a P-vector in the end. A run whose features died cannot
    be compared, and is not to stop the others."""
    try:
        for split in SPLITS:
            run.on(split).p_vector("final", run.layers[0])
    except RunNotFoundError as error:
        print(f"Left out: {error}")
        return False
    return True


def _images(job: Job) -> np.ndarray:
    """The samples that are looked at, as pictures."""
    n = job.settings.num_samples[FLAGS.split]
    return job.data.load().samples(FLAGS.split, n).x


def save_findings(findings: Findings, folder: Path) -> None:
    """Writes tables, figures, claims and the flags that led to them."""
    tables = {**findings.tables, "claims": report.claims_table(findings.claims)}
    for name, table in tables.items():
        save_table(table, folder / f"{name}.csv")
    for name, figure in findings.figures.items():
        figures.save_figure(figure, folder / name)
    used = {
        flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(sys.argv[0])
    }
    with write_atomically(folder / "flags.json") as file:
        file.write((json.dumps(used, indent=2, sort_keys=True) + "\n").encode())


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a CSV file."""
    with write_atomically(path) as file:
        table.to_csv(file, index=False)


def finish(folder: Path, failures: Sequence[str]) -> None:
    """Says what failed and where the results are; the last line of every experiment."""
    for failure in failures:
        print(f"Error: {failure}", file=sys.stderr)
    print(f"Results in {folder.resolve()}", flush=True)
    if failures:
        sys.exit(1)


def make_folders(*folders: Path) -> None:
    """Makes folders that can be written to, all of them or none.

    Raises:
        UsageError: One of them cannot be written to.
    """
    made: list[Path] = []
    for folder in folders:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made += missing
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            _remove(made)
            raise UsageError(
                f"Cannot write to {folder} ({error.strerror}); choose another folder "
                "with --runs_dir or --out_dir."
            ) from error


@contextlib.contextmanager
def results_folder(folder: Path) -> Iterator[None]:
    """Makes a folder for the results of what runs within, and removes it again if that
    fails before anything was written."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    make_folders(folder)
    try:
        yield
    except BaseException:
        if not any(folder.iterdir()):
            _remove(missing)
        raise


def _remove(empty: Sequence[Path]) -> None:
    for path in sorted(empty, reverse=True):  # inner ones first
        path.rmdir()
