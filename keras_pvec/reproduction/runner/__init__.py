"""Trains the missing runs of a list, in this process, in several workers or on a Ray
cluster, and displays the progress.

A worker is a process with its own share of the cores. It receives each run as a `Job`,
which holds no arrays, and loads the images itself. Runs are independent and resumable:
a worker that dies costs at most one epoch of its run.
"""

from keras_pvec.reproduction.runner.cluster import ClusterError, RayCluster
from keras_pvec.reproduction.runner.job import DamagedRun, Job, RunFailure
from keras_pvec.reproduction.runner.stored import (
    StoredRuns,
    damage_text,
    needs_training,
    stored_runs,
)
from keras_pvec.reproduction.runner.sweep import TrainedRuns, train_jobs

__all__ = [
    "ClusterError",
    "DamagedRun",
    "Job",
    "RayCluster",
    "RunFailure",
    "StoredRuns",
    "TrainedRuns",
    "damage_text",
    "needs_training",
    "stored_runs",
    "train_jobs",
]
