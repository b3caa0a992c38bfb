"""Studies of what happens to one network's P-vectors as it is trained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction import analysis, claims, figures
from keras_pvec.reproduction.record import LoggedRun
from keras_pvec.reproduction.studies.study import Findings, Options


def first_epoch(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """What does the P-vector do, update by update, in the first epoch?"""
    angles = analysis.first_epoch_angles(runs, options.data_matrix)
    peaks = analysis.first_epoch_peaks(angles)
    drawn = {}
    if options.with_figures:
        drawn["first_epoch"] = figures.first_epoch_figure(angles, options.title)
    return Findings(
        {"first_epoch": angles, "peaks": peaks},
        drawn,
        (
            claims.rate_c4(peaks, options.reading_of("C4")),
            claims.rate_c6a(peaks, options.reading_of("C6a")),
        ),
    )


def data_angle(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """How does the angle to the raw data change over the epochs?"""
    runs = [run.on(options.split) for run in runs]
    angles = analysis.angles_to_data(runs, options.data_matrix)
    drawn = {}
    if options.with_figures:
        drawn["angle_to_data"] = figures.angle_to_data_figure(
            angles, options.data_matrix, options.title
        )
    result = claims.rate_c6b(angles, options.reading_of("C6b"))
    return Findings({"angle_to_data": angles}, drawn, (result,))


def layerwise(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """How does the angle to the raw data change with depth?"""
    runs = [run.on(options.split) for run in runs]
    angles = analysis.angles_by_block(runs, options.data_matrix)
    drawn = {}
    if options.with_figures and not angles.empty:
        drawn["angle_by_block"] = figures.angle_by_block_figure(
            angles, options.data_matrix, options.title
        )
    result = claims.rate_c7(angles, options.reading_of("C7"))
    return Findings({"angle_by_block": angles}, drawn, (result,))


def distribution(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """How are the P-vector's values distributed, and how does that drift?"""
    runs = [run.on(options.split) for run in runs]
    drift = analysis.value_drift(runs)
    tables, drawn = {"drift": drift}, {}
    if options.with_figures:
        histograms = pd.concat([analysis.value_histograms(run) for run in runs])
        densities = pd.concat([analysis.value_densities(run) for run in runs])
        tables |= {"histograms": histograms, "densities": densities}
        drawn = {
            "histograms": figures.histograms_figure(histograms, options.title),
            "densities": figures.densities_figure(densities, options.title),
            "drift": figures.drift_figure(drift, options.title),
        }
    result = claims.rate_c8(drift, options.reading_of("C8"))
    return Findings(tables, drawn, (result,))


def singular_vectors(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """Do other singular vectors converge, and how much does the first one explain?"""
    runs = [run.on(options.split) for run in runs]
    title = options.title
    angles = analysis.singular_vector_angles(runs)
    explained = analysis.explained_variance(runs)
    drawn = {}
    if options.with_figures:
        drawn = {
            "singular_vector_angles": figures.singular_vectors_figure(angles, title),
            "explained_variance": figures.explained_variance_figure(explained, title),
        }
    last = explained["epoch"] == explained.groupby("run")["epoch"].transform("max")
    return Findings(
        {
            "singular_vector_angles": angles,
            "explained_variance": explained,
            "table_2": explained[explained["k"] == 1].reset_index(drop=True),
            "table_3": explained[last].reset_index(drop=True),
        },
        drawn,
        (
            claims.rate_c9(
                angles,
                analysis.singular_vectors_between(runs),
                options.reading_of("C9"),
            ),
            claims.rate_c12(explained, options.reading_of("C12")),
        ),
    )
