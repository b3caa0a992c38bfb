"""Run folders made up so that the outcome of every study on them is known."""

import numpy as np
import pandas as pd

import keras_pvec as kp
from keras_pvec.reproduction.studies import GENERALIZATION_VARIANTS
from keras_pvec.runs import RunFolder, log_row

N_SAMPLES = {"train": 48, "test": 36}
LAYERS = ["avg_pool", *(f"block_{i}" for i in range(1, 7))]
SETTINGS_LAYERS = ["avg_pool", r"re:^block_\d+$"]

# Angles to the common direction: rise and fall within the first epoch, then fall.
WITHIN = {(0, 1): 80.0, (0, 2): 78.0}
ENDS = {(-1, 0): 75.0, (0, 3): 62.0, (1, 6): 30.0, (2, 9): 8.0, (3, 12): 0.0}
ON_TEST = 0.95  # angles on test samples are this much smaller


def block_angle(moment, block):
    """Early in training it rises with depth, late it falls."""
    return 20 + 5 * block if moment[0] <= 0 else 50 - 5 * block


def turned(u, v, degrees):
    """The direction at an angle to `u` in the plane of `u` and `v`."""
    radians = np.radians(degrees)
    return np.cos(radians) * u + np.sin(radians) * v


class World:
    """Samples of one split, and directions that networks may share on them.

    `end` and `start` are orthogonal to each other and to the constant vector, and the
    distributions of their values differ. The data are near `end`, or turned from there
    towards the constant vector by an angle.
    """

    def __init__(self, split, seed, angle_to_constant=0.0):
        self.rng = np.random.default_rng(seed)
        self.n = N_SAMPLES[split]
        self.factor = ON_TEST if split == "test" else 1.0
        two_lumps = np.repeat([1.0, -1.0], self.n // 2)
        skewed = self.rng.exponential(size=self.n) ** 2
        basis = np.stack([np.ones(self.n), two_lumps, skewed], axis=1)
        self.constant, self.start, self.end = np.linalg.qr(basis)[0].T
        self.data = turned(self.near_end(5), self.constant, angle_to_constant)
        self.input = turned(self.near_end(15), self.constant, angle_to_constant)
        self.untrained = self.start

    def near_end(self, degrees):
        """A direction at an angle to `end`, else random, orthogonal to `start` and to
        the constant vector."""
        known = [self.constant, self.start, self.end]
        other = np.linalg.qr(np.stack([*known, self.random()], axis=1))[0][:, 3]
        return turned(self.end, other, degrees)

    def orthogonal_to(self, end):
        """A random direction orthogonal to `end` and to the constant vector."""
        known = np.stack([self.constant, end, self.random()], axis=1)
        return np.linalg.qr(known)[0][:, 2]

    def random(self):
        return self.rng.standard_normal(self.n)

    def p_vector(self, end, degrees, layer, k, start=None):
        """Of features led by a direction at an angle to `end`, in the plane of `start`;
        the other singular vectors are random at every moment."""
        leading = turned(end, self.start if start is None else start, degrees)
        others = self.rng.standard_normal((self.n, 6))
        u = np.linalg.qr(np.column_stack([leading, others]))[0]
        v = np.linalg.qr(self.rng.standard_normal((9, 7)))[0]
        values = np.array([10.0, 5, 4, 3, 2, 1, 0.5])
        return kp.p_vector((u * values) @ v.T, k=k, layer=layer)

    def references(self):
        return {
            name: kp.p_vector(getattr(self, name)[:, None], layer=name)
            for name in ("data", "input", "untrained")
        }


def write_split(path, world, moments, info):
    folder = RunFolder(path)
    folder.note(**info)
    references = world.references()
    for moment, p_vectors in moments.items():
        rows = [
            log_row(moment, p, name, kp.compare(p, q))
            for p in p_vectors.values()
            for name, q in references.items()
        ]
        folder.write_moment(moment, p_vectors, rows)


def write_run(path, worlds, model, seed):
    """A complete run, as a training leaves it behind."""
    settings = {"model": model, "seed": seed, "layers": SETTINGS_LAYERS, "variant": ""}
    for split, world in worlds.items():
        end = world.near_end(3)
        # Untrained networks have nothing in common.
        own_start = world.orthogonal_to(end)
        moments = {}
        for moment, angle in sorted({**WITHIN, **ENDS}.items(), key=lambda m: m[0][1]):
            angles = {"avg_pool": world.factor * angle}
            if moment in ENDS:
                angles |= {
                    layer: world.factor * block_angle(moment, i)
                    for i, layer in enumerate(LAYERS[1:], start=1)
                }
            moments[moment] = {
                layer: world.p_vector(
                    end, degrees, layer, 5, own_start if moment[0] < 0 else None
                )
                for layer, degrees in angles.items()
            }
        folder = path if split == "train" else path / split
        write_split(folder, world, moments, {"settings": settings})
    evaluation = {s: {"accuracy": 0.8, "loss": 0.5} for s in N_SAMPLES}
    RunFolder(path).note(evaluation=evaluation, n_parameters=1000)
    return kp.open_run(path)


VARIANT_ANGLES = 3 * 1.13 ** np.arange(2 * len(GENERALIZATION_VARIANTS))


def write_variants(folder, n):
    """The first `n` of 24 classifiers whose test accuracy is a power of their angle to
    the data, up to one percent."""
    rng = np.random.default_rng(3)
    worlds = {split: World(split, seed=8, angle_to_constant=50) for split in N_SAMPLES}
    angles = rng.permutation(VARIANT_ANGLES)
    trained = [(m, v.name) for m in ("mlp", "vgg") for v in GENERALIZATION_VARIANTS]
    runs = []
    for angle, (model, variant) in list(zip(angles, trained, strict=True))[:n]:
        path = folder / model / variant
        settings = {"model": model, "seed": 0, "variant": variant}
        settings["layers"] = ["avg_pool"]
        for split, world in worlds.items():
            pair = np.stack([world.data, world.random()], axis=1)
            start = np.linalg.qr(pair)[0][:, 1]
            moments = {}
            for moment, degrees in (((-1, 0), 80.0), ((3, 12), world.factor * angle)):
                u = turned(world.data, start, degrees)
                p = kp.p_vector(u[:, None], layer="avg_pool")
                moments[moment] = {"avg_pool": p}
            place = path if split == "train" else path / split
            write_split(place, world, moments, {"settings": settings})
        accuracy = 0.9 * (angle / 3) ** -0.4 * (1 + 0.01 * rng.uniform(-1, 1))
        evaluation = {
            "train": {"accuracy": 0.95, "loss": rng.uniform(0.1, 0.2)},
            "test": {"accuracy": accuracy, "loss": 1.0},
        }
        n_parameters = int(rng.integers(1000, 2000))
        RunFolder(path).note(evaluation=evaluation, n_parameters=n_parameters)
        runs.append(kp.open_run(path))
    return runs


def logged_angles(run, split, matrix):
    """Angles of the features to the raw data, as they stand in the file."""
    folder = run.path if split == "train" else run.path / "test"
    log = pd.read_csv(folder / "log.csv")
    rows = (log["layer"] == "avg_pool") & (log["reference"] == matrix)
    return log[rows].set_index(["epoch", "step"])["angle_deg"]
