"""Layouts of the tables of this package: which columns each has, in order."""

from __future__ import annotations

from typing import NamedTuple

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.runs import LOG_COLUMNS


class Table(NamedTuple):
    """The layout of a table.

    Attributes:
        row: What one row stands for.
        columns: Names of its columns, in order.
    """

    row: str
    columns: tuple[str, ...]


# Groups of columns.
_IDENTITY = (col.RUN, col.MODEL, col.SEED, col.WELL_TRAINED)
_PAIR = (col.RUN, col.OTHER, col.GROUP, col.OTHER_GROUP)
_COMPARISON = (  # the fields of keras_pvec.comparison.Comparison
    *(
        col.N_SAMPLES,
        col.N_FEATURES,
        col.ANGLE_DEG,
        col.ANGLE_ERROR_DEG,
        col.CENTERED_ANGLE_DEG,
    ),
    *(col.NULL_ANGLE_DEG, col.Z, col.COS_ONES, col.COS_ONES_REFERENCE),
    *(col.SIGMA1, col.SIGMA2_OVER_SIGMA1, col.ENERGY1, col.PARTICIPATION),
)
_NULL_BAND = (col.NULL_LOW_DEG, col.NULL_HIGH_DEG)
_QUALITY_OF_PAIR = (col.WELL_TRAINED, col.OTHER_WELL_TRAINED)
_LADDER = (
    *(col.WITHIN_CLASS_NULL_DEG, col.IMAGE_STATISTICS_NULL_DEG),
    *(col.PERMUTATION_P, col.WITHIN_CLASS_P, col.IMAGE_STATISTICS_P),
    *(col.PARTIAL_CORRELATION, col.NULL_PARTIAL_CORRELATION),
)
_SCORES = (
    *(col.TRAIN_ACCURACY, col.TEST_ACCURACY, col.GAP),
    *(col.TRAIN_LOSS, col.TEST_LOSS, col.N_PARAMETERS),
)
# Lists, since pandas takes a tuple for one label.
DETAILS = [  # what a detailed comparison of a pair adds to a comparison
    col.TRIMMED_ANGLE_DEG,
    col.TRIMMED_NULL_ANGLE_DEG,
    col.INFLUENTIAL_SAMPLES,
    col.ROW_NORMALISED_ANGLE_DEG,
    col.ROW_NORMALISED_NULL_ANGLE_DEG,
    col.LARGEST_PRINCIPAL_ANGLE_DEG,
    col.STORED_ENERGY,
]
MEASURES = [  # of the similarity of a pair
    *_PAIR,
    col.ANGLE_DEG,
    col.NULL_ANGLE_DEG,
    col.CENTERED_ANGLE_DEG,
    *(column for column in DETAILS if column != col.INFLUENTIAL_SAMPLES),
]

