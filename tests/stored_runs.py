"""Run folders with P-vectors of known angles, for tests of what reads them."""

import numpy as np

import keras_pvec as kp
from keras_pvec.runs import Moment, RunFolder, log_row

N_SAMPLES = 40
LAYER = "features"


def p_of(vector, layer=LAYER):
    """A P-vector given by its entries, sign included."""
    vector = np.asarray(vector, float)
    return kp.PVector(
        vectors=(vector / np.linalg.norm(vector))[:, None],
        singular_values=np.ones(1),
        error_deg=np.zeros(1),
        frobenius_norm=1.0,
        n_features=1,
        layer=layer,
    )


def random_plane(rng, n=N_SAMPLES):
    """Two orthonormal directions with components along the constant vector, shape
    `(2, n)`."""
    return np.linalg.qr(np.add(rng.random((n, 2)), [1.0, 0.0]))[0].T


def turned(plane, angle, layer=LAYER):
    """The P-vector at an angle (degrees) to the first direction of a plane."""
    radians = np.radians(angle)
    return p_of(np.cos(radians) * plane[0] + np.sin(radians) * plane[1], layer)


def of_features(p_vectors):
    """P-vectors by moment, as those of the layer `features`."""
    return {moment: {LAYER: p} for moment, p in p_vectors.items()}


def write_run(path, moments, references=None, test=None, **info):
    """Writes a run folder and opens it.

    Args:
        path: Where.
        moments: P-vectors by layer, by `(epoch, step)`.
        references: P-vectors by name, which every layer is compared with.
        test: Moments and references of the test samples.
        **info: Settings; `info` holds the other entries of `run.json`.
    """
    settings = {"model": "mlp", "seed": 0, "layers": [LAYER], **info}
    entries = settings.pop("info", {})
    folder = RunFolder(path)
    folder.note(settings=settings, **entries)
    for when, p_vectors in moments.items():
        moment = Moment(*when)
        rows = [
            log_row(moment, p, name, kp.compare(p, reference))
            for p in p_vectors.values()
            for name, reference in (references or {"": p}).items()
        ]
        folder.write_moment(moment, p_vectors, rows)
    if test is not None:
        write_run(folder.path / "test", *test, **info)
    return kp.open_run(path)
