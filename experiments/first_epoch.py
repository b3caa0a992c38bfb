"""What does the P-vector do, update by update, in the first epoch? (claims C4, C6a)

    python experiments/first_epoch.py --dataset=cifar10

Writes `first_epoch` (angle at every update to the run's own last epoch and to the raw
data, on training and on test samples, with nulls) as CSV, png and pdf, `peaks.csv` (how
far each curve rises and falls, and where it is highest) and `claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("first_epoch")
