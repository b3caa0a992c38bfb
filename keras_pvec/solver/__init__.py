"""Top left singular vectors of matrices that may be too large to hold.

The matrix `X`, shape `(n_samples, n_features)`, is read in blocks of rows. One pass
over the blocks turns directions `V` of feature space into `X V` and `X^T X V`; the
directions grow from pass to pass until the wanted singular vectors are accurate enough.
Memory is `O((n_samples + n_features) * basis)`, never `n_samples * n_features`.

Method: block Krylov iteration with full orthogonalisation and thick restart (Golub and
Van Loan, "Matrix Computations", 4th ed., 10.1-10.3), started from the singular vectors
of a sample of the rows (Halko et al. 2011, arXiv 0909.4061). The sample also corrects
residuals as in the Davidson method (see `sample`). Errors are estimated as residual
over gap (Davis and Kahan 1970; Parlett, "The Symmetric Eigenvalue Problem", 11.7).
"""

from keras_pvec.solver.arrays import to_numpy
from keras_pvec.solver.driver import LeftSingularSolver, top_singular_triplets
from keras_pvec.solver.exact import exact_singular_triplets
from keras_pvec.solver.rows import as_rows
from keras_pvec.solver.settings import (
    DEFAULT_TOLERANCE_DEG,
    Limits,
    check_count,
    check_tolerance,
)
from keras_pvec.solver.threads import available_cores
from keras_pvec.solver.triplets import SingularTriplets, ZeroMatrixError

__all__ = [
    "DEFAULT_TOLERANCE_DEG",
    "LeftSingularSolver",
    "Limits",
    "SingularTriplets",
    "ZeroMatrixError",
    "as_rows",
    "available_cores",
    "check_count",
    "check_tolerance",
    "exact_singular_triplets",
    "to_numpy",
    "top_singular_triplets",
]
