"""Two runs on a Ray that is started for them."""

import pytest
from ray_jobs import attempts_of, jobs_in

from keras_pvec.reproduction.runner import RayCluster, train_jobs

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.slow


def test_a_cluster_is_started_for_the_runs_and_stopped(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    jobs = jobs_in(tmp_path, epochs=2, log_freq="epoch", batch_size=200)
    runs, failures = train_jobs(jobs, cluster=RayCluster())
    assert not failures
    assert list(runs) == [job.path for job in jobs]
    assert all(attempts_of(path) == [0] for path in runs)
    assert not ray.is_initialized()
