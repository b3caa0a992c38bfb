"""Small run folders made of random features, as a logger would leave them behind."""

import dataclasses

import numpy as np

import keras_pvec as kp
from keras_pvec.comparison import describe
from keras_pvec.runs import LoggedWith, RunFolder, log_row

N = 200
MOMENTS = [(-1, 0), (0, 10), (1, 20)]


def features(rng, share=0.3):
    """Features along the constant vector and along one direction of the samples."""
    direction = np.linspace(-1, 1, N)
    x = np.outer(1 + share * direction, rng.random(20) + 0.5)
    return x + 0.05 * rng.standard_normal(x.shape)


def p_vectors_of_features(rng, count):
    samples = kp.SampleSet(rng.random((N, 3)).astype("float32"), name="random")
    return [
        kp.p_vector(features(rng), layer="features", samples=samples, k=2)
        for _ in range(count)
    ]


def write_run(path, p_vectors, references, layers=("features",), complete=True):
    """A run folder with one P-vector at each of `MOMENTS`, stored for every layer."""
    folder = RunFolder(path)
    settings = LoggedWith(
        layers=layers,
        references=tuple(references),
        samples_name=p_vectors[0].samples_name,
        complete=complete,
    )
    folder.update_info(logged_with=settings)
    for moment, p in zip(MOMENTS, p_vectors, strict=True):
        stored = {layer: dataclasses.replace(p, layer=layer) for layer in layers}
        rows = [
            log_row(moment, of_layer, name, kp.compare(of_layer, reference))
            for of_layer in stored.values()
            for name, reference in references.items()
        ]
        if not references:
            rows = [log_row(moment, p, "", describe(p)) for p in stored.values()]
        folder.write_moment(moment, stored, rows)
        if moment[0] >= 0:
            folder.write_metrics(*moment, {"loss": 1.0})
    folder.write_samples(np.arange(N), {})
    return path
