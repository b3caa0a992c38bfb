"""How does the angle to the raw data depend on depth? (claim C7)

    python experiments/layerwise.py --dataset=cifar10
    python experiments/layerwise.py --dataset=cifar10 --pooling=flatten

By default, feature maps are averaged over the image. `--pooling=flatten` takes every
entry as a feature; such runs are trained and stored separately. Writes `angle_by_block`
(five epochs of a training, with nulls) as CSV, png and pdf, and `claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "layerwise"))
