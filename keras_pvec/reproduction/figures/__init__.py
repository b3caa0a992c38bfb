"""Figures of the tables of `analysis`. Each angle is shown with its null."""

from keras_pvec.reproduction.figures.depth import angle_by_block_figure
from keras_pvec.reproduction.figures.distributions import (
    densities_figure,
    drift_figure,
    histograms_figure,
)
from keras_pvec.reproduction.figures.generalization import (
    generalization_figure,
    rank_correlations_figure,
)
from keras_pvec.reproduction.figures.ladder import null_ladder_figure
from keras_pvec.reproduction.figures.look import save_figure
from keras_pvec.reproduction.figures.pairs import (
    angle_matrix_figure,
    influential_samples_figure,
    measures_figure,
)
from keras_pvec.reproduction.figures.reading_labels import (
    factor_label,
    level_label,
    quantity_label,
)
from keras_pvec.reproduction.figures.specification import (
    overview_figure,
    specification_figure,
)
from keras_pvec.reproduction.figures.spectra import (
    explained_variance_figure,
    singular_vectors_figure,
)
from keras_pvec.reproduction.figures.trajectories import (
    angle_to_data_figure,
    angle_to_final_figure,
    angle_to_untrained_figure,
    first_epoch_figure,
    references_figure,
)
from keras_pvec.reproduction.figures.verdicts import VERDICT_STYLES

__all__ = [
    "VERDICT_STYLES",
    "angle_by_block_figure",
    "angle_matrix_figure",
    "angle_to_data_figure",
    "angle_to_final_figure",
    "angle_to_untrained_figure",
    "densities_figure",
    "drift_figure",
    "explained_variance_figure",
    "factor_label",
    "first_epoch_figure",
    "generalization_figure",
    "histograms_figure",
    "influential_samples_figure",
    "level_label",
    "measures_figure",
    "null_ladder_figure",
    "overview_figure",
    "quantity_label",
    "rank_correlations_figure",
    "references_figure",
    "save_figure",
    "singular_vectors_figure",
    "specification_figure",
]
