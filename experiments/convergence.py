"""Do networks of one data set converge to a common P-vector? (claims C1, C2, C3)

    python experiments/convergence.py                      # digits, half a minute
    python experiments/convergence.py --dataset=cifar100   # minutes on two CPU cores
    python experiments/convergence.py --dataset=cifar100 --preset=paper   # a GPU day

Writes CSV, png and pdf files of `angle_to_final` (angle to the last epoch of the same
run, by epoch), `angle_to_untrained` (to the same network, untrained), `angle_matrix`
(between runs after their last epochs), `measures` (other similarity measures) and
`influential_samples` (the images that dominate an angle), each angle with its null, and
`claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "convergence"))
