# %% [markdown]
# # Numerical checks
#
# Every formula of [the uncentred vector](uncentred.md) and of [error bounds](error_bounds.md), against brute force, simulation or LAPACK. The cells end in `assert`, so the site is not built if one of them fails.

# %%
import itertools
import math

import matplotlib.pyplot as plt
import numpy as np

import keras_pvec as kp

rng = np.random.default_rng(0)


def left_vectors(x):
    return np.linalg.svd(x, full_matrices=False)[0]


def angle_deg(u, v):
    return math.degrees(math.acos(min(abs(u @ v), 1.0)))


# %% [markdown]
# ## The cap
#
# 20,000 pairs of unit vectors with all kinds of angles to the constant vector: none leaves the band between $|\alpha - \beta|$ and $\alpha + \beta$.

# %% alt="Angles of random pairs of vectors lie between the two bounds"
n = 6
ones = np.ones(n) / math.sqrt(n)
angles, lows, caps = [], [], []
for _ in range(20_000):
    u, v = rng.standard_normal((2, n)) + rng.exponential(2, 2)[:, None]
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    alpha, beta = angle_deg(u, ones), angle_deg(v, ones)
    angles.append(angle_deg(u, v))
    lows.append(abs(alpha - beta))
    caps.append(min(alpha + beta, 90))
angles, lows, caps = map(np.array, (angles, lows, caps))
assert (lows - 1e-5 <= angles).all() and (angles <= caps + 1e-5).all()

figure, axes = plt.subplots(figsize=(5, 3))
axes.plot(caps, angles, ",", alpha=0.5)
axes.plot([0, 90], [0, 90], "k:", label=r"cap $\alpha + \beta$")
axes.set(xlabel=r"$\alpha + \beta$ (degrees)", ylabel="angle (degrees)")
axes.legend()
plt.show()

# %% [markdown]
# ## Features without information
#
# Pairs of independent ReLU matrices, 600 samples: measured by the solver, and predicted by $\cos\theta_0 = 1 / (1 + c_v^2 / d)$ with $c_v^2 = \pi - 1$.

# %%
print("   d   measured   predicted   null   (degrees)")
for d in (10, 64, 512):
    pairs = [
        [kp.p_vector(np.maximum(rng.standard_normal((600, d)), 0)) for _ in range(2)]
        for _ in range(8)
    ]
    measured = np.mean([kp.angle(p, q) for p, q in pairs])
    null = np.mean([kp.compare(p, q).null_angle_deg for p, q in pairs])
    predicted = math.degrees(math.acos(1 / (1 + (math.pi - 1) / d)))
    print(f"{d:4d} {measured:10.2f} {predicted:11.2f} {null:6.2f}")
    assert abs(measured - predicted) < 0.03 * predicted

# %% [markdown]
# ## Mean and variance of the permutation null
#
# All 5,040 permutations of seven samples, no sampling involved:

# %%
n = 7
u, v = rng.standard_normal((2, n)) + 0.7
u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
a, b = u.sum() / math.sqrt(n), v.sum() / math.sqrt(n)
cosines = np.array([u[list(order)] @ v for order in itertools.permutations(range(n))])
mean, variance = a * b, (1 - a**2) * (1 - b**2) / (n - 1)
print(f"mean      {cosines.mean():.12f}  predicted {mean:.12f}")
print(f"variance  {cosines.var():.12f}  predicted {variance:.12f}")
assert np.isclose(cosines.mean(), mean) and np.isclose(cosines.var(), variance)

z = (u @ v - mean) / math.sqrt(variance)
assert np.isclose(z, math.sqrt(n - 1) * np.corrcoef(u, v)[0, 1])

# %% [markdown]
# ## Collapsed classes
#
# Ten classes of 50 samples. All features equal their class mean, up to a little noise that breaks the tie. The common mean of a simplex can be large or small; orthogonal non-negative means are the case in between.

# %%
n_classes, per_class, d = 10, 50, 64
labels = np.repeat(np.arange(n_classes), per_class)


def collapsed(kind, size=1e-3, lengths_only=False):
    frame = np.linalg.qr(rng.standard_normal((d, n_classes + 1)))[0].T
    means = frame[:n_classes]  # orthogonal, of unit length
    if kind != "orthogonal":
        means = means - means.mean(axis=0)  # a simplex around zero
    if kind == "simplex, large common mean":
        means = means + frame[n_classes]
    if lengths_only:
        means = means * (1 + size * rng.standard_normal((n_classes, 1)))
    else:
        means = means + size * rng.standard_normal((n_classes, d))
    return means[labels]


