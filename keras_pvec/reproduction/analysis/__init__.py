"""Tables of stored runs. Angles are in degrees: 0 = same, 90 = unrelated.

`schema` documents the columns, `layouts` lists those of each table. Neither TensorFlow
nor Keras is needed.
"""

from keras_pvec.reproduction.analysis.correlations import PREDICTORS, rank_correlations
from keras_pvec.reproduction.analysis.depth import angles_by_block, block_layers
from keras_pvec.reproduction.analysis.labels import model_of, run_label
from keras_pvec.reproduction.analysis.ladder import null_ladder_table, with_ladder
from keras_pvec.reproduction.analysis.layouts import DETAILS, MEASURES, TABLES, Table
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.reproduction.analysis.pairs import (
    angles_between,
    influential_samples,
    p_vectors_at_the_end,
    pairwise_angles,
)
from keras_pvec.reproduction.analysis.performance import generalization, over_seeds
from keras_pvec.reproduction.analysis.schema import BEFORE_TRAINING, COLUMNS, Column
from keras_pvec.reproduction.analysis.spectra import (
    explained_variance,
    singular_vector_angles,
    singular_vectors_between,
)
from keras_pvec.reproduction.analysis.trajectories import (
    angles_to_data,
    angles_to_final,
    angles_to_references,
    angles_to_untrained,
    first_epoch_angles,
    first_epoch_peaks,
)
from keras_pvec.reproduction.analysis.untrained import (
    p_vectors_before_training,
    untrained_pairs,
)
from keras_pvec.reproduction.analysis.values import (
    p_vector_values,
    value_densities,
    value_drift,
    value_histograms,
)

__all__ = [
    "BEFORE_TRAINING",
    "COLUMNS",
    "DETAILS",
    "MEASURES",
    "PREDICTORS",
    "TABLES",
    "Column",
    "Table",
    "angles_between",
    "angles_by_block",
    "angles_to_data",
    "angles_to_final",
    "angles_to_references",
    "angles_to_untrained",
    "block_layers",
    "explained_variance",
    "first_epoch_angles",
    "first_epoch_peaks",
    "generalization",
    "influential_samples",
    "model_of",
    "null_ladder_table",
    "over_seeds",
    "p_vector_values",
    "p_vectors_at_the_end",
    "p_vectors_before_training",
    "pairwise_angles",
    "rank_correlations",
    "run_label",
    "singular_vector_angles",
    "singular_vectors_between",
    "untrained_pairs",
    "value_densities",
    "value_drift",
    "value_histograms",
    "with_ladder",
    "with_null_band",
]
