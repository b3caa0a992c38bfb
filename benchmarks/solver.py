"""Time and error of one singular vector: our solver and its alternatives.

    python benchmarks/solver.py --data_dir=FOLDER        # with real CIFAR-100 and MNIST
    python benchmarks/solver.py --matrices=features_10000x512 --peers=arpack,lobpcg
    python benchmarks/solver.py --device=torch           # arrays on PyTorch's device

For each matrix, this prints seconds (the best of all runs), the ratio to our time, the
number of times that the matrix could have been read from memory in that time, and the
true error in degrees, first for the vector of the matrix, then for that of the matrix
with its column means subtracted. Ours computes both vectors there; peers compute one.
The reference is LAPACK's eigenvector of the smaller Gram matrix in float64.

Methods take turns of 0.2 s; the slowest are run once. `read once` is a dot product of
the matrix with itself, which does little more than read it from memory. `svd` of NumPy,
TensorFlow, JAX and PyTorch compute every singular vector.

`--device=jax` and `--device=torch` put the matrix on the default device of the library
(a GPU where there is one) and compare with its `svd` and `svd_lowrank`. Peers keep the
float32 of the library; ours computes in float64 on a GPU. `--cpu_time` counts the time
of all cores, for a machine that is busy. `--profile` also prints each of our passes.
"""

import time
import warnings

import numpy as np
from absl import app, flags
from scipy.sparse.linalg import LinearOperator, svds

from keras_pvec.solver import LeftSingularSolver, top_singular_triplets

FLAGS = flags.FLAGS


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


def _pixels(name, n_features):
    from keras_pvec.reproduction.data import load_data

    pixels = load_data(name, data_dir=FLAGS.data_dir).train.pixels()
    return pixels.reshape(-1, n_features)


def _centred_features():
    x = _relu(10000, 512)
    return x - x.mean(axis=0)


MATRICES = {
    "cifar100_50000x3072": lambda: _pixels("cifar100", 3072),
    "mnist_60000x784": lambda: _pixels("mnist", 784),
    "features_10000x512": lambda: _relu(10000, 512),
    "features_50000x640": lambda: _relu(50000, 640),
    "features_2000x65536": lambda: _relu(2000, 65536),
    "centred_10000x512": _centred_features,
    "ratio_0.95_10000x512": lambda: _near(10000, 512, 0.95),
}


# Peers, each a function of the matrix and of whether its vector is to be that of the
# centred matrix. They return the left singular vector.


def _ours(x, centred):
    if centred:
        return top_singular_triplets([x]).centered_left
    return top_singular_triplets([x], centered_passes=None).left[:, 0]


def _read_once(x, centred):
    flat = x.reshape(-1)
    return float(flat @ flat)


def _svds(solver):
    def run(x, centred):
        # PROPACK and LOBPCG want an operator that keeps float32. The centred matrix is
        # X - 1 mean^T, which is not formed.
        mean = x.mean(axis=0) if centred else np.zeros(x.shape[1], x.dtype)

        def multiply(v):
            return x @ v - mean @ v

        def multiply_transposed(u):
            sums = u.sum(axis=0)
            return x.T @ u - (np.outer(mean, sums) if u.ndim == 2 else mean * sums)

        operator = LinearOperator(
            x.shape,
            matvec=multiply,
            rmatvec=multiply_transposed,
            matmat=multiply,
            rmatmat=multiply_transposed,
            dtype=x.dtype,
        )
        return svds(operator, k=1, solver=solver, random_state=0)[0][:, 0]

    return run


def _randomized(x, centred):
    if centred:  # subtracts the means itself
        from sklearn.decomposition import PCA

        pca = PCA(1, svd_solver="randomized", random_state=0)
        return pca.fit_transform(x)[:, 0]
    from sklearn.utils.extmath import randomized_svd

    return randomized_svd(x, 1, random_state=0)[0][:, 0]


def _torch_lowrank(x, centred):
    import torch

    tensor = torch.as_tensor(x)
    if centred:
        return torch.pca_lowrank(tensor, q=6, center=True)[0][:, 0].cpu().numpy()
    return torch.svd_lowrank(tensor, q=6)[0][:, 0].cpu().numpy()


def _numpy_svd(x, centred):
    x = x - x.mean(axis=0) if centred else x
    return np.linalg.svd(x, full_matrices=False)[0][:, 0]


def _tf_svd(x, centred):
    import tensorflow as tf

    x = x - tf.reduce_mean(x, axis=0) if centred else x
    return tf.linalg.svd(x, full_matrices=False)[1][:, 0].numpy()


def _jax_svd(x, centred):
    import jax.numpy as jnp

    x = jnp.asarray(x)
    x = x - x.mean(axis=0) if centred else x
    return np.asarray(jnp.linalg.svd(x, full_matrices=False)[0][:, 0])


def _torch_svd(x, centred):
    import torch

    x = torch.as_tensor(x)
    x = x - x.mean(dim=0) if centred else x
    return torch.linalg.svd(x, full_matrices=False)[0][:, 0].cpu().numpy()


