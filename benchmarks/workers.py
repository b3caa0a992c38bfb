"""Do several workers train a sweep of small networks faster than one process?

    python benchmarks/workers.py --dataset=cifar10 --models=mlp,resnet18 --n_seeds=4

Each worker has its share of the cores; the single process has all of them. Both train
all runs from the beginning, and times include the start of the processes. The order
alternates over the rounds. This prints seconds, and how many times as long the single
process takes.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "digits", "Data set.")
flags.DEFINE_string("data_dir", None, "tensorflow-datasets' folder.")
flags.DEFINE_string("models", "mlp,resnet", "Models of the sweep.")
flags.DEFINE_integer("n_seeds", 4, "Runs of each model.", lower_bound=1)
flags.DEFINE_integer("epochs", 10, "Epochs of each run.", lower_bound=1)
flags.DEFINE_integer("workers", os.cpu_count(), "How many workers.", lower_bound=2)
flags.DEFINE_integer("rounds", 2, "Rounds.", lower_bound=1)

_PROGRAM = pathlib.Path(__file__).parents[1] / "experiments" / "convergence.py"


def _seconds(workers):
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            str(_PROGRAM),
            f"--workers={workers}",
            f"--dataset={FLAGS.dataset}",
            f"--models={FLAGS.models}",
            f"--seeds={','.join(map(str, range(FLAGS.n_seeds)))}",
            f"--epochs={FLAGS.epochs}",
            f"--runs_dir={folder}/runs",
            f"--out_dir={folder}/results",
        ]
        if FLAGS.data_dir:
            command.append(f"--data_dir={os.path.abspath(FLAGS.data_dir)}")
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        trained = time.perf_counter()
        # The same once more, to know what tables and figures take.
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        return trained - started - (time.perf_counter() - trained)


def main(argv):
    del argv
    kinds = [1, FLAGS.workers]
    times = {kind: [] for kind in kinds}
    for i in range(FLAGS.rounds):
        for kind in kinds if i % 2 == 0 else reversed(kinds):
            times[kind].append(_seconds(kind))
    one, several = (statistics.median(times[kind]) for kind in kinds)
    n_runs = FLAGS.n_seeds * len(FLAGS.models.split(","))
    print(f"{n_runs} runs of {FLAGS.models} on {FLAGS.dataset}, {FLAGS.epochs} epochs")
    print(f"one process with all cores   {one:8.1f} s")
    several_of = f"{FLAGS.workers} workers"
    print(f"{several_of:28s} {several:8.1f} s   ratio {one / several:.2f}")


if __name__ == "__main__":
    app.run(main)
