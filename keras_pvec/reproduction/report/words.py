"""The words for what results hold."""

from __future__ import annotations

from keras_pvec.reproduction.claims import (
    Cause,
    Caveat,
    Quantity,
    RawData,
    Samples,
    Verdict,
)

HOW_TO_READ = (
    "Angles between P-vectors are in degrees: 0 is the same, 90 is unrelated. Features "
    "are not centred, so two networks can be close just because both P-vectors have a "
    "large component along the constant vector. The permutation null is what the same "
    "numbers would be after the samples of one side are permuted; the other nulls "
    "permute within classes, keep brightness and contrast of the images only, or "
    "compare untrained networks. Intervals come from resampling networks within "
    "their architecture, since pairs that share a network are not independent. A "
    "result is inconclusive where the units disagree and the interval of their share "
    "reaches from below the level of partly reproduced to that of reproduced. "
    "Verdicts are one for each claim, reading and dataset, without a correction for "
    "their number. Statements and criteria are this package's own wording of the "
    "paper's claims; the criteria are fixed in its code."
)

VERDICTS: dict[Verdict, str] = {
    Verdict.REPRODUCED: "the criterion is met, and no null meets it as well",
    Verdict.PARTLY_REPRODUCED: "half of the units or more meet the criterion, or "
    "a part of it is met",
    Verdict.NO_MORE_THAN_CHANCE: "the criterion is met, but a null meets it as well",
    Verdict.NOT_REPRODUCED: "the criterion is not met",
    Verdict.INCONCLUSIVE: "the interval holds both outcomes",
    Verdict.PRECONDITION_NOT_MET: "the networks are not well trained",
    Verdict.NOT_TESTED: "these runs say nothing about the claim",
    Verdict.DESCRIBED: "the paper shows it and so do we; there is nothing to rate",
}

QUANTITIES: dict[Quantity, str] = {
    Quantity.ANGLE: "angle",
    Quantity.UNTRAINED_ANGLE: "angle of untrained pairs of the same kinds",
    Quantity.CAP: "cap on the angle at the start (sum of the angles to the constant "
    "vector)",
    Quantity.CENTERED_ANGLE: "column-centred angle",
    Quantity.START_ANGLE: "angle at the start",
    Quantity.LATE_ANGLE: "largest angle in the last tenth of the epochs",
    Quantity.END_ANGLE: "angle after the last epoch",
    Quantity.DECREASE: "decrease from the largest angle",
    Quantity.RISE: "rise",
    Quantity.FALL: "fall",
    Quantity.NOISE: "noise from moment to moment",
    Quantity.PEAK_POSITION: "position of the peak (share of the epoch)",
    Quantity.ANGLE_TREND: "rank correlation of angle and epoch",
    Quantity.SLOPE_CHANGE: "change of the slope against the block",
    Quantity.EARLY_SLOPE: "slope in the first epoch (per block)",
    Quantity.LATE_SLOPE: "slope in the last epoch (per block)",
    Quantity.BLOCK_ORDER_P: "p-value under permuted blocks",
    Quantity.DISTANCE_TREND: "rank correlation of distance and epoch",
    Quantity.START_DISTANCE: "distance before training (values have mean square 1)",
    Quantity.FIRST_VECTOR_ANGLE: "angle of the first vector",
    Quantity.OTHER_VECTORS_ANGLE: "smallest angle of the other vectors",
    Quantity.BEST_MATCH_ANGLE: "angle to the best match of any index",
    Quantity.SPAN_ANGLE: "largest principal angle of the spans",
    Quantity.EXPLAINED: "smallest share of the energy after any epoch",
    Quantity.END_EXPLAINED: "share of the energy after the last epoch",
    Quantity.PCA_SHARE: "share of the column variance in the first principal "
    "component, last epoch",
    Quantity.SCORE_VARIANCE_SHARE: "variance of the uncentred scores over the column "
    "variance, last epoch",
    Quantity.KENDALL_TAU: "Kendall's tau",
    Quantity.PARTIAL_TAU: "partial tau given the null angle",
    Quantity.PEARSON_R: "Pearson's r",
    Quantity.PARTIAL_R: "partial r given the null angle",
    Quantity.PARTIAL_CORRELATION: "correlation given brightness and contrast",
    Quantity.NULL_PARTIAL_CORRELATION: "95% quantile of its permutation null",
    Quantity.DIFFERENCE: "stronger than this predictor by",
    Quantity.P_VALUE: "two-sided permutation p-value",
    Quantity.EXPONENT: "exponent",
}

CAVEATS: dict[Caveat, str] = {
    Caveat.OWN_END: "any path of shrinking steps approaches its own end",
    Caveat.ORDER_FREE: "there is no permutation null: a distribution does not depend "
    "on the order of the samples",
    Caveat.QUALITY_UNKNOWN: "it is not known of every network whether it is well "
    "trained",
    Caveat.FEW_NETWORKS: "all agree, but so few networks that the interval does not "
    "exclude less than half of others",
    Caveat.NULL_PARTLY_MEETS: "at least half meet the criterion under a null as well: "
    "the threshold tells them from it in part only",
    Caveat.NO_UNTRAINED_PAIRS: "some pairs have no untrained pairs of the same kinds, "
    "and are judged by the angle alone",
    Caveat.MULTIPLE_TESTS: "intervals of the differences are corrected for the number "
    "of predictors (Bonferroni); other intervals are not corrected",
}

SAMPLES: dict[Samples, str] = {
    Samples.TRAIN: "training samples",
    Samples.TEST: "test samples",
    Samples.BOTH: "training and test samples",
}

RAW_DATA: dict[RawData, str] = {
    RawData.PIXELS: "raw data are pixels in [0, 1]",
    RawData.STANDARDISED: "raw data are standardised pixels",
}

CAUSES: dict[Cause, str] = {
    Cause.TOO_FEW_NETWORKS: "needs {needed} networks or more, of different kinds",
    Cause.TOO_FEW_MOMENTS: "needs {needed} moments or more within the first epoch, has "
    "{found} (log them with --log_freq=first_epoch:1)",
    Cause.TOO_FEW_UPDATES: "needs {needed} updates or more in the first epoch, has "
    "{found}",
    Cause.TOO_FEW_SEEDS: "needs {needed} seeds, since a run is not compared with a "
    "reference of its own seed",
    Cause.CANNOT_BE_MET: "cannot be met under this reading: both vectors have a large "
    "component along the constant vector, which caps the angle at the start at "
    "{found} degrees, below {needed}",
    Cause.TOO_FEW_BLOCKS: "needs {needed} blocks or more, has {found}",
    Cause.TOO_FEW_VECTORS: "needs {needed} singular vectors or more, has {found}",
    Cause.TOO_FEW_MODELS: "needs {needed} models or more, has {found}",
    Cause.MODELS_ALIKE: "needs models that differ in angle and accuracy",
    Cause.MISSING_REFERENCES: "needs finished runs of {names}",
    Cause.RANDOM_WEIGHTS: "the networks have random weights",
    Cause.NOT_SELECTED: "left out by --only",
    Cause.NO_RUNS: "none of its runs is finished",
    Cause.NO_IMAGES: "needs --images and --weights",
    Cause.NO_WEIGHTS: "no weights are stored of {names}",
    Cause.NOT_APPLICABLE: "no such features in {names}",
    Cause.TOO_FEW_SAMPLES: "needs {needed} samples or more, has {found}",
    Cause.STUDY_FAILED: "its study failed",
}
