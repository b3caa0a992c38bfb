"""How does the P-vector change within the first epoch? (claims C4, C6a)

    python experiments/first_epoch.py --dataset=cifar10

Writes `first_epoch` (angle after every update to the last epoch of the same run and to
the raw data, on training and on test samples, with nulls) as CSV, png and pdf,
`peaks.csv` (rise, fall and peak of each curve) and `claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "first_epoch"))