# The layout of each table, by the function that returns it.
_TRAJECTORY = Table("a run and epoch", (*_IDENTITY, *LOG_COLUMNS, *_NULL_BAND))
_PAIRWISE = (
    *(*_PAIR, *_COMPARISON),
    *(column for column in DETAILS if column != col.LARGEST_PRINCIPAL_ANGLE_DEG),
    *(col.LARGEST_PRINCIPAL_ANGLE_DEG, *_NULL_BAND),
)
TABLES: dict[str, Table] = {
    "angles_to_final": _TRAJECTORY,
    "angles_to_data": _TRAJECTORY,
    "angles_to_untrained": _TRAJECTORY,
    "angles_to_references": Table("a run, epoch and reference", _TRAJECTORY.columns),
    "first_epoch_angles": Table(
        "a run, split, reference and moment of the first epoch",
        (*_IDENTITY, *LOG_COLUMNS, col.SPLIT, *_NULL_BAND),
    ),
    "first_epoch_peaks": Table(
        "a run, split and reference",
        (
            *(*_IDENTITY, col.SPLIT, col.REFERENCE, col.N_STEPS, col.N_MOMENTS),
            *(
                col.START_DEG,
                col.PEAK_DEG,
                col.PEAK_STEP,
                col.END_DEG,
                col.RISE_DEG,
                col.FALL_DEG,
            ),
            *(col.NULL_START_DEG, col.NULL_PEAK_DEG, col.NULL_PEAK_STEP),
            *(col.NULL_END_DEG, col.NULL_RISE_DEG, col.NULL_FALL_DEG),
            *(col.NOISE_DEG, col.NULL_NOISE_DEG),
        ),
    ),
    "pairwise_angles": Table("an unordered pair of networks", _PAIRWISE),
    "angles_between": Table(
        "an unordered pair of runs", (*_PAIRWISE, *_QUALITY_OF_PAIR, *_LADDER)
    ),
    "untrained_pairs": Table(
        "an unordered pair of runs", (*_PAIR, *_COMPARISON, *_NULL_BAND)
    ),
    "null_ladder_table": Table(
        "an unordered pair of networks",
        (
            *(*_PAIR, col.ANGLE_DEG, col.NULL_ANGLE_DEG, *_LADDER),
            col.UNTRAINED_ANGLE_DEG,
        ),
    ),
    "singular_vectors_between": Table(
        "an unordered pair of runs and a singular vector",
        (
            *(*_PAIR, *_QUALITY_OF_PAIR, col.INDEX, *_COMPARISON),
            *(col.BEST_MATCH_ANGLE_DEG, col.SUBSPACE_ANGLE_DEG, *_NULL_BAND),
        ),
    ),
    "influential_samples": Table(
        "a pair of networks and a sample",
        (
            *(*_PAIR, col.ANGLE_DEG, col.NULL_ANGLE_DEG),
            *(col.TRIMMED_ANGLE_DEG, col.TRIMMED_NULL_ANGLE_DEG, col.SAMPLE, col.RANK),
        ),
    ),
    "angles_by_block": Table(
        "a run, epoch and block", (*_IDENTITY, *LOG_COLUMNS, col.BLOCK, *_NULL_BAND)
    ),
    "singular_vector_angles": Table(
        "a run, epoch and singular vector",
        (
            *(*_IDENTITY, col.EPOCH, col.INDEX, *_COMPARISON, col.SUBSPACE_ANGLE_DEG),
            *_NULL_BAND,
        ),
    ),
    "explained_variance": Table(
        "a run, epoch and number of singular triplets",
        (
            *_IDENTITY,
            col.EPOCH,
            col.K,
            col.EXPLAINED,
            col.ERROR,
            col.ERROR_SHARE,
            *(col.CONSTANT_SHARE, col.PCA_SHARE, col.SCORE_VARIANCE_SHARE),
        ),
    ),
    "value_histograms": Table(
        "a run, epoch and bin", (*_IDENTITY, col.EPOCH, col.LEFT, col.RIGHT, col.SHARE)
    ),
    "value_densities": Table(
        "a run, epoch and value", (*_IDENTITY, col.EPOCH, col.VALUE, col.DENSITY)
    ),
    "value_drift": Table(
        "a run and epoch",
        (*_IDENTITY, col.EPOCH, col.DISTANCE, col.MEAN, col.STD, col.SKEWNESS),
    ),
    "generalization": Table(
        "a run",
        (*_IDENTITY, *LOG_COLUMNS, col.VARIANT, col.FACTOR, *_SCORES, *_NULL_BAND),
    ),
    "over_seeds": Table(
        "a model and variant",
        (
            *(
                col.MODEL,
                col.VARIANT,
                col.FACTOR,
                col.EPOCH,
                col.STEP,
                *_COMPARISON,
                *_SCORES,
            ),
            *(*_NULL_BAND, col.N_SEEDS),
        ),
    ),
    "rank_correlations": Table(
        "a target, predictor and factor",
        (col.TARGET, col.PREDICTOR, col.FACTOR, col.TAU, col.LOW, col.HIGH, col.N),
    ),
}
