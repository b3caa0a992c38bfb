"""Columns of all tables of this package: their names, units and meanings.

A constant holds the name of a column and is named after it: `ANGLE_DEG` is
`"angle_deg"`. `COLUMNS` documents each of them; `layouts` lists the columns of each
table. Angles are in degrees: 0 = same, 90 = unrelated.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """What a column holds.

    Attributes:
        name: Name of the column.
        unit: Unit of its values; `""` for names, counts and pure numbers.
        meaning: What its values are.
    """

    name: str
    unit: str
    meaning: str


COLUMNS: dict[str, Column] = {}

_DEG = "degrees"


def _column(name: str, meaning: str, unit: str = "") -> str:
    COLUMNS[name] = Column(name, unit, meaning)
    return name


# Which run, and when.
RUN = _column("run", "Label of the run, e.g. 'resnet18, seed 0'.")
MODEL = _column("model", "Name of the model.")
SEED = _column("seed", "Seed of the run.")
EPOCH = _column("epoch", "Counted from 0; -1 is before training.")
STEP = _column("step", "Training steps (batches) done since training began.")
WELL_TRAINED = _column(
    "well_trained",
    "Whether the run is well trained; empty where that is not known.",
)
LAYER = _column("layer", "Name of the layer.")
REFERENCE = _column("reference", "What the P-vector is compared with.")
SPLIT = _column("split", "Split of the samples, 'train' or 'test'.")

# A comparison: the columns of `log.csv`.
N_SAMPLES = _column("n_samples", "Number of samples.")
N_FEATURES = _column("n_features", "Number of features.")
ANGLE_DEG = _column("angle_deg", "Angle between the P-vectors.", _DEG)
ANGLE_ERROR_DEG = _column("angle_error_deg", "Numerical error of the angle.", _DEG)
CENTERED_ANGLE_DEG = _column(
    "centered_angle_deg", "Angle after the features are mean-centred.", _DEG
)
NULL_ANGLE_DEG = _column(
    "null_angle_deg", "Angle of the mean cosine under the permutation null.", _DEG
)
Z = _column(
    "z",
    "Number of standard deviations of the permutation null by which the absolute "
    "cosine exceeds the absolute mean.",
)
COS_ONES = _column("cos_ones", "Cosine of the P-vector to the constant vector.")
COS_ONES_REFERENCE = _column("cos_ones_reference", "The same for the reference.")
SIGMA1 = _column("sigma1", "Largest singular value.", "units of the features")
SIGMA2_OVER_SIGMA1 = _column(
    "sigma2_over_sigma1", "Second singular value over the first."
)
ENERGY1 = _column("energy1", "Share of ||X||_F^2 in the first direction.")
PARTICIPATION = _column(
    "participation", "Effective number of samples in the vector, 1 / sum(u_i^4)."
)
SAMPLES_SHA256 = _column("samples_sha256", "Fingerprint of the samples.")
NULL_LOW_DEG = _column(
    "null_low_deg", "Lower end of the 95% band of the permutation null.", _DEG
)
NULL_HIGH_DEG = _column("null_high_deg", "Upper end of that band.", _DEG)

# The peak within the first epoch, of the angle and of its null.
N_STEPS = _column("n_steps", "Last logged step of the first epoch, 391 or earlier.")
N_MOMENTS = _column("n_moments", "Number of logged moments of the first epoch.")
START_DEG = _column("start_deg", "Angle before training.", _DEG)
PEAK_DEG = _column("peak_deg", "Largest angle within the first epoch.", _DEG)
PEAK_STEP = _column("peak_step", "Step of the largest angle.")
END_DEG = _column("end_deg", "Angle at the end of the first epoch.", _DEG)
RISE_DEG = _column("rise_deg", "Peak minus start.", _DEG)
FALL_DEG = _column("fall_deg", "Peak minus end.", _DEG)
NOISE_DEG = _column(
    "noise_deg",
    "Noise of the angle from moment to moment: median absolute difference of "
    "neighbours / 0.6745 / sqrt(2).",
    _DEG,
)
NULL_NOISE_DEG = _column("null_noise_deg", "`noise_deg` of the null angle.", _DEG)
NULL_START_DEG = _column("null_start_deg", "`start_deg` of the null angle.", _DEG)
NULL_PEAK_DEG = _column("null_peak_deg", "`peak_deg` of the null angle.", _DEG)
NULL_PEAK_STEP = _column("null_peak_step", "`peak_step` of the null angle.")
NULL_END_DEG = _column("null_end_deg", "`end_deg` of the null angle.", _DEG)
NULL_RISE_DEG = _column("null_rise_deg", "`rise_deg` of the null angle.", _DEG)
NULL_FALL_DEG = _column("null_fall_deg", "`fall_deg` of the null angle.", _DEG)

# A pair of networks, compared in detail.
OTHER = _column("other", "Label of the other run of a pair.")
GROUP = _column("group", "Group of the run: its model.")
OTHER_GROUP = _column("other_group", "Group of the other run.")
OTHER_WELL_TRAINED = _column("other_well_trained", "Whether the other run is.")
WITHIN_CLASS_NULL_DEG = _column(
    "within_class_null_deg", "Median angle with samples permuted within classes.", _DEG
)
IMAGE_STATISTICS_NULL_DEG = _column(
    "image_statistics_null_deg",
    "Angle of what brightness and contrast of the images explain of the P-vectors, "
    "the rest taken as unrelated.",
    _DEG,
)
PERMUTATION_P = _column("permutation_p", "p-value of the angle with samples permuted.")
WITHIN_CLASS_P = _column("within_class_p", "The same, permuted within classes.")
IMAGE_STATISTICS_P = _column(
    "image_statistics_p",
    "The same of the partial correlation given brightness and contrast.",
)
PARTIAL_CORRELATION = _column(
    "partial_correlation",
    "Absolute correlation of the P-vectors given brightness and contrast.",
)
NULL_PARTIAL_CORRELATION = _column(
    "null_partial_correlation", "Its 95% quantile with samples permuted."
)
UNTRAINED_ANGLE_DEG = _column(
    "untrained_angle_deg",
    "Median angle of untrained pairs of the same groups.",
    _DEG,
)
TRIMMED_ANGLE_DEG = _column(
    "trimmed_angle_deg", "Angle without the most influential samples.", _DEG
)
TRIMMED_NULL_ANGLE_DEG = _column("trimmed_null_angle_deg", "Its null angle.", _DEG)
INFLUENTIAL_SAMPLES = _column(
    "influential_samples",
    "The 1% of the samples that change the angle most when left out; indices.",
)
ROW_NORMALISED_ANGLE_DEG = _column(
    "row_normalised_angle_deg",
    "Angle after each sample's features are scaled to unit length.",
    _DEG,
)
ROW_NORMALISED_NULL_ANGLE_DEG = _column(
    "row_normalised_null_angle_deg", "Its null angle.", _DEG
)
STORED_ENERGY = _column(
    "stored_energy", "Share of ||X||_F^2 in the stored vectors; the smaller of the two."
)
LARGEST_PRINCIPAL_ANGLE_DEG = _column(
    "largest_principal_angle_deg",
    "Largest principal angle between the spans of all stored vectors.",
    _DEG,
)
SAMPLE = _column("sample", "Index of a sample.")
RANK = _column("rank", "Rank of its influence on the angle of the pair; 1 = most.")

# Depth.
BLOCK = _column("block", "Index of the block, counted from 1 at the input.")

# The spectrum.
INDEX = _column("index", "Index of the singular vector; 1 is the P-vector.")
SUBSPACE_ANGLE_DEG = _column(
    "subspace_angle_deg",
    "Largest principal angle between the spans of the first `index` vectors.",
    _DEG,
)
BEST_MATCH_ANGLE_DEG = _column(
    "best_match_angle_deg",
    "Smallest angle of the vector to any stored one of the other network.",
    _DEG,
)
K = _column("k", "Number of singular triplets.")
EXPLAINED = _column("explained", "Share of ||X||_F^2 in the first k directions.")
ERROR = _column(
    "error",
    "E_k = ||X - U_k S_k V_k^T||_F^2, the energy of the other directions.",
    "squared units of the features",
)
ERROR_SHARE = _column("error_share", "E_k / ||X||_F^2.")
PCA_SHARE = _column(
    "pca_share",
    "Share of the total column variance in the first principal component; empty in "
    "runs of earlier versions.",
)
SCORE_VARIANCE_SHARE = _column(
    "score_variance_share",
    "Variance of the scores on the first singular direction, uncentred, over the total "
    "column variance; empty in runs of earlier versions.",
)
CONSTANT_SHARE = _column(
    "constant_share", "Lower bound on the share of ||X||_F^2 along the constant vector."
)

# The entries of a P-vector, scaled to mean square 1: sqrt(n_samples) * u_i.
VALUE = _column("value", "A scaled entry, where the density is evaluated.")
LEFT = _column("left", "Left edge of a bin of scaled entries.")
RIGHT = _column("right", "Right edge of that bin.")
SHARE = _column(
    "share", "Share of the samples in the bin; the end bins include all beyond them."
)
DENSITY = _column(
    "density", "Kernel density estimate; empty where all entries are equal."
)
DISTANCE = _column(
    "distance", "Wasserstein distance of the scaled entries to the last epoch."
)
MEAN = _column("mean", "Mean of the scaled entries.")
STD = _column("std", "Standard deviation of the scaled entries.")
SKEWNESS = _column("skewness", "Skewness of the entries; empty where all are equal.")

# Generalization.
VARIANT = _column("variant", "'base', or '<factor>=<level>': how the run was varied.")
FACTOR = _column("factor", "Which factor was varied; 'base' for none.")
TRAIN_ACCURACY = _column("train_accuracy", "Accuracy on the training images.")
TEST_ACCURACY = _column("test_accuracy", "Accuracy on the test images.")
GAP = _column("gap", "Generalization gap: training minus test accuracy.")
TRAIN_LOSS = _column("train_loss", "Loss on the training images.")
TEST_LOSS = _column("test_loss", "Loss on the test images.")
N_PARAMETERS = _column("n_parameters", "Number of trainable parameters.")
N_SEEDS = _column("n_seeds", "Number of seeds that a mean is taken over.")
TARGET = _column("target", "Column that the predictor is correlated with.")
PREDICTOR = _column("predictor", "Column that predicts generalization.")
TAU = _column("tau", "Kendall's tau; within a factor, its mean over groups.")
LOW = _column("low", "Lower end of its 95% interval.")
HIGH = _column("high", "Upper end of its 95% interval.")
N = _column("n", "Number of models, or of groups within a factor.")

# Special values of these columns.
BEFORE_TRAINING = -1  # EPOCH
FINAL = "final"  # REFERENCE: the run's own last epoch
DATA = "data"  # REFERENCE: the raw data, as pixels in [0, 1]
INPUT = "input"  # REFERENCE: the raw data, standardized
UNTRAINED = "untrained"  # REFERENCE: the same network with other initial weights
TRAIN = "train"  # SPLIT
TEST = "test"  # SPLIT
BASE = "base"  # FACTOR: nothing was varied
ALL_MODELS = "all"  # FACTOR: over all models
