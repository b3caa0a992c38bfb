"""How are the values of the P-vector distributed? (claim C8)

    python experiments/distribution.py --dataset=cifar100

Writes `histograms` (some epochs), `densities` (a map of kernel density estimates over
all epochs) and `drift` (distance to the distribution of the last epoch) as CSV, png and
pdf, and `claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("distribution")
