"""Studies that compare networks with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_pvec.pvector import PVector
from keras_pvec.reproduction import analysis, claims, figures
from keras_pvec.reproduction.claims import Cause, Centring, Obstacle, Reading, Vectors
from keras_pvec.reproduction.readings import centred, with_span_angles
from keras_pvec.reproduction.record import LoggedRun, TrainingRecord
from keras_pvec.reproduction.studies.study import Findings, Options

# Architectures of a supervised, an unsupervised and a self-supervised network, as in
# the paper.
REFERENCES = ("wide_resnet", "autoencoder", "simclr")


def convergence(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """Do networks of one dataset converge to a common P-vector?"""
    runs = [run.on(options.split) for run in runs]
    title = options.title
    angles = analysis.angles_to_final(runs)
    untrained = analysis.angles_to_untrained(runs)
    pairs = analysis.angles_between(runs)
    untrained_pairs = analysis.untrained_pairs(runs)
    if options.factors.vectors is Vectors.SPAN:
        pairs = with_span_angles(pairs, analysis.p_vectors_at_the_end(runs))
        untrained_pairs = with_span_angles(
            untrained_pairs, analysis.p_vectors_before_training(runs)
        )
    tables = {"angle_to_final": angles, "angle_to_untrained": untrained}
    drawn = {}
    if options.with_figures:
        drawn["angle_to_final"] = figures.angle_to_final_figure(angles, title)
        if not untrained.empty:
            drawn["angle_to_untrained"] = figures.angle_to_untrained_figure(
                untrained, title
            )
    heading = "Angle between networks after their last epochs"
    tables |= _pair_tables(pairs)
    if options.with_figures:
        drawn |= _pair_figures(pairs, heading, title, options.images)
    return Findings(
        tables,
        drawn,
        (
            claims.rate_c1(pairs, untrained_pairs, options.reading_of("C1")),
            claims.rate_c2(angles, options.reading_of("C2")),
            claims.rate_c3(angles, pairs, options.reading_of("C3")),
        ),
    )


def common_subspace(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """Do all models converge to a supervised, an unsupervised and a self-supervised
    one?"""
    runs = [run.on(options.split) for run in runs]
    # The first seed of each; other seeds of a reference are models like any other.
    first_seeds = {TrainingRecord.of(run).architecture: run for run in reversed(runs)}
    missing = tuple(name for name in REFERENCES if name not in first_seeds)
    if missing:
        obstacle = Obstacle(Cause.MISSING_REFERENCES, names=missing)
        return Findings(
            {}, {}, (claims.not_tested("C5", obstacle, options.reading_of("C5")),)
        )
    references = [first_seeds[name] for name in REFERENCES]
    angles = analysis.angles_to_references(runs, references)
    drawn = {}
    if options.with_figures:
        drawn["angle_to_references"] = figures.references_figure(angles, options.title)
    return Findings(
        {"angle_to_references": angles},
        drawn,
        (claims.rate_c5(angles, options.reading_of("C5")),),
    )


def pretrained(
    p_vectors: Mapping[str, PVector],
    weights: str,
    title: str,
    centring: Centring = Centring.NONE,
) -> Findings:
    """Do pretrained networks have small angles to each other?

    Args:
        p_vectors: By name of the network, all on the same images.
        weights: The weights that were loaded; `"none"` for random ones, with which the
            claim is not tested.
        title: What the images are, for the figure.
        centring: Whether to compare the column-centred features.
    """
    if centring is Centring.COLUMNS:
        under = {name: centred(p) for name, p in p_vectors.items()}
        p_vectors = {name: p for name, p in under.items() if p is not None}
    pairs = analysis.pairwise_angles(p_vectors)
    reading = Reading(centring=centring)
    result = claims.rate_c13(pairs, weights == "none", reading)
    heading = "Angle between keras.applications networks"
    drawn = _pair_figures(pairs, heading, title, images=None)
    return Findings(_pair_tables(pairs), drawn, (result,))


def _pair_tables(pairs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables of networks that were compared with each other."""
    tables = {"angle_matrix": pairs.drop(columns=analysis.DETAILS)}
    if not pairs.empty:
        tables["measures"] = pairs[analysis.MEASURES]
        tables["influential_samples"] = analysis.influential_samples(pairs)
    return tables


def _pair_figures(
    pairs: pd.DataFrame, heading: str, title: str, images: np.ndarray | None
) -> dict[str, Figure]:
    """Figures of networks that were compared with each other."""
    if pairs.empty:
        return {}
    drawn = {
        "angle_matrix": figures.angle_matrix_figure(pairs, f"{heading}: {title}"),
        "measures": figures.measures_figure(pairs, title),
    }
    influential = analysis.influential_samples(pairs)
    if images is not None and not influential.empty:
        drawn["influential_samples"] = figures.influential_samples_figure(
            influential, images, title
        )
    return drawn
