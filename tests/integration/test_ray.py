"""Runs on a Ray cluster: the same rows as on one machine, whatever goes wrong."""

import dataclasses
import os
import re
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from ray_jobs import (
    ROOT,
    assert_same_run,
    attempts_of,
    cluster_at,
    is_within_epoch,
    jobs_in,
    owner_of,
    start_driver,
    wait_for,
)
from stored_data import store_dataset

import keras_pvec as kp
from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import ImageDataSpec
from keras_pvec.reproduction.runner import ClusterError, train_jobs
from keras_pvec.reproduction.runner.progress import Finished
from keras_pvec.reproduction.runner.ray_pool import RayPool
from keras_pvec.reproduction.runner.workers import share_cores
from keras_pvec.runs.attempts import latest_attempt

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """A cluster with one node, which has one core."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        patch.setenv("RAY_worker_niceness", "0")
        # A node that is suspended is dead after about ten seconds, and a task on it is
        # retried when its connection does not answer.
        health = {
            "grpc_client_keepalive_time_ms": 5000,
            "grpc_client_keepalive_timeout_ms": 15000,
            "health_check_initial_delay_ms": 1000,
            "health_check_period_ms": 1000,
            "health_check_timeout_ms": 2000,
            "health_check_failure_threshold": 5,
        }
        started = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 1,
                "object_store_memory": 80 << 20,
                "include_dashboard": False,
                "_system_config": health,
            },
        )
        yield started
        started.shutdown()


@pytest.fixture
def second_node(cluster):
    node = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of runs that workers of this machine have trained, on one core each;
    sums over more threads are in another order."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (cores,) = share_cores(1)
    shares = [[cores[0]], [cores[-1]]]
    runs, failures = train_jobs(jobs_in(folder), workers=2, cores=shares)
    assert len(runs) == 2
    assert not failures
    return folder


def assert_same_runs(folder, undisturbed):
    for seed in (0, 1):
        assert_same_run(folder / f"seed_{seed}", undisturbed / f"seed_{seed}")


class Saboteur(threading.Thread):
    """Does something as soon as a condition holds, while runs are trained."""

    def __init__(self, condition, act):
        super().__init__(daemon=True)
        self._condition = condition
        self._act = act
        self.has_acted = False

    def run(self):
        wait_for(self._condition)
        self._act()
        self.has_acted = True


def train_with(saboteur, jobs, cluster):
    saboteur.start()
    trained = train_jobs(jobs, cluster=cluster_at(cluster.address))
    assert saboteur.has_acted
    return trained


def test_the_rows_are_those_of_workers_of_one_machine(cluster, tmp_path, undisturbed):
    jobs = jobs_in(tmp_path)
    reports = {job.path: [] for job in jobs}
    with RayPool(cluster_at(cluster.address)) as pool:
        assert pool.slots == 1
        failures = pool.run(
            jobs, "auto", lambda job, new: reports[job.path].append(new)
        )
    assert not failures
    assert_same_runs(tmp_path, undisturbed)
    assert attempts_of(tmp_path / "seed_0") == [0]
    # The progress is read from the folders of the runs.
    for *progress, end in reports.values():
        assert end == Finished(None)
        fractions = [reached.fraction for reached in progress]
        assert fractions == sorted(fractions)
        assert any(0 < fraction < 1 for fraction in fractions)
        assert "loss" in progress[-1].shown
    # What is there is not trained again, and needs no cluster.
    before = [job.path.stat().st_mtime_ns for job in jobs]
    again, _ = train_jobs(jobs, cluster=cluster_at("localhost:1"))
    assert list(again) == [job.path for job in jobs]
    assert [job.path.stat().st_mtime_ns for job in jobs] == before


def test_a_worker_that_is_killed_in_an_epoch_is_replaced(
    cluster, tmp_path, undisturbed
):
    jobs = jobs_in(tmp_path)
    path = jobs[0].path
    saboteur = Saboteur(
        lambda: is_within_epoch(path), lambda: os.kill(owner_of(path), signal.SIGKILL)
    )
    runs, failures = train_with(saboteur, jobs, cluster)
    assert not failures
    assert len(runs) == 2
    assert_same_runs(tmp_path, undisturbed)
    first, again = attempts_of(path)
    assert first == 0
    assert again >= 1


def test_runs_of_a_node_that_is_removed_go_on_on_another(
    cluster, second_node, tmp_path, undisturbed
):
    jobs = jobs_in(tmp_path)

    def are_running():
        return all(is_within_epoch(job.path) for job in jobs)

    saboteur = Saboteur(
        are_running, lambda: cluster.remove_node(second_node, allow_graceful=False)
    )
    runs, failures = train_with(saboteur, jobs, cluster)
    assert not failures
    assert len(runs) == 2
    assert_same_runs(tmp_path, undisturbed)
    # One of them was on that node.
    assert sorted(len(attempts_of(job.path)) for job in jobs) == [1, 2]


def test_a_worker_that_was_cut_off_changes_nothing_when_it_comes_back(
    cluster, second_node, tmp_path, undisturbed
):
    """Its node is suspended, and with it the worker, until the run is finished."""
    jobs = jobs_in(tmp_path)
    suspended = []

    def suspend():
        raylet = second_node.all_processes["raylet"][0].process.pid
        owners = {job.path: owner_of(job.path) for job in jobs}
        # The worker that is a child of the raylet of that node.
        ((path, worker),) = (
            (path, pid) for path, pid in owners.items() if parent_of(pid) == raylet
        )
        for pid in (raylet, worker):
            os.kill(pid, signal.SIGSTOP)
        suspended.append((path, raylet, worker, latest_attempt(path).run_folder()))

    saboteur = Saboteur(lambda: all(is_within_epoch(job.path) for job in jobs), suspend)
    try:
        runs, failures = train_with(saboteur, jobs, cluster)
        assert not failures
        assert len(runs) == 2
        assert_same_runs(tmp_path, undisturbed)
        ((path, raylet, worker, _),) = suspended
        assert len(attempts_of(path)) == 2
    finally:
        for _, raylet, worker, _ in suspended:
            os.kill(worker, signal.SIGCONT)
            os.kill(raylet, signal.SIGCONT)
    wait_for(lambda: not is_alive(worker))
    assert_same_runs(tmp_path, undisturbed)


def test_runs_of_a_driver_that_is_killed_go_on_with_the_next_one(
    cluster, tmp_path, undisturbed
):
    jobs = jobs_in(tmp_path)
    driver = start_driver(tmp_path, cluster.address)
    try:
        wait_for(lambda: is_within_epoch(jobs[0].path), driver)
    finally:
        driver.kill()
        driver.communicate()
    runs, failures = train_jobs(jobs, cluster=cluster_at(cluster.address))
    assert not failures
    assert len(runs) == 2
    assert_same_runs(tmp_path, undisturbed)
    first, again = attempts_of(jobs[0].path)
    assert first == 0
    assert again >= 1


def test_after_an_interrupt_the_runs_go_on_on_one_machine(
    cluster, tmp_path, undisturbed
):
    """Without a wait: the workers give up their leases."""
    jobs = jobs_in(tmp_path)
    driver = start_driver(tmp_path, cluster.address)
    try:
        wait_for(lambda: is_within_epoch(jobs[0].path), driver)
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=120)
    finally:
        driver.kill()
    assert latest_attempt(jobs[0].path).heartbeat() == -1
    done = training.epochs_done(jobs[0].path)
    assert done >= 1
    (cores,) = share_cores(1)
    shares = [[cores[0]], [cores[-1]]]
    runs, failures = train_jobs(jobs, workers=2, cores=shares)
    assert not failures
    assert len(runs) == 2
    assert_same_runs(tmp_path, undisturbed)


def test_two_drivers_on_one_folder_train_each_run_once(
    cluster, second_node, tmp_path, undisturbed
):
    drivers = [start_driver(tmp_path, cluster.address) for _ in range(2)]
    try:
        outputs = [driver.communicate(timeout=400) for driver in drivers]
    finally:
        for driver in drivers:
            driver.kill()
    for out, err in outputs:
        assert out.splitlines()[-1] == "2 []", err
    assert_same_runs(tmp_path, undisturbed)
    for seed in (0, 1):
        assert attempts_of(tmp_path / f"seed_{seed}") == [0]


def test_a_run_that_raises_does_not_stop_the_others(cluster, tmp_path, undisturbed):
    jobs = jobs_in(tmp_path, n=3)
    wrong = dataclasses.replace(jobs[2].settings, layers=["fc"])
    jobs[2] = dataclasses.replace(jobs[2], settings=wrong)
    runs, failures = train_jobs(jobs, cluster=cluster_at(cluster.address))
    assert set(runs) == {jobs[0].path, jobs[1].path}
    (failure,) = failures
    assert failure.path == jobs[2].path
    assert "'fc'" in failure.reason
    report = tmp_path / "seed_2_error.txt"
    assert failure.traceback_path == report
    assert "LayerChoiceError" in report.read_text()
    # It was started once: an error of the training is not a lost worker.
    assert latest_attempt(jobs[2].path).token == 1
    shutil.rmtree(tmp_path / ".seed_2.attempts")
    assert_same_runs(tmp_path, undisturbed)


def test_a_node_without_the_data_set_gets_it_from_the_driver(cluster, tmp_path):
    """The files of the data set are gone when the workers start."""
    features, splits = small_images()
    store_dataset(tmp_path / "data", "mnist", features, splits)
    data = ImageDataSpec("mnist", str(tmp_path / "data"))
    changes = {"data": data, "n": 2, "epochs": 2, "num_samples": {"train": 100}}
    changes["log_freq"] = "epoch"
    (cores,) = share_cores(1)
    here = jobs_in(tmp_path / "here", **changes)
    shares = [[cores[0]], [cores[-1]]]
    expected, failures = train_jobs(here, workers=2, cores=shares)
    assert not failures
    jobs = jobs_in(tmp_path / "there", **changes)
    shutil.rmtree(tmp_path / "data")
    shutil.rmtree(os.environ["KERAS_PVEC_CACHE"])
    runs, failures = train_jobs(jobs, cluster=cluster_at(cluster.address))
    assert not failures
    for run, other in zip(runs.values(), expected.values(), strict=True):
        for name in ("log.csv", "metrics.csv"):
            ours, theirs = run.path / name, other.path / name
            assert ours.read_bytes() == theirs.read_bytes()


def test_a_worker_with_another_version_is_named(cluster, tmp_path, monkeypatch):
    """The first one that answers ends the program; nothing is trained."""
    monkeypatch.chdir(tmp_path)  # workers look for packages in the driver's folder too
    other = tmp_path / "other"
    shutil.copytree(ROOT / "keras_pvec", other / "keras_pvec")
    init = other / "keras_pvec" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "9.'))
    node = cluster.add_node(
        num_cpus=2,
        object_store_memory=80 << 20,
        env_vars={"PYTHONPATH": str(other)},
    )
    try:
        jobs = jobs_in(tmp_path / "runs")
        with pytest.raises(ClusterError, match=r"keras-pvec 9\."):
            train_jobs(jobs, cluster=cluster_at(cluster.address, num_cpus=2))
        assert not any(job.path.exists() for job in jobs)
    finally:
        cluster.remove_node(node, allow_graceful=False)


def test_a_worker_without_the_package_is_named(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "other" / "keras_pvec"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("__version__ = '0.0.1'\n")
    node = cluster.add_node(
        num_cpus=2,
        object_store_memory=80 << 20,
        env_vars={"PYTHONPATH": str(broken.parent)},
    )
    try:
        with pytest.raises(ClusterError, match=re.escape(kp.__version__)):
            train_jobs(
                jobs_in(tmp_path / "runs"),
                cluster=cluster_at(cluster.address, num_cpus=2),
            )
    finally:
        cluster.remove_node(node, allow_graceful=False)


def test_more_cores_than_any_node_has_are_named(cluster, tmp_path):
    with pytest.raises(ClusterError, match="77"):
        train_jobs(jobs_in(tmp_path), cluster=cluster_at(cluster.address, num_cpus=77))


def small_images():
    import tensorflow_datasets as tfds

    rng = np.random.default_rng(0)
    features = {
        "image": tfds.features.Image(shape=(8, 8, 1)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }

    def examples(n):
        return [
            {
                "image": rng.integers(0, 256, (8, 8, 1), dtype=np.uint8),
                "label": int(rng.integers(10)),
            }
            for _ in range(n)
        ]

    return features, {"train": examples(200), "test": examples(60)}


def status_of(pid):
    """The state of a process and the id of its parent."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return status.rsplit(")", 1)[1].split()[:2]


def parent_of(pid):
    return int(status_of(pid)[1])


def is_alive(pid):
    try:
        return status_of(pid)[0] != "Z"
    except OSError:
        return False
