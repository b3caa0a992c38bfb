"""How does the angle to the raw data go with depth? (claim C7)

    python experiments/layerwise.py --dataset=cifar10
    python experiments/layerwise.py --dataset=cifar10 --pooling=flatten

Feature maps are averaged over the image, or taken entry by entry; flattened ones are
never held whole, and take a training of their own. Writes `angle_by_block` (five epochs
of a training, with nulls) as CSV, png and pdf, and `claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("layerwise")
