"""Do networks of one data set converge to a common P-vector? (claims C1, C2, C3)

    python experiments/convergence.py                      # digits, about a minute
    python experiments/convergence.py --dataset=cifar100   # minutes on two CPU cores
    python experiments/convergence.py --dataset=cifar100 --preset=paper   # a GPU's day

Writes `angle_to_final` (angle to the run's own last epoch, epoch by epoch),
`angle_to_untrained` (to the same network, untrained), `angle_matrix` (angles between
runs after their last epochs), `measures` (others beside the angle) and
`influential_samples` (the images that decide it) as CSV, png and pdf, each angle with
its null, and `claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("convergence")