def top_of(x):
    left, values, _ = np.linalg.svd(x, full_matrices=False)
    return left, values[1] / values[0]


for kind in ("simplex, large common mean", "simplex, no common mean", "orthogonal"):
    (left_a, ratio), (left_b, _) = (top_of(collapsed(kind)) for _ in range(2))
    ones = np.ones(len(labels)) / math.sqrt(len(labels))
    print(
        f"{kind}: angle {angle_deg(left_a[:, 0], left_b[:, 0]):.1f}, to the constant "
        f"vector {angle_deg(left_a[:, 0], ones):.1f} degrees, sigma2/sigma1 {ratio:.3f}"
    )
    if kind == "simplex, large common mean":
        assert angle_deg(left_a[:, 0], left_b[:, 0]) < 0.5
    else:
        assert ratio > 0.99

# %% [markdown]
# The centred vectors of 300 such pairs: the spans of the first nine are the same up to the noise, and the first vectors are as far apart as random lines in nine dimensions. If the means differ in length only, the vectors concentrate on few classes, and are further apart still.


# %%
def centred_span(**options):
    x = collapsed("orthogonal", **options)
    return left_vectors(x - x.mean(axis=0))[:, : n_classes - 1]


def compare_pairs(n_pairs=300, **options):
    cosines, largest = [], []
    for _ in range(n_pairs):
        first, second = centred_span(**options), centred_span(**options)
        cosines.append(abs(first[:, 0] @ second[:, 0]))
        principal = np.linalg.svd(first.T @ second, compute_uv=False)
        largest.append(math.degrees(math.acos(min(principal.min(), 1.0))))
    return np.mean(cosines), np.std(cosines) / math.sqrt(n_pairs), max(largest)


m = n_classes - 1
expected = math.gamma(m / 2) / (math.sqrt(math.pi) * math.gamma((m + 1) / 2))
mean, error, largest = compare_pairs()
print(f"mean |cosine| {mean:.3f} +- {error:.3f}, predicted {expected:.3f}")
print(f"largest principal angle {largest:.1e} degrees")
assert abs(mean - expected) < 4 * error
assert largest < 1e-3

mean, error, _ = compare_pairs(lengths_only=True)
print(f"lengths only: mean |cosine| {mean:.3f} +- {error:.3f}")
assert mean < expected - 3 * error

# %% [markdown]
# ## Error bounds of the solver
#
# 200 random matrices, from those with a dominant first singular value to those where the second is nearly as large, against LAPACK in float64. No vector is further from the true one than its errors say. The certified bound proves something where the first direction dominates.

# %% alt="True errors lie below the estimates of the solver"
true, estimated, certified = [], [], []
for _ in range(200):
    ratio = min(1 - 10 ** rng.uniform(-2.5, -0.05), 10 ** rng.uniform(-2, 0.5))
    values = np.r_[1, ratio * np.sort(rng.random(119))[::-1] ** rng.uniform(0.5, 8)]
    u = np.linalg.qr(rng.standard_normal((300, 120)))[0]
    v = np.linalg.qr(rng.standard_normal((200, 120)))[0]
    x = ((u * values) @ v.T).astype("float32")
    p = kp.p_vector(x, tolerance_deg=10 ** rng.uniform(-6, 0))
    exact = left_vectors(x.astype("float64"))[:, 0]
    difference = exact - p.vector * np.sign(exact @ p.vector)
    true.append(math.degrees(2 * math.asin(np.linalg.norm(difference) / 2)))
    estimated.append(p.error_deg[0])
    certified.append(p.certified_error_deg[0])
true, estimated, certified = map(np.array, (true, estimated, certified))
print(f"proven for {np.mean(certified < 90):.0%} of the matrices")
assert (true <= estimated).all() and (true <= certified).all()
assert np.mean(certified < 90) > 0.2

figure, axes = plt.subplots(figsize=(5, 3.4))
axes.loglog(true, estimated, ".", label="error_deg")
proven = certified < 90
axes.loglog(true[proven], certified[proven], "x", label="certified_error_deg")
ends = [true.min(), true.max()]
axes.loglog(ends, ends, "k:", label="equal to the true error")
axes.set(xlabel="true error (degrees)", ylabel="stated error (degrees)")
axes.legend()
plt.show()
