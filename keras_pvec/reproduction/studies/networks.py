"""Studies that compare networks with each other."""

from __future__ import annotations

import dataclasses
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
    tables |= _pair_tables(pairs, untrained_pairs)
    if options.with_figures:
        drawn |= _pair_figures(pairs, tables, heading, title, options.images)
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


@dataclasses.dataclass(frozen=True)
class PretrainedNetworks:
    """P-vectors of pretrained networks on the same images.

    Attributes:
        p_vectors: By name of the network.
        architectures: By name of the network, also of the untrained ones.
        random_weights: Whether the networks were not trained, in which case the claim
            is not tested.
        untrained: P-vectors of networks of the same architectures with random weights,
            by names of their own.
        statistics: Brightness and contrast of the images, as `SampleSet.statistics`
            returns them.
        accuracies: Accuracies on the images by name of the network, such as
            `{"top1": 0.7, "top5": 0.9}`, where they are known.
        layers: By name of the depth: P-vectors of these networks, and of the untrained
            ones, at further layers, with the features.
    """

    p_vectors: Mapping[str, PVector]
    architectures: Mapping[str, str]
    random_weights: bool = False
    untrained: Mapping[str, PVector] = dataclasses.field(default_factory=dict)
    statistics: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    accuracies: Mapping[str, Mapping[str, float]] = dataclasses.field(
        default_factory=dict
    )
    layers: Mapping[str, tuple[Mapping[str, PVector], Mapping[str, PVector]]] = (
        dataclasses.field(default_factory=dict)
    )

    def centred(self) -> PretrainedNetworks:
        """The same networks with column-centred features; those without a determined
        P-vector are left out."""
        return dataclasses.replace(
            self,
            p_vectors=_centred(self.p_vectors),
            untrained=_centred(self.untrained),
        )


def pretrained(networks: PretrainedNetworks, title: str) -> Findings:
    """Do pretrained networks have small angles to each other?

    Args:
        networks: The networks, all on the same images.
        title: What the images are, for the figures.
    """
    pairs, untrained = _pretrained_pairs(networks)
    centred_pairs = _pretrained_pairs(networks.centred())
    results = [
        claims.rate_c13(*tables, reading, random_weights=networks.random_weights)
        for tables, reading in (
            ((pairs, untrained), Reading()),
            (centred_pairs, Reading(centring=Centring.COLUMNS)),
        )
    ]
    heading = "Angle between keras.applications networks"
    tables = _pair_tables(pairs, untrained)
    drawn = _pair_figures(pairs, tables, heading, title, images=None)
    if networks.accuracies:
        tables["accuracies"] = _accuracy_table(networks)
    if len(networks.layers) > 1:
        tables["null_ladder_by_layer"] = _ladder_by_layer(networks)
    return Findings(tables, drawn, tuple(results[:1]), tuple(results))


def _accuracy_table(networks: PretrainedNetworks) -> pd.DataFrame:
    """One row per network whose accuracy is known."""
    return pd.DataFrame(
        {
            "run": name,
            "n_samples": p.n_samples,
            **networks.accuracies[name],
        }
        for name, p in networks.p_vectors.items()
        if name in networks.accuracies
    )


def _ladder_by_layer(networks: PretrainedNetworks) -> pd.DataFrame:
    """The ladder of nulls of each pair at each depth, literally and mean-centred."""
    tables = []
    for depth, (p_vectors, untrained) in networks.layers.items():
        at_depth = dataclasses.replace(
            networks, p_vectors=p_vectors, untrained=untrained
        )
        for centring, shown in (
            (Centring.NONE, at_depth),
            (Centring.COLUMNS, at_depth.centred()),
        ):
            pairs, untrained_pairs = _pretrained_pairs(shown)
            if not pairs.empty:
                table = analysis.null_ladder_table(pairs, untrained_pairs)
                named = {"layer": depth, "centring": centring.value}
                tables.append(table.assign(**named))
    return pd.concat(tables, ignore_index=True)


def _pretrained_pairs(
    networks: PretrainedNetworks,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs of the networks with their ladder, and of the untrained ones."""
    groups = networks.architectures
    pairs = analysis.pairwise_angles(networks.p_vectors, groups)
    if not pairs.empty:
        pairs = analysis.with_ladder(pairs, networks.p_vectors, networks.statistics)
    return pairs, analysis.pairwise_angles(networks.untrained, groups)


def _centred(p_vectors: Mapping[str, PVector]) -> dict[str, PVector]:
    under = {name: centred(p) for name, p in p_vectors.items()}
    return {name: p for name, p in under.items() if p is not None}


def _pair_tables(
    pairs: pd.DataFrame, untrained: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Tables of networks that were compared with each other."""
    tables = {"angle_matrix": pairs.drop(columns=analysis.DETAILS)}
    if not pairs.empty:
        tables["null_ladder"] = analysis.null_ladder_table(pairs, untrained)
        tables["measures"] = pairs[analysis.MEASURES]
        tables["influential_samples"] = analysis.influential_samples(pairs)
    return tables


def _pair_figures(
    pairs: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    heading: str,
    title: str,
    images: np.ndarray | None,
) -> dict[str, Figure]:
    """Figures of networks that were compared with each other."""
    if pairs.empty:
        return {}
    drawn = {
        "angle_matrix": figures.angle_matrix_figure(pairs, f"{heading}: {title}"),
        "null_ladder": figures.null_ladder_figure(tables["null_ladder"], title),
        "measures": figures.measures_figure(pairs, title),
    }
    influential = tables["influential_samples"]
    if images is not None and not influential.empty:
        drawn["influential_samples"] = figures.influential_samples_figure(
            influential, images, title
        )
    return drawn
