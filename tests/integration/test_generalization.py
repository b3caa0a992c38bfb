"""The generalization study on enough models for an interval of their correlation."""

import pytest
from made_up_runs import write_variants

from keras_pvec.reproduction.claims import Null, Verdict
from keras_pvec.reproduction.studies import GENERALIZATION_VARIANTS, STUDIES, Options


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    runs = write_variants(tmp_path_factory.mktemp("variants"), 24)
    return STUDIES["generalization"].analyse(runs, Options("made up"))


def test_models_made_as_the_claims_say_reproduce_them(findings):
    c10, c11 = findings.claims
    assert c10.verdict is Verdict.REPRODUCED
    assert (c10.effects[0].n, c10.effects[0].estimate) == (24, pytest.approx(-1))
    # The made-up null angles follow the angles, and may relate to accuracy as well.
    assert c11.verdict in (Verdict.REPRODUCED, Verdict.NO_MORE_THAN_CHANCE)
    assert c11.effects[0].estimate == pytest.approx(-1, abs=0.01)
    assert c11.effects[-1].estimate == pytest.approx(-0.4, abs=0.02)
    assert c11.rung(Null.PERMUTATION) is not None


def test_correlations_with_accuracy_and_gap(findings):
    table = findings.tables["rank_correlations"]
    assert list(table["target"].unique()) == ["test_accuracy", "gap"]
    tau = table.set_index(["target", "predictor", "factor"])["tau"]
    # All train to the same accuracy, so that the gap mirrors that on test images.
    assert tau["test_accuracy", "angle_deg", "all"] == pytest.approx(-1)
    assert tau["gap", "angle_deg", "all"] == pytest.approx(1)
    factors = {v.name.partition("=")[0] for v in GENERALIZATION_VARIANTS} - {"base"}
    assert set(table["factor"]) == {"all", "model", *factors}
