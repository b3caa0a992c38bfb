"""Do all models converge to the same P-vector? (claim C5)

    python experiments/common_subspace.py --dataset=cifar100

Compares every epoch of every model with the last epoch of a supervised (Wide-ResNet),
an unsupervised (convolutional autoencoder) and a self-supervised (SimCLR) network,
which are trained in addition to those of `--models`. Writes `angle_to_references`, with
nulls, as CSV, png and pdf, and `claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "common_subspace"))
