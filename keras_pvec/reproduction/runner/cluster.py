"""Which cluster trains the runs, and what each run gets of it. Imports no Ray."""

from __future__ import annotations

import dataclasses

from keras_pvec.runs import LEASE_S


class ClusterError(RuntimeError):
    """A cluster cannot be used. The message addresses the user."""


@dataclasses.dataclass(frozen=True)
class RayCluster:
    """A Ray cluster, and the resources of one run.

    Attributes:
        address: `"auto"` or `"<host>:<port>"` of an existing cluster; `None` for the
            one in `RAY_ADDRESS`, or else one that is started on this machine and
            stopped at the end.
        num_cpus: CPU cores of each run.
        num_gpus: GPUs of each run; a fraction lets several runs share one.
        max_retries: How often a run is started again after its worker was lost, before
            it counts as failed. Errors of the training itself are not retried.
        lease_s: How long a worker must have been silent before another one takes its
            run over, in seconds. It must exceed the time that the shared storage takes
            to show one machine what another wrote.
    """

    address: str | None = None
    num_cpus: int = 1
    num_gpus: float = 0
    max_retries: int = 3
    lease_s: float = LEASE_S
