"""A campaign of faults against run folders: kills, failing disks, damaged files.

    python benchmarks/faults.py --seed=0 --count=2000             # about 3 minutes
    python benchmarks/faults.py --only=training/kill_after/17     # one case again
    python benchmarks/faults.py --match=log.csv --count=500       # some kinds only
    python benchmarks/faults.py --keras --count=200               # a real training

Prints a table of kinds: how many faults were tried, and how many of the answers were
right (clean), were an error or a finding that names the file (told), or neither
(wrong). Each wrong case is listed with its id. The exit status is 1 if there is one.

The runs are small and trained without Keras, so that a fault takes some 80 ms. With
`--keras` a network is trained, and checkpoints, weights, the model and a study are
tried as well, which takes about a second each. The ids of kills hold for one version of
the code, since they count its operations.
"""

import sys
import tempfile
from pathlib import Path

from absl import app, flags

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fault_campaign.campaign import (
    choose,
    grouped,
    table_of,
    try_cases,
    wrong_ones,
)
from fault_campaign.cases import Workshop

FLAGS = flags.FLAGS
flags.DEFINE_integer("seed", 0, "Seed of the choice of cases.")
flags.DEFINE_integer("count", 2000, "Number of cases.")
flags.DEFINE_string("only", None, "Id of a single case to try.")
flags.DEFINE_string("match", "", "Only kinds whose name contains this text.")
flags.DEFINE_bool("keras", False, "Train a network.")
flags.DEFINE_bool("all", False, "List every wrong case, not one of each group.")


def main(argv):
    del argv
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        workshop = _workshop(Path(folder))
        if FLAGS.only:
            outcome = workshop.try_case(FLAGS.only)
            print(outcome.verdict.value, outcome.detail)
            return
        kinds = {**workshop.disk_cases(), **workshop.damage_cases(FLAGS.seed)}
        chosen = [kinds[kind] for kind in sorted(kinds) if FLAGS.match in kind]
        cases = choose(chosen, FLAGS.count, FLAGS.seed)
        tried = try_cases(cases, workshop, _progress(len(cases)))
    print(table_of(tried))
    found = wrong_ones(tried)
    for reason, group in grouped(found).items():
        print(f"\n{len(group)} x {group[0].outcome.detail or reason}")
        for one in group if FLAGS.all else group[:3]:
            print(f"    --only='{one.case.id}'")
    sys.exit(1 if found else 0)


def _workshop(folder):
    if not FLAGS.keras:
        return Workshop(folder)
    from fault_campaign.keras_cases import KerasWorkshop  # imports TensorFlow

    return KerasWorkshop(folder)


def _progress(count):
    done = []

    def report(tried):
        done.append(tried.seconds)
        if sys.stderr.isatty() or len(done) % 500 == 0:
            print(
                f"\r{len(done)} of {count}, {sum(done):.0f} s", end="", file=sys.stderr
            )

    return report


if __name__ == "__main__":
    app.run(main)
