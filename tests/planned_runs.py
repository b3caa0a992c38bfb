"""Finished runs of an experiment, made up instead of trained."""

import numpy as np

import keras_pvec as kp
from keras_pvec.reproduction.data import SPLITS
from keras_pvec.runs import LoggedWith, Moment, RunFolder, log_row

STEPS = 3  # per epoch
LAYERS = ("features", "block_1", "block_2")
REFERENCES = ("data", "input", "untrained")


def write_planned_run(job):
    """The finished run of a job of a plan, with P-vectors of random features, which
    come closer to their end with every epoch."""
    settings = job.settings
    seed = sum(map(ord, f"{settings.model}{settings.variant}")) + settings.seed
    rng = np.random.default_rng(seed)
    data = job.data.load()
    for split in SPLITS:
        folder = RunFolder(job.path if split == "train" else job.path / split)
        folder.note(settings=settings.as_json())
        samples = data.samples(split, settings.num_samples[split])
        _write_split(folder, samples, settings, rng)
    evaluation = {split: {"accuracy": 0.9, "loss": 0.5} for split in SPLITS}
    RunFolder(job.path).note(
        status="finished",
        evaluation=evaluation,
        training_quality={"well_trained": True},
        n_parameters=1000,
        n_train=len(data.train),
        wall_time_s=1.5,
    )
    return kp.open_run(job.path)


def _write_split(folder, samples, settings, rng):
    n = len(samples)

    def features():
        return rng.standard_normal((n, 8)) + 1

    def p_vector(x, layer):
        return kp.p_vector(x, k=settings.k, layer=layer, samples=samples)

    ends = {layer: features() for layer in LAYERS}
    starts = {layer: features() for layer in LAYERS}
    references = {name: p_vector(features(), name) for name in REFERENCES}
    moments = [Moment(-1, 0)]
    moments += [Moment(e, STEPS * (e + 1)) for e in range(settings.epochs)]
    for moment in moments:
        share = (moment.epoch + 1) / settings.epochs
        stored = {
            layer: p_vector((1 - share) * starts[layer] + share * ends[layer], layer)
            for layer in LAYERS
        }
        rows = [
            log_row(moment, p, name, kp.compare(p, q))
            for p in stored.values()
            for name, q in references.items()
        ]
        folder.write_moment(moment, stored, rows)
        if moment.epoch >= 0:
            folder.write_metrics(*moment, {"loss": 1.0})
    folder.write_samples(samples.y, samples.statistics())
    folder.update_info(
        logged_with=LoggedWith(
            layers=LAYERS,
            references=REFERENCES,
            samples_name=samples.name,
            samples_sha256=samples.sha256,
            n_samples=n,
            k=settings.k,
            complete=True,
        )
    )
