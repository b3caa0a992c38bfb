"""What does a Ray cluster add to each run, in time and in memory?

    python benchmarks/ray_overhead.py --runs=100

Trains runs of about a second each, by two worker processes and by a Ray cluster of two
cores on this machine, and prints for each the elapsed time, the CPU time per run of
every kind of process, their largest memory, and how the program's memory grows while
runs are trained and when they are read in the end. CPU times are sampled five times a
second, so the last moments of a process are missing. They do not depend on what else
the machine does; elapsed times do. Takes about a quarter of an hour for 100 runs on two
idle cores. Needs Linux and Ray.
"""

import os
import pathlib
import tempfile
import threading
import time
from collections import defaultdict

from absl import app, flags

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import ImageDataSpec
from keras_pvec.reproduction.devices import prepare_process
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.runner import Job, RayCluster, train_jobs

FLAGS = flags.FLAGS
flags.DEFINE_integer("runs", 100, "How many runs.", lower_bound=2)
flags.DEFINE_integer("epochs", 10, "Epochs of each run.")
flags.DEFINE_list("engines", ["workers", "ray"], "Which engines to measure.")

_DATA = ImageDataSpec("digits", None, 800, 100)
_CORES = 2
_TICKS = os.sysconf("SC_CLK_TCK")


class Sampler(threading.Thread):
    """Samples the processes that this one has started, and itself.

    Attributes:
        cpu_s: CPU time by process id, in seconds.
        peak_mib: Largest resident memory by process id, in MiB.
        kinds: Kind of process by process id.
        driver_mib: Resident memory of this process at each sample, in MiB.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.cpu_s: dict[int, float] = {}
        self.peak_mib: dict[int, float] = {}
        self.kinds: dict[int, str] = {}
        self.driver_mib: list[float] = []
        self._is_done = threading.Event()

    def run(self) -> None:
        while not self._is_done.wait(0.2):
            self.sample()

    def stop(self) -> None:
        self._is_done.set()
        self.join()
        self.sample()

    def sample(self) -> None:
        parents, stats = {}, {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    text = (entry / "stat").read_text()
                except OSError:
                    continue
                stats[int(entry.name)] = fields = text.rsplit(")", 1)[1].split()
                parents[int(entry.name)] = int(fields[1])
        for pid, fields in stats.items():
            if self._is_ours(pid, parents):
                self.cpu_s[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
                self._look_at(pid)

    def _is_ours(self, pid: int, parents: dict[int, int]) -> bool:
        while pid > 1:
            # Daemons of Ray that have lost their parent are known already.
            if pid == os.getpid() or pid in self.kinds:
                return True
            pid = parents.get(pid, 0)
        return False

    def _look_at(self, pid: int) -> None:
        try:
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        memory = {
            name: int(text.split()[0]) / 1024
            for line in status.splitlines()
            for name, _, text in [line.partition(":")]
            if name in ("VmHWM", "VmRSS")
        }
        if memory:
            self.peak_mib[pid] = memory["VmHWM"]
        if pid == os.getpid():
            self.kinds[pid] = "driver"
            self.driver_mib.append(memory["VmRSS"])
        elif "train_attempt" in command or "spawn_main" in command:
            self.kinds[pid] = "worker"
        else:
            self.kinds.setdefault(pid, "daemons")


def _jobs(folder: pathlib.Path) -> list[Job]:
    model = "mlp"
    settings = training.RunSettings(
        dataset=_DATA.name,
        data_sha256=_DATA.load().fingerprint(),
        model=model,
        model_options={"width": 32},
        recipe=training.RECIPES[model],
        epochs=FLAGS.epochs,
        batch_size=64,
        seed=0,
        num_samples={"train": 100, "test": 100},
        layers=[MODELS[model].feature_layer],
    )
    return [
        Job(training.RunSettings(**{**vars(settings), "seed": seed}), path, _DATA)
        for seed in range(FLAGS.runs)
        for path in [folder / f"seed_{seed}"]
    ]


def _measure(engine: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        jobs = _jobs(pathlib.Path(folder))
        sampler = Sampler()
        sampler.start()
        began = time.perf_counter()
        if engine == "workers":
            trained = train_jobs(jobs, workers=_CORES, device="cpu")
        else:
            trained = train_jobs(jobs, device="cpu", cluster=RayCluster())
        elapsed = time.perf_counter() - began
        sampler.stop()
        times = [run.info.notes["wall_time_s"] for run in trained.runs.values()]
    assert len(times) == FLAGS.runs, trained.failures
    cpu, peak = defaultdict(float), defaultdict(list)
    for pid, seconds in sampler.cpu_s.items():
        kind = sampler.kinds.get(pid, "daemons")
        cpu[kind] += seconds
        peak[kind].append(sampler.peak_mib.get(pid, 0.0))
    print(f"\n{engine}: {FLAGS.runs} runs in {elapsed:.0f} s", end="")
    print(f", {elapsed * _CORES / FLAGS.runs:.2f} core seconds each; the training")
    print(f"itself took {sorted(times)[len(times) // 2]:.2f} s (median)")
    for kind in ("driver", "daemons", "worker"):
        print(
            f"  {kind:8s} {cpu[kind] / FLAGS.runs:7.3f} s of CPU per run, "
            f"{len(peak[kind]):4d} processes, at most {max(peak[kind], default=0):.0f} "
            "MiB each"
        )
    n = len(sampler.driver_mib)
    shown = [sampler.driver_mib[n * tenths // 10] for tenths in (1, 3, 5, 7, 9)]
    print(
        "  memory of the driver after 1, 3, 5, 7, 9 tenths of the time and at the end:"
    )
    print(f"  {', '.join(f'{x:.0f}' for x in [*shown, sampler.driver_mib[-1]])} MiB")


def main(argv: list[str]) -> None:
    del argv
    prepare_process("cpu")
    for engine in FLAGS.engines:
        _measure(engine)


if __name__ == "__main__":
    app.run(main)
