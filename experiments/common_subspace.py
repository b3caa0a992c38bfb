"""Do all models converge to the same P-vector? (claim C5)

    python experiments/common_subspace.py --dataset=cifar100

Compares every epoch of every model with the last epoch of a supervised (Wide-ResNet),
an unsupervised (convolutional autoencoder) and a self-supervised (SimCLR) network,
which are trained besides those of `--models`. Writes `angle_to_references` as CSV, png
and pdf, with nulls, and `claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("common_subspace")
