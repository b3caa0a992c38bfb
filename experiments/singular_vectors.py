"""Do other singular vectors converge, and what do they explain? (claims C9, C12)

    python experiments/singular_vectors.py --dataset=cifar10

Writes `singular_vector_angles` (each of the first five to the last epoch's, and the
subspaces of the first ones) and `explained_variance` as CSV, png and pdf, `table_2.csv`
(k = 1 over the epochs), `table_3.csv` (over k, after the last epoch), and
`claims.csv`.
"""

import common

if __name__ == "__main__":
    common.run_study("singular_vectors")
