"""The studies, by name."""

from keras_pvec.reproduction.studies.classifiers import generalization
from keras_pvec.reproduction.studies.networks import (
    REFERENCES,
    common_subspace,
    convergence,
)
from keras_pvec.reproduction.studies.study import Study
from keras_pvec.reproduction.studies.training import (
    data_angle,
    distribution,
    first_epoch,
    layerwise,
    singular_vectors,
)
from keras_pvec.reproduction.studies.variants import GENERALIZATION_VARIANTS

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            "convergence",
            ("mlp", "resnet18", "autoencoder"),
            convergence,
            every_model=True,
        ),
        Study("first_epoch", ("mlp", "resnet18"), first_epoch, every_model=True),
        Study(
            "common_subspace",
            ("mlp", "resnet18"),
            common_subspace,
            references=REFERENCES,
            every_model=True,
        ),
        Study(
            "data_angle",
            ("mlp", "resnet18", "autoencoder"),
            data_angle,
            every_model=True,
        ),
        Study("layerwise", ("resnet18",), layerwise),
        Study("distribution", ("resnet50", "wide_resnet"), distribution),
        Study("singular_vectors", ("resnet50",), singular_vectors),
        Study(
            "generalization",
            ("mlp", "resnet18", "vgg16"),
            generalization,
            variants=GENERALIZATION_VARIANTS,
            quick_models=("mlp", "mlp_256x1"),
        ),
    )
}
