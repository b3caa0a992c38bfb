"""What a reproduction tests, where its results go, and its ledger of claims."""

from pathlib import Path

import pandas as pd
import pytest

from keras_pvec.reproduction import claims, ledger
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.imagenet import PretrainedConfig, run_imagenet
from keras_pvec.reproduction.pretrained import WeightsUnavailableError
from keras_pvec.reproduction.reproduce import ReproductionConfig
from keras_pvec.reproduction.studies import STUDIES, Findings


def test_every_claim_is_known_and_in_order():
    assert ledger.claim_ids() == tuple(f"C{i}" for i in range(1, 14))


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


def test_the_ledger_holds_every_claim_of_the_studies():
    study = STUDIES["convergence"]
    table = claims.as_table([claims.not_tested(c, "s", "r") for c in study.claims])
    joined = ledger.join_claims(
        {study: Findings({}, {}, table)}, lambda study: f"not {study.name}"
    )
    assert list(joined["claim"].unique()) == [f"C{i}" for i in range(1, 13)]
    found = joined[joined["study"] == "convergence"]
    assert tuple(found["claim"]) == study.claims
    others = joined[joined["study"] == ""]
    assert others["measured"].str.contains("not generalization").sum() == 2
    assert (others["verdict"] == claims.NOT_TESTED).all()


def test_every_claim_is_printed(capsys):
    table = ledger.untested_pretrained_claim("no images")
    ledger.print_claims(pd.concat([table, table.assign(claim="C5")]))
    printed = capsys.readouterr().out
    assert "C13" in printed
    assert "C5" in printed
    assert printed.count("no images") == 2


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