PEERS = {
    "ours": _ours,
    "read once": _read_once,
    "arpack": _svds("arpack"),
    "propack": _svds("propack"),
    "lobpcg": _svds("lobpcg"),
    "randomized_svd": _randomized,
    "torch.svd_lowrank": _torch_lowrank,
    "numpy svd": _numpy_svd,
    "tf.linalg.svd": _tf_svd,
    "jnp.linalg.svd": _jax_svd,
    "torch.linalg.svd": _torch_svd,
}
# Peers of a device, and those that are run by default.
_PEERS_ON = {
    "numpy": [p for p in PEERS if p not in ("jnp.linalg.svd", "torch.linalg.svd")],
    "jax": ["ours", "read once", "jnp.linalg.svd"],
    "torch": ["ours", "read once", "torch.svd_lowrank", "torch.linalg.svd"],
}
# Threads of a BLAS go on waiting for work for a while, at the cost of whoever is next.
_PAUSE_S = 0.3
# One is run in a row for so long, so that it finds its own threads and caches awake.
_IN_A_ROW_S = 0.2
_ONCE = (
    "lobpcg",
    "numpy svd",
    "tf.linalg.svd",
    "jnp.linalg.svd",
    "torch.linalg.svd",
)

flags.DEFINE_string("data_dir", None, "tensorflow-datasets' folder.")
flags.DEFINE_list("matrices", list(MATRICES), "Matrices to run.")
flags.DEFINE_list("peers", None, "What to compare with; all of the device by default.")
flags.DEFINE_enum("device", "numpy", list(_PEERS_ON), "Library that holds the matrix.")
flags.DEFINE_integer("repeats", 5, "Runs of each, in turn.", lower_bound=1)
flags.DEFINE_bool("cpu_time", False, "Time of all cores, for a machine that is busy.")
flags.DEFINE_bool("profile", False, "Also print each of our passes.")


def _reference(x, centred):
    """The top left singular vector, computed in float64."""
    n, d = x.shape
    mean = x.mean(axis=0, dtype=np.float64) if centred else np.zeros(d)
    gram = np.zeros((min(n, d),) * 2)
    for start in range(0, max(n, d), 4096):
        part = slice(start, start + 4096)
        if n >= d:
            rows = x[part].astype(np.float64) - mean
        else:
            rows = (x[:, part].astype(np.float64) - mean[part]).T
        gram += rows.T @ rows
    vector = np.linalg.eigh(gram)[1][:, -1]
    left = x.astype(np.float64) @ vector - mean @ vector if n >= d else vector
    return left / np.linalg.norm(left)


def _error_deg(u, truth):
    u = np.asarray(u, float) / np.linalg.norm(u)
    u = u if u @ truth > 0 else -u
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(u - truth), np.linalg.norm(u + truth))
    )


def _on_device(x):
    if FLAGS.device == "torch":
        import torch

        return torch.as_tensor(x, device="cuda" if torch.cuda.is_available() else None)
    if FLAGS.device == "jax":
        import jax.numpy as jnp

        return jnp.asarray(x)
    return x


def _measure(x, centred, truth):
    """Best time and error of each peer, by name."""
    clock = time.process_time if FLAGS.cpu_time else time.perf_counter
    peers = _PEERS_ON[FLAGS.device] if FLAGS.peers is None else FLAGS.peers
    best, errors = {}, {}
    for repeat in range(FLAGS.repeats):
        for peer in dict.fromkeys(["ours", "read once", *peers]):
            if repeat and (peer in _ONCE or peer not in best):
                continue
            time.sleep(_PAUSE_S)
            turn_ends = time.perf_counter() + _IN_A_ROW_S
            while time.perf_counter() < turn_ends:
                started = clock()
                try:
                    vector = PEERS[peer](x, centred)
                except ImportError:
                    break  # not installed
                except Exception as error:  # PROPACK and ARPACK give up in their ways
                    print(f"{peer} failed: {error}")
                    break
                best[peer] = min(best.get(peer, np.inf), clock() - started)
                errors[peer] = np.ndim(vector) and _error_deg(vector, truth)
    return best, errors


def _compare(name):
    on_host = np.ascontiguousarray(MATRICES[name]())
    x = _on_device(on_host)
    where = getattr(x, "device", "cpu")
    print(f"\n{name}  ({on_host.nbytes / 1e6:.0f} MB, {on_host.dtype}, {where})")
    for centred in (False, True):
        best, errors = _measure(x, centred, _reference(on_host, centred))
        print("centred vector" if centred else "vector")
        print(f"  {'':22s} {'seconds':>9s} {'x ours':>8s} {'reads':>8s} {'error':>9s}")
        for peer, seconds in sorted(best.items(), key=lambda item: item[1]):
            ratio, reads = seconds / best["ours"], seconds / best["read once"]
            error = f"{errors[peer]:.1e}" if errors[peer] else ""
            print(f"  {peer:22s} {seconds:9.4f} {ratio:8.2f} {reads:8.1f} {error:>9s}")
        if FLAGS.profile:
            _print_passes(x, centred)


def _print_passes(x, centred):
    """Seconds of our passes and of what follows each, and the error so far."""
    solver = LeftSingularSolver(**({} if centred else {"centered_passes": None}))
    while not solver.done:
        times = [time.perf_counter()]
        solver.update(x)
        times.append(time.perf_counter())
        solver.end_pass()
        times.append(time.perf_counter())
        found = solver.result()
        error_deg = found.centered_error_deg if centred else found.error_deg[0]
        products, rest = np.diff(times)
        print(
            f"  pass {solver.n_passes}: products {products:.4f} s, next directions "
            f"{rest:.4f} s, error at most {error_deg:.1e}",
            flush=True,
        )


def main(argv):
    del argv
    # LOBPCG tells at length that it did not converge.
    warnings.simplefilter("ignore")
    for name in FLAGS.matrices:
        _compare(name)


if __name__ == "__main__":
    app.run(main)
