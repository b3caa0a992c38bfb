"""What every experiment shares, from flags to runs to results."""

import os

# Before TensorFlow is imported: keep its start-up remarks out of the user's way.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from common.command_line import RunsFailedError, define_flags
from common.programs import prepare, run, run_study
from common.ready_trained import define_pretrained_flags, pretrained_findings
from common.results import (
    analyse,
    finish,
    out_dir,
    results_folder,
    save_findings,
    save_table,
    title,
)
from common.runs import train
from keras_pvec.reproduction.runner import Job

__all__ = [
    "Job",
    "RunsFailedError",
    "analyse",
    "define_flags",
    "define_pretrained_flags",
    "finish",
    "out_dir",
    "prepare",
    "pretrained_findings",
    "results_folder",
    "run",
    "run_study",
    "save_findings",
    "save_table",
    "title",
    "train",
]
