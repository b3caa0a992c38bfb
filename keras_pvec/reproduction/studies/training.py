"""Studies of what happens to one network's P-vectors as it is trained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction import analysis, claims, figures
from keras_pvec.reproduction.claims import RawData, Reading, Samples
from keras_pvec.reproduction.record import LoggedRun
from keras_pvec.reproduction.studies.study import Findings, Options


def first_epoch(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """What does the P-vector do, update by update, in the first epoch?"""
    angles = analysis.first_epoch_angles(runs, options.data_matrix)
    peaks = analysis.first_epoch_peaks(angles)
    # The paper claims it of training samples.
    reading = Reading(Samples.TRAIN, RawData(options.data_matrix))
    return Findings(
        {"first_epoch": angles, "peaks": peaks},
        {"first_epoch": figures.first_epoch_figure(angles, options.title)},
        (claims.rate_c4(peaks), claims.rate_c6a(peaks, reading)),
    )


def data_angle(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """How does the angle to the raw data change over the epochs?"""
    runs = [run.on(options.split) for run in runs]
    angles = analysis.angles_to_data(runs, options.data_matrix)
    figure = figures.angle_to_data_figure(angles, options.data_matrix, options.title)
    return Findings(
        {"angle_to_data": angles},
        {"angle_to_data": figure},
        (claims.rate_c6b(angles, options.reading_with_data),),
    )


def layerwise(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """How does the angle to the raw data change with depth?"""
    runs = [run.on(options.split) for run in runs]
    angles = analysis.angles_by_block(runs, options.data_matrix)
    drawn = {}
    if not angles.empty:
        drawn["angle_by_block"] = figures.angle_by_block_figure(
            angles, options.data_matrix, options.title
        )
    result = claims.rate_c7(angles, options.reading_with_data)
    return Findings({"angle_by_block": angles}, drawn, (result,))


def distribution(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """How are the P-vector's values distributed, and how does that drift?"""
    runs = [run.on(options.split) for run in runs]
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
        (claims.rate_c8(drift, options.reading),),
    )


def singular_vectors(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """Do other singular vectors converge, and how much does the first one explain?"""
    runs = [run.on(options.split) for run in runs]
    title = options.title
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
            "singular_vector_angles": figures.singular_vectors_figure(angles, title),
            "explained_variance": figures.explained_variance_figure(explained, title),
        },
        (
            claims.rate_c9(angles, options.reading),
            claims.rate_c12(explained, options.reading),
        ),
    )
