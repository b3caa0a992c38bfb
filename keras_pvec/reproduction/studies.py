"""The case studies: which runs each needs, and what it makes of them.

A study reads stored runs only. Studies that need the same run share it. Nothing here
needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_pvec.pvector import PVector
from keras_pvec.reproduction import analysis, claims, figures
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import Run

DATA_MATRICES = ("data", "input")


@dataclasses.dataclass(frozen=True)
class Variant:
    """A run of the generalization study: how it differs from its architecture's base.

    Attributes:
        name: `"base"`, or `"<factor>=<level>"`.
        width: Factor on the width of the network.
        switch_augment: Whether to augment where the base does not, and the other way
            round.
        weight_decay: Instead of the base's.
        rate: Factor on the learning rate.
        label_noise: Share of the training labels that are wrong.
        train_share: Share of the training images that are used.
    """

    name: str
    width: float = 1.0
    switch_augment: bool = False
    weight_decay: float | None = None
    rate: float = 1.0
    label_noise: float = 0.0
    train_share: float = 1.0


# One factor at a time around the base of each architecture, so that models can be
# compared that differ in nothing else.
GENERALIZATION_VARIANTS: tuple[Variant, ...] = (
    Variant("base"),
    Variant("width=0.5", width=0.5),
    Variant("width=2", width=2.0),
    Variant("augment=switched", switch_augment=True),
    Variant("weight_decay=0.001", weight_decay=1e-3),
    Variant("weight_decay=0.005", weight_decay=5e-3),
    Variant("rate=0.2", rate=0.2),
    Variant("rate=3", rate=3.0),
    Variant("label_noise=0.2", label_noise=0.2),
    Variant("label_noise=0.5", label_noise=0.5),
    Variant("train_share=0.5", train_share=0.5),
    Variant("train_share=0.2", train_share=0.2),
)


@dataclasses.dataclass(frozen=True)
class Options:
    """What a study can be asked to do otherwise.

    Attributes:
        title: Data set and preset, for figures.
        split: Samples that are looked at, `"train"` or `"test"`.
        data_matrix: What "the raw data" are: `"data"` for pixels in [0, 1], `"input"`
            for the standardised ones that the networks work on.
        images: The samples of that split, shape `(n, height, width, channels)`, in
            [0, 1], to show those that matter; `None` to do without.
    """

    title: str
    split: str = "train"
    data_matrix: str = "data"
    images: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a study found. Each figure stands beside the table it was drawn from.

    Attributes:
        tables: By name of the file.
        figures: By name of the file, likewise.
        claims: As `claims.as_table` gives them.
    """

    tables: dict[str, pd.DataFrame]
    figures: dict[str, Figure]
    claims: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class Study:
    """A case study.

    Attributes:
        name: Name of its program and of its folder of results.
        claims: Ids of the claims that it tests.
        models: What it looks at if nothing else is asked for.
        analyse: Makes findings of finished runs.
        references: Models that are trained besides, whatever is looked at.
        variants: Each model is trained in each of these ways; one way if empty.
        quick_models: What it looks at on a data set that is there to try things on.
        every_model: Whether all the models of a reproduction are looked at.
    """

    name: str
    claims: tuple[str, ...]
    models: tuple[str, ...]
    analyse: Callable[[Sequence[Run], Options], Findings]
    references: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    quick_models: tuple[str, ...] = ()
    every_model: bool = False


def _on(runs: Sequence[Run], options: Options) -> list[Run]:
    return [run.on(options.split) for run in runs]


def convergence(runs: Sequence[Run], options: Options) -> Findings:
    """Do networks of one data set converge to a common P-vector?"""
    runs = _on(runs, options)
    title = options.title
    angles = analysis.angles_to_final(runs)
    untrained = analysis.angles_to_untrained(runs)
    pairs = analysis.angles_between(runs)
    tables = {"angle_to_final": angles, "angle_to_untrained": untrained}
    drawn = {"angle_to_final": figures.angle_to_final_figure(angles, title)}
    if not untrained.empty:
        drawn["angle_to_untrained"] = figures.angle_to_untrained_figure(
            untrained, title
        )
    heading = "Angle between networks after their last epochs"
    tables_of_pairs, drawn_of_pairs = _of_pairs(pairs, heading, title, options.images)
    return Findings(
        tables | tables_of_pairs,
        drawn | drawn_of_pairs,
        claims.as_table(
            [
                claims.small_angles(pairs, untrained=untrained),
                claims.starts_large_and_falls(angles),
                claims.ends_under_ten_degrees(angles),
            ]
        ),
    )


