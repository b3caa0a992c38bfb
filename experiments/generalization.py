"""Does the angle to the raw data go with generalization? (claims C10, C11)

    python experiments/generalization.py --dataset=cifar10

Trains each model in many ways (width, augmentation, weight decay, learning rate, label
noise, number of images), one factor at a time. Writes `generalization` (angle, accuracy
and gap of each) and `rank_correlations` (Kendall's tau over all models and among those
that differ in one factor, beside predictors that need no P-vector) as CSV, png and pdf,
and `claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("generalization")
