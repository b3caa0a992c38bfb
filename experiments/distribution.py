"""How are the values of the P-vector distributed? (claim C8)

    python experiments/distribution.py --dataset=cifar100

Writes `histograms` (of some epochs), `densities` (kernel density estimates of all
epochs) and `drift` (distance to the distribution of the last epoch) as CSV, png and
pdf, and `claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "distribution"))
