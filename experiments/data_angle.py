"""How does the angle between features and raw data change over training? (claim C6b)

    python experiments/data_angle.py --dataset=cifar10
    python experiments/data_angle.py --dataset=cifar10 --data_matrix=input

Writes `angle_to_data` (by epoch, with nulls) as CSV, png and pdf, and `claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "data_angle"))
