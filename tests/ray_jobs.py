"""Runs for a cluster that take some seconds each, and a driver of their own."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from small_models import SMALL_MODELS

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import ImageDataSpec
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.runner import Job, RayCluster, train_jobs
from keras_pvec.runs import RunError, RunFolder, current_folder
from keras_pvec.runs.attempts import latest_attempt

ROOT = Path(__file__).parents[1]
DATA = ImageDataSpec("digits", None, 800, 50)
STEPS = 50  # updates per epoch
# Storage of one machine shows at once what was written.
LEASE_S = 8.0


def jobs_in(folder, n=2, data=DATA, **changes):
    settings = training.RunSettings(
        dataset=data.name,
        data_sha256=data.load().fingerprint(),
        model="mlp",
        model_options=SMALL_MODELS["mlp"],
        recipe=training.RECIPES["mlp"],
        epochs=8,
        batch_size=16,
        seed=0,
        num_samples={"train": 100, "test": 50},
        log_freq=10,
        layers=[MODELS["mlp"].feature_layer],
    )
    settings = dataclasses.replace(settings, **changes)
    return [
        Job(dataclasses.replace(settings, seed=seed), folder / f"seed_{seed}", data)
        for seed in range(n)
    ]


def cluster_at(address, **changes):
    return RayCluster(address, lease_s=LEASE_S, **changes)


def start_driver(folder, address, n=2):
    """A process that trains `jobs_in(folder, n)` on a cluster, and prints how many are
    finished and what has failed."""
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), address, str(n)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell lets its background jobs ignore the interrupt, and so their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(condition, process=None, timeout_s=240):
    """Waits until a condition holds, while a process runs."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_within_epoch(path, epochs=1):
    """Whether a run is in the middle of an epoch, and as many epochs are done."""
    if path.exists() or training.epochs_done(path) < epochs:
        return False
    try:
        moments = RunFolder(current_folder(path)).moments()
    except (RunError, OSError):
        return False
    return bool(moments) and moments[-1].step % STEPS != 0


def owner_of(path):
    """Process id of the worker that trains a run."""
    attempt = latest_attempt(path)
    (owner,) = attempt.path.glob("owner-*.json")
    return json.loads(owner.read_text())["pid"]


def attempts_of(path):
    """The epochs that were done when each attempt at a finished run began."""
    notes = kp.open_run(path).info.notes["attempts"]
    return [entry["epochs_done"] for entry in notes]


def assert_same_run(path, expected):
    """Two finished runs have the same rows, P-vectors and weights, bit for bit."""
    names = sorted(p.relative_to(expected) for p in expected.rglob("*.csv"))
    names += sorted(p.relative_to(expected) for p in expected.rglob("epoch_*.npz"))
    assert len(names) > 40
    for name in names:
        assert (path / name).read_bytes() == (expected / name).read_bytes(), name
    assert len(list(path.rglob("epoch_*.npz"))) == len(names) - 4
    ours, theirs = (training.load_model(p).get_weights() for p in (path, expected))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    # Nothing is left of the attempts.
    assert not list(path.parent.glob(".*.attempts"))


if __name__ == "__main__":
    folder, address, n = sys.argv[1:]
    trained = train_jobs(jobs_in(Path(folder), int(n)), cluster=cluster_at(address))
    print(len(trained.runs), [str(failure) for failure in trained.failures])
