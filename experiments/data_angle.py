"""How does the angle between a model and the raw data go? (claim C6b)

    python experiments/data_angle.py --dataset=cifar10
    python experiments/data_angle.py --dataset=cifar10 --data_matrix=input

Writes `angle_to_data` (epoch by epoch, with nulls) as CSV, png and pdf, and
`claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("data_angle")
