"""The case studies: the runs that each needs, and what it makes of them.

A study reads stored runs only, and studies that need the same run share it. Nothing
here needs TensorFlow.
"""

from keras_pvec.reproduction.studies.networks import PretrainedNetworks, pretrained
from keras_pvec.reproduction.studies.readings import (
    analyse_reading,
    analyse_readings,
    measured_readings,
)
from keras_pvec.reproduction.studies.registry import STUDIES
from keras_pvec.reproduction.studies.study import (
    DATA_MATRICES,
    Findings,
    Options,
    Study,
)
from keras_pvec.reproduction.studies.variants import GENERALIZATION_VARIANTS, Variant

__all__ = [
    "DATA_MATRICES",
    "GENERALIZATION_VARIANTS",
    "STUDIES",
    "Findings",
    "Options",
    "PretrainedNetworks",
    "Study",
    "Variant",
    "analyse_reading",
    "analyse_readings",
    "measured_readings",
    "pretrained",
]
