"""Trains the missing runs of a list, in this process or in several workers, and
displays the progress.

A worker is a process with its own share of the cores. It receives each run as a `Job`,
which holds no arrays, and loads the images itself. Runs are independent and resumable:
a worker that dies costs at most one epoch of its run.
"""

from keras_pvec.reproduction.runner.job import Job, RunFailure
from keras_pvec.reproduction.runner.sweep import TrainedRuns, finished_runs, train_jobs

__all__ = ["Job", "RunFailure", "TrainedRuns", "finished_runs", "train_jobs"]
