"""Time and error of one singular vector: our solver and its alternatives.

    python benchmarks/solver.py --data_dir=FOLDER        # with real CIFAR-100 and MNIST
    python benchmarks/solver.py --matrices=features_10000x512 --peers=arpack,lobpcg

For each matrix, this prints seconds (the best of all runs), the ratio to our time, and
the true error in degrees. The reference is LAPACK's eigenvector of the smaller Gram
matrix in float64. Methods take turns of 0.2 s; the slowest are run once. `read once` is
a dot product of the matrix with itself, which does little more than read it from
memory. `svd` of NumPy and of TensorFlow compute every singular vector.
"""

import time
import warnings

import numpy as np
import tensorflow as tf
from absl import app, flags
from scipy.sparse.linalg import LinearOperator, svds

from keras_pvec.reproduction.data import load_data
from keras_pvec.solver import top_singular_triplets


def _relu(n, d, rank=64, decay=0.05):
    """Features as after a ReLU: non-negative, with a decaying spectrum."""
    rng = np.random.default_rng(0)
    scales = np.exp(-decay * np.arange(rank))
    hidden = rng.standard_normal((n, rank), np.float32) * scales.astype(np.float32)
    x = hidden @ rng.standard_normal((rank, d), np.float32)
    x += 0.3 * rng.standard_normal((n, d), np.float32)
    return np.maximum(x, 0)


def _near(n, d, ratio):
    """A float32 matrix with `sigma2 / sigma1 = ratio`."""
    rng = np.random.default_rng(0)
    values = np.r_[1.0, ratio, ratio * 0.97 ** np.arange(1, 40)]
    u = np.linalg.qr(rng.standard_normal((n, values.size)))[0]
    v = np.linalg.qr(rng.standard_normal((d, values.size)))[0]
    return ((u * values) @ v.T).astype(np.float32)


def _pixels(name):
    return (
        load_data(name, data_dir=FLAGS.data_dir)
        .train.pixels()
        .reshape(-1, {"cifar100": 3072, "mnist": 784}[name])
    )


def _centred_features():
    x = _relu(10000, 512)
    return x - x.mean(axis=0)


MATRICES = {
    "cifar100_50000x3072": lambda: _pixels("cifar100"),
    "mnist_60000x784": lambda: _pixels("mnist"),
    "features_10000x512": lambda: _relu(10000, 512),
    "features_50000x640": lambda: _relu(50000, 640),
    "features_2000x65536": lambda: _relu(2000, 65536),
    "centred_10000x512": _centred_features,
    "ratio_0.95_10000x512": lambda: _near(10000, 512, 0.95),
}


def _ours(x):
    return top_singular_triplets([x], centered_passes=None).left[:, 0]


def _ours_centred_as_well(x):
    return top_singular_triplets([x]).left[:, 0]


def _svds(solver):
    def run(x):
        # PROPACK and LOBPCG want an operator that keeps float32.
        operator = LinearOperator(
            x.shape,
            matvec=lambda v: x @ v,
            rmatvec=lambda u: x.T @ u,
            matmat=lambda v: x @ v,
            rmatmat=lambda u: x.T @ u,
            dtype=x.dtype,
        )
        return svds(operator, k=1, solver=solver, random_state=0)[0][:, 0]

    return run


def _randomized(x):
    from sklearn.utils.extmath import randomized_svd

    return randomized_svd(x, 1, random_state=0)[0][:, 0]


def _torch(x):
    import torch

    return torch.svd_lowrank(torch.from_numpy(x), q=6)[0][:, 0].numpy()


def _numpy_svd(x):
    return np.linalg.svd(x, full_matrices=False)[0][:, 0]


def _tf_svd(x):
    return tf.linalg.svd(x, full_matrices=False)[1][:, 0].numpy()


PEERS = {
    "ours": _ours,
    "ours and centred": _ours_centred_as_well,
    "read once": lambda x: np.dot(x.ravel(), x.ravel()),
    "arpack": _svds("arpack"),
    "propack": _svds("propack"),
    "lobpcg": _svds("lobpcg"),
    "randomized_svd": _randomized,
    "torch.svd_lowrank": _torch,
    "numpy svd": _numpy_svd,
    "tf.linalg.svd": _tf_svd,
}
# Threads of a BLAS go on waiting for work for a while, at the cost of whoever is next.
_PAUSE_S = 0.3
# One is run in a row for so long, so that it finds its own threads and caches awake.
_IN_A_ROW_S = 0.2
_ONCE = ("lobpcg", "numpy svd", "tf.linalg.svd")

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "tensorflow-datasets' folder.")
flags.DEFINE_list("matrices", list(MATRICES), "Matrices to run.")
flags.DEFINE_list("peers", [p for p in PEERS if p != "ours"], "What to compare with.")
flags.DEFINE_integer("repeats", 5, "Runs of each, in turn.", lower_bound=1)


def _reference(x):
    """The top left singular vector, computed in float64."""
    n, d = x.shape
    gram = np.zeros((min(n, d),) * 2)
    for start in range(0, max(n, d), 4096):
        part = x[start : start + 4096] if n >= d else x[:, start : start + 4096].T
        part = part.astype(np.float64)
        gram += part.T @ part
    vector = np.linalg.eigh(gram)[1][:, -1]
    left = x.astype(np.float64) @ vector if n >= d else vector
    return left / np.linalg.norm(left)


def _error_deg(u, truth):
    u = np.asarray(u, float) / np.linalg.norm(u)
    u = u if u @ truth > 0 else -u
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(u - truth), np.linalg.norm(u + truth))
    )


def _compare(name):
    x = MATRICES[name]()
    truth = _reference(x)
    best, errors = {}, {}
    for repeat in range(FLAGS.repeats):
        for peer in ["ours", *FLAGS.peers]:
            if repeat and (peer in _ONCE or peer not in best):
                continue
            time.sleep(_PAUSE_S)
            turn_ends = time.perf_counter() + _IN_A_ROW_S
            while (started := time.perf_counter()) < turn_ends:
                try:
                    vector = PEERS[peer](x)
                except ImportError:
                    break  # not installed
                except Exception as error:  # PROPACK and ARPACK give up in their ways
                    print(f"{peer} failed: {error}")
                    break
                seconds = time.perf_counter() - started
                best[peer] = min(best.get(peer, np.inf), seconds)
                errors[peer] = (
                    None if np.ndim(vector) == 0 else _error_deg(vector, truth)
                )
    print(f"\n{name}  ({x.nbytes / 1e6:.0f} MB, {x.dtype})")
    print(f"{'':24s} {'seconds':>9s} {'x ours':>8s} {'error, degrees':>15s}")
    for peer, seconds in sorted(best.items(), key=lambda item: item[1]):
        error = "" if errors[peer] is None else f"{errors[peer]:.1e}"
        ratio = seconds / best["ours"]
        print(f"{peer:24s} {seconds:9.4f} {ratio:8.2f} {error:>15s}", flush=True)


def main(argv):
    del argv
    warnings.simplefilter("ignore")  # LOBPCG tells at length that it did not converge
    for name in FLAGS.matrices:
        _compare(name)


if __name__ == "__main__":
    app.run(main)