def _of_pairs(
    pairs: pd.DataFrame, heading: str, title: str, images: np.ndarray | None
) -> tuple[dict[str, pd.DataFrame], dict[str, Figure]]:
    """Tables and figures of networks that were compared with each other."""
    tables = {"angle_matrix": pairs.drop(columns=analysis.DETAILS)}
    drawn = {}
    if not pairs.empty:
        tables["measures"] = pairs[analysis.MEASURES]
        tables["influential_samples"] = analysis.influential_samples(pairs)
        drawn["angle_matrix"] = figures.angle_matrix_figure(
            pairs, f"{heading}: {title}"
        )
        drawn["measures"] = figures.measures_figure(pairs, title)
        if images is not None and not tables["influential_samples"].empty:
            drawn["influential_samples"] = figures.influential_samples_figure(
                tables["influential_samples"], images, title
            )
    return tables, drawn


def first_epoch(runs: Sequence[Run], options: Options) -> Findings:
    """What does the P-vector do, update by update, in the first epoch?"""
    angles = analysis.first_epoch_angles(runs, options.data_matrix)
    peaks = analysis.first_epoch_peaks(angles)
    return Findings(
        {"first_epoch": angles, "peaks": peaks},
        {"first_epoch": figures.first_epoch_figure(angles, options.title)},
        claims.as_table(
            [
                claims.first_epoch_peak(peaks, "final"),
                claims.first_epoch_peak(peaks, options.data_matrix),
            ]
        ),
    )


_REFERENCES = ("wide_resnet", "autoencoder", "simclr")


def common_subspace(runs: Sequence[Run], options: Options) -> Findings:
    """Do all models converge to a supervised, an unsupervised and a self-supervised
    one?"""
    runs = _on(runs, options)
    # Other seeds of a reference are models like any other.
    references = {analysis.model_of(run): run for run in reversed(runs)}
    references = [references[name] for name in _REFERENCES if name in references]
    if len(references) < len(_REFERENCES):
        statement = "Checkpoints of every model converge to those of three references."
        there = {analysis.model_of(run) for run in references}
        lacking = ", ".join(name for name in _REFERENCES if name not in there)
        claim = claims.not_tested("C5", statement, f"lacks references: {lacking}")
        return Findings({}, {}, claims.as_table([claim]))
    angles = analysis.angles_to_references(runs, references)
    return Findings(
        {"angle_to_references": angles},
        {"angle_to_references": figures.references_figure(angles, options.title)},
        claims.as_table([claims.common_subspace(angles)]),
    )


def data_angle(runs: Sequence[Run], options: Options) -> Findings:
    """How does the angle to the raw data go over the epochs?"""
    angles = analysis.angles_to_data(_on(runs, options), options.data_matrix)
    return Findings(
        {"angle_to_data": angles},
        {
            "angle_to_data": figures.angle_to_data_figure(
                angles, options.data_matrix, options.title
            )
        },
        claims.as_table([claims.falls_to_the_data(angles)]),
    )


def layerwise(runs: Sequence[Run], options: Options) -> Findings:
    """How does the angle to the raw data go with depth?"""
    angles = analysis.angles_by_block(_on(runs, options), options.data_matrix)
    drawn = {}
    if not angles.empty:
        drawn["angle_by_block"] = figures.angle_by_block_figure(
            angles, options.data_matrix, options.title
        )
    return Findings(
        {"angle_by_block": angles},
        drawn,
        claims.as_table([claims.turns_with_depth(angles)]),
    )


