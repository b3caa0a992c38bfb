"""What a reproduction tests, where its results go, and the results that it joins."""

from pathlib import Path

import pytest

from keras_pvec.reproduction.claims import CLAIMS, Cause, Obstacle, not_tested
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.imagenet import PretrainedConfig, run_imagenet
from keras_pvec.reproduction.pretrained import WeightsUnavailableError
from keras_pvec.reproduction.reproduce import join_results
from keras_pvec.reproduction.reproduction_config import ReproductionConfig
from keras_pvec.reproduction.studies import STUDIES, Findings


def test_only_the_studies_of_the_claims_asked_for():
    assert ReproductionConfig().studies == list(STUDIES.values())
    some = ReproductionConfig(only=("C4", "C9"))
    assert [s.name for s in some.studies] == ["first_epoch", "singular_vectors"]
    assert not some.tests("C13")
    assert ReproductionConfig(only=("C13",)).studies == []


@pytest.mark.parametrize(
    ("datasets", "out_dir", "folders", "report"),
    [
        (None, None, ["results/mnist"], "results/mnist"),
        (None, "out", ["out"], "out"),
        (("digits",), None, ["results/digits"], "results/digits"),
        (
            ("digits", "cifar10"),
            None,
            ["results/digits", "results/cifar10"],
            "results",
        ),
        (("digits", "cifar10"), "out", ["out/digits", "out/cifar10"], "out"),
    ],
    ids=str,
)
def test_data_sets_do_not_overwrite_each_other(datasets, out_dir, folders, report):
    experiment = ExperimentConfig(dataset="mnist", out_dir=out_dir)
    config = ReproductionConfig(experiment, datasets=datasets)
    found = config.experiments
    assert [e.dataset for e in found] == list(datasets or ["mnist"])
    assert [e.results_dir for e in found] == [Path(folder) for folder in folders]
    assert config.results_dir == Path(report)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"only": ("C99",)}, "C13"),
        ({"only": ()}, "only"),
        ({"datasets": ("imagenet",)}, "cifar100"),
        ({"datasets": "digits"}, "digits"),
    ],
    ids=str,
)
def test_unknown_claims_and_data_sets(settings, named):
    with pytest.raises(ConfigError, match=named):
        ReproductionConfig(**settings)


def test_results_hold_every_claim_of_the_studies_in_order():
    study = STUDIES["convergence"]
    few = Obstacle(Cause.TOO_FEW_NETWORKS, needed=2)
    found = tuple(not_tested(claim, few) for claim in study.claims)
    causes = {"generalization": Cause.STUDY_FAILED}
    joined = join_results(
        {study: Findings({}, {}, found)},
        lambda study: causes.get(study.name, Cause.NOT_SELECTED),
    )
    assert [r.claim for r in joined] == [claim for claim in CLAIMS if claim != "C13"]
    by_claim = {result.claim: result.obstacle for result in joined}
    assert by_claim["C2"] == few
    assert by_claim["C10"] == Obstacle(Cause.STUDY_FAILED)
    assert by_claim["C6b"] == Obstacle(Cause.NOT_SELECTED)


def test_c6_stands_for_both_of_its_parts():
    config = ReproductionConfig(only=("C6",))
    assert [s.name for s in config.studies] == ["first_epoch", "data_angle"]


@pytest.mark.parametrize(
    ("settings", "kind", "named"),
    [
        ({"networks": ("LeNet",)}, ConfigError, "LeNet"),
        ({"images": "nowhere"}, ConfigError, "nowhere"),
        ({"weights": "nowhere"}, WeightsUnavailableError, "nowhere"),
    ],
    ids=str,
)
def test_mistakes_about_pretrained_networks_leave_nothing(
    settings, kind, named, tmp_path
):
    config = PretrainedConfig(**settings, num_images=4, out_dir=tmp_path / "out")
    with pytest.raises(kind, match=named):
        run_imagenet(config)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"networks": ()}, "networks"),
        ({"networks": "MobileNet"}, "MobileNet"),
        ({"num_images": 1}, "num_images"),
        ({"device": "tpu"}, "tpu"),
    ],
    ids=str,
)
def test_settings_of_pretrained_networks_are_checked(settings, named):
    with pytest.raises(ConfigError, match=named):
        PretrainedConfig(**settings)
