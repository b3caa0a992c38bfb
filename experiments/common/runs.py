"""The runs of an experiment, trained or looked at as the flags say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from keras_pvec.reproduction.runner import Job, finished_jobs, train_jobs
from keras_pvec.runs import Run

FLAGS = flags.FLAGS


def train(jobs: Sequence[Job]) -> tuple[dict[Path, Run], list[str]]:
    """The finished runs by their folders, and one line for each failure."""
    if not FLAGS.train:
        return finished_jobs(jobs), []
    return train_jobs(jobs, workers=FLAGS.workers, device=FLAGS.device)
