"""Does the angle to the raw data correlate with generalization? (claims C10, C11)

    python experiments/generalization.py --dataset=cifar10

Trains each model in many variants (width, augmentation, weight decay, learning rate,
label noise, number of images), one factor at a time. Writes `generalization` (angle,
accuracy and generalization gap of each variant) and `rank_correlations` (Kendall's tau
over all models and within groups that differ in one factor, next to predictors that
need no P-vector) as CSV, png and pdf, and `claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "generalization"))
