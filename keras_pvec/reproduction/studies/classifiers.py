"""The study of many variants of a classifier."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction import analysis, claims, figures
from keras_pvec.reproduction.record import LoggedRun, TrainingRecord
from keras_pvec.reproduction.studies.study import Findings, Options


def generalization(runs: Sequence[LoggedRun], options: Options) -> Findings:
    """Does the angle to the raw data correlate with generalization?"""
    variants = [TrainingRecord.of(run).variant for run in runs]
    matrix, title = options.data_matrix, options.title
    models = analysis.generalization(runs, variants, options.split, matrix)
    means = analysis.over_seeds(models)
    accuracy = analysis.rank_correlations(means, "test_accuracy")
    gap = analysis.rank_correlations(means, "gap")
    correlations = pd.concat([accuracy, gap], ignore_index=True)
    drawn = {}
    if options.with_figures:
        drawn = {
            "generalization": figures.generalization_figure(models, matrix, title),
            "rank_correlations": figures.rank_correlations_figure(correlations, title),
        }
    return Findings(
        {"generalization": models, "rank_correlations": correlations},
        drawn,
        (
            claims.rate_c10(means, options.reading_of("C10")),
            claims.rate_c11(means, options.reading_of("C11")),
        ),
    )