def distribution(runs: Sequence[Run], options: Options) -> Findings:
    """How are the P-vector's values distributed, and how does that drift?"""
    runs = _on(runs, options)
    drift = analysis.value_drift(runs)
    histograms = pd.concat([analysis.value_histograms(run) for run in runs])
    densities = pd.concat([analysis.value_densities(run) for run in runs])
    return Findings(
        {"histograms": histograms, "densities": densities, "drift": drift},
        {
            "histograms": figures.histograms_figure(histograms, options.title),
            "densities": figures.densities_figure(densities, options.title),
            "drift": figures.drift_figure(drift, options.title),
        },
        claims.as_table([claims.values_drift(drift)]),
    )


def singular_vectors(runs: Sequence[Run], options: Options) -> Findings:
    """Do other singular vectors converge, and how much does the first one explain?"""
    runs = _on(runs, options)
    angles = analysis.singular_vector_angles(runs)
    explained = analysis.explained_variance(runs)
    last = explained["epoch"] == explained.groupby("run")["epoch"].transform("max")
    return Findings(
        {
            "singular_vector_angles": angles,
            "explained_variance": explained,
            "table_2": explained[explained["k"] == 1].reset_index(drop=True),
            "table_3": explained[last].reset_index(drop=True),
        },
        {
            "singular_vector_angles": figures.singular_vectors_figure(
                angles, options.title
            ),
            "explained_variance": figures.explained_variance_figure(
                explained, options.title
            ),
        },
        claims.as_table(
            [
                claims.others_do_not_converge(angles),
                claims.explained_by_one(explained),
            ]
        ),
    )


def generalization(runs: Sequence[Run], options: Options) -> Findings:
    """Does the angle to the raw data go with generalization?"""
    variants = [TrainingRecord.of(run).variant for run in runs]
    models = analysis.generalization(runs, variants, options.split, options.data_matrix)
    means = analysis.over_seeds(models)
    accuracy = analysis.rank_correlations(means, "test_accuracy")
    gap = analysis.rank_correlations(means, "gap")
    correlations = pd.concat([accuracy, gap], ignore_index=True)
    return Findings(
        {"generalization": models, "rank_correlations": correlations},
        {
            "generalization": figures.generalization_figure(
                models, options.data_matrix, options.title
            ),
            "rank_correlations": figures.rank_correlations_figure(
                correlations, options.title
            ),
        },
        claims.as_table(
            [
                claims.goes_with_generalization(accuracy),
                claims.log_log_relation(means),
            ]
        ),
    )


def pretrained(p_vectors: Mapping[str, PVector], weights: str, title: str) -> Findings:
    """Do ready-trained networks have small angles to each other?

    Args:
        p_vectors: By name of the network, all on the same images.
        weights: What was loaded into them; `"none"` for random weights, of which the
            claim says nothing.
        title: What the images are, for the figure.
    """
    pairs = analysis.pairwise_angles(p_vectors)
    claim = claims.small_angles(pairs, "C13")
    if weights == "none":
        claim = dataclasses.replace(
            claim,
            measured=f"with random weights {claim.measured}",
            verdict=claims.NOT_TESTED,
        )
    heading = "Angle between keras.applications networks"
    tables, drawn = _of_pairs(pairs, heading, title, images=None)
    return Findings(tables, drawn, claims.as_table([claim]))


STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            "convergence",
            ("C1", "C2", "C3"),
            ("mlp", "resnet", "autoencoder"),
            convergence,
            every_model=True,
        ),
        Study(
            "first_epoch",
            ("C4", "C6"),
            ("mlp", "resnet"),
            first_epoch,
            every_model=True,
        ),
        Study(
            "common_subspace",
            ("C5",),
            ("mlp", "resnet"),
            common_subspace,
            references=_REFERENCES,
            every_model=True,
        ),
        Study(
            "data_angle",
            ("C6",),
            ("mlp", "resnet", "autoencoder"),
            data_angle,
            every_model=True,
        ),
        Study("layerwise", ("C7",), ("resnet",), layerwise),
        Study("distribution", ("C8",), ("resnet-50", "wide_resnet"), distribution),
        Study("singular_vectors", ("C9", "C12"), ("resnet-50",), singular_vectors),
        Study(
            "generalization",
            ("C10", "C11"),
            ("mlp", "resnet", "vgg"),
            generalization,
            variants=GENERALIZATION_VARIANTS,
            quick_models=("mlp", "mlp-256x1"),
        ),
    )
}
