"""Do further singular vectors converge, and what do they explain? (claims C9, C12)

    python experiments/singular_vectors.py --dataset=cifar10

Writes `singular_vector_angles` (angle of each of the first five to its counterpart in
the last epoch, and angles between leading subspaces) and `explained_variance` as CSV,
png and pdf, `table_2.csv` (k = 1, by epoch), `table_3.csv` (by k, after the last epoch)
and `claims.csv`.
"""

from keras_pvec.reproduction import flags
from keras_pvec.reproduction.experiment import run_study

flags.define_experiment_flags()

if __name__ == "__main__":
    flags.run(lambda: run_study(flags.experiment_config(), "singular_vectors"))
