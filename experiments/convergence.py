"""Do networks of one data set converge to a common P-vector? (claims C1, C2, C3)

    python experiments/convergence.py                      # digits, about a minute
    python experiments/convergence.py --dataset=cifar100   # minutes on two CPU cores
    python experiments/convergence.py --dataset=cifar100 --preset=paper   # a GPU's day

Writes `angle_to_final` (angle to the run's own last epoch, epoch by epoch) and
`angle_matrix` (angles between runs after their last epochs) as CSV, png and pdf, each
with its null, and `claims.csv`.
"""

import common

from keras_pvec import analysis, figures

common.define_flags(models=["mlp", "resnet", "autoencoder"])


def main() -> None:
    experiment = common.prepare("convergence")

    angles = analysis.angles_to_final(experiment.runs)
    pairs = analysis.angles_between(experiment.runs)
    claims = analysis.convergence_claims(angles, pairs)

    experiment.save_table(angles, "angle_to_final")
    experiment.save_figure(
        figures.angle_to_final_figure(angles, experiment.title), "angle_to_final"
    )
    if not pairs.empty:
        experiment.save_table(pairs, "angle_matrix")
        experiment.save_figure(
            figures.angle_matrix_figure(pairs, experiment.title), "angle_matrix"
        )
    experiment.save_table(claims, "claims")
    common.print_claims(claims)
    common.finish(experiment)


if __name__ == "__main__":
    common.run(main)
