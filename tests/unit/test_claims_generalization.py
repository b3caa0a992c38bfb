"""C10 and C11 on made-up models, and correlations within architectures."""

import numpy as np
import pandas as pd
import pytest
from claim_tables import VERDICTS, effect
from scipy import stats

from keras_pvec.reproduction import claims
from keras_pvec.reproduction.claims import (
    Cause,
    Caveat,
    Null,
    Obstacle,
    Quantity,
    Verdict,
)
from keras_pvec.reproduction.claims.stratified import (
    coefficient_estimate,
    kendall_tau,
    partial,
    pearson_r,
    permutation_p,
)

N = 36


def models_table(slope=-1.0, noise=0.3, kinds=3, seed=0, **columns):
    """Models whose log accuracy falls with the log angle within each architecture, and
    rises from one architecture to the next."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(kinds), N // kinds)
    x = rng.standard_normal(len(kind))
    y = slope * x + noise * rng.standard_normal(len(kind))
    table = {
        "model": [f"kind {i}" for i in kind],
        "angle_deg": 20 * np.exp(0.3 * x + kind),
        "null_angle_deg": 40 * np.exp(0.1 * rng.standard_normal(len(kind))),
        "test_accuracy": 0.1 * np.exp(0.2 * y + 0.6 * kind),
        "train_loss": np.exp(rng.standard_normal(len(kind))),
        "n_parameters": np.arange(1000, 1000 + len(kind)),
        "cos_ones": rng.uniform(0.8, 0.9, len(kind)),
    }
    return pd.DataFrame(table | columns)


RATES = [claims.rate_c10, claims.rate_c11]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("slope", "verdict"), [(-1.0, "+"), (1.0, "-"), (0.0, "-")])
def test_relations_within_architectures(rate, slope, verdict):
    """Between them, accuracy always rises with the angle."""
    result = rate(models_table(slope))
    assert result.verdict is VERDICTS[verdict]
    p = effect(result, Quantity.P_VALUE).estimate
    assert (p < 0.01) == (slope != 0)
    assert Caveat.MULTIPLE_TESTS in result.caveats


@pytest.mark.parametrize("rate", RATES)
def test_a_relation_between_architectures_alone_counts_for_nothing(rate):
    models = models_table(0.0)
    kind = models["model"].str[-1].astype(float)
    accuracy = models["test_accuracy"] * np.exp(-1.2 * kind)
    assert stats.kendalltau(models["angle_deg"], accuracy).statistic < -0.4
    assert rate(models.assign(test_accuracy=accuracy)).verdict is Verdict.NOT_REPRODUCED


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("columns", "null"),
    [
        (["null_angle_deg"], Null.PERMUTATION),
        (["train_loss"], Null.TRIVIAL_PREDICTORS),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_what_predicts_as_well(rate, columns, null, sign):
    """A predictor that does not differ from the angle; trivial ones of either sign."""
    models = models_table()
    jitter = np.exp(0.01 * np.random.default_rng(1).standard_normal(N))
    for column in columns:
        models[column] = models["angle_deg"] ** sign * jitter
    result = rate(models)
    explains = sign == 1 or null is Null.TRIVIAL_PREDICTORS
    assert result.explained_by == ((null,) if explains else ())
    assert result.rung(null).meets == explains


@pytest.mark.parametrize("rate", RATES)
def test_few_models_are_inconclusive(rate):
    """A weak relation of few models, whose interval holds both."""
    models = models_table(-0.5, noise=1.0, kinds=2, seed=5).iloc[::4]
    result = rate(models)
    main = result.effects[0]
    assert main.interval.low < -0.5 and main.interval.high >= 0
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("rate", RATES)
def test_what_cannot_be_tested(rate):
    obstacle = Obstacle(Cause.TOO_FEW_MODELS, needed=8, found=7)
    assert rate(models_table().iloc[:7]).obstacle == obstacle
    alike = models_table(test_accuracy=0.9)
    assert rate(alike).obstacle == Obstacle(Cause.MODELS_ALIKE)


def test_zeros_have_no_logarithm():
    models = models_table()
    models.loc[:28, "angle_deg"] = 0.0
    obstacle = Obstacle(Cause.TOO_FEW_MODELS, needed=8, found=7)
    assert claims.rate_c11(models).obstacle == obstacle


def test_effects_of_c10():
    result = claims.rate_c10(models_table())
    for kind, rows in models_table().groupby("model"):
        expected = stats.kendalltau(rows["angle_deg"], rows["test_accuracy"])
        found = effect(result, Quantity.KENDALL_TAU, kind)
        assert found.estimate == pytest.approx(expected.statistic)
    trivial = result.rung(Null.TRIVIAL_PREDICTORS)
    taus = [e for e in trivial.effects if e.quantity is Quantity.KENDALL_TAU]
    differences = [e for e in trivial.effects if e.quantity is Quantity.DIFFERENCE]
    strength = abs(result.effects[0].estimate)
    for tau, difference in zip(taus, differences, strict=True):
        assert difference.estimate == pytest.approx(strength - abs(tau.estimate))
        assert difference.interval.low < difference.estimate < difference.interval.high


def test_c11_finds_the_exponent():
    """Slopes 0.2 * -1 / 0.3 within each architecture."""
    result = claims.rate_c11(models_table(noise=0.05))
    assert effect(result, Quantity.EXPONENT).estimate == pytest.approx(-2 / 3, rel=0.05)


def test_coefficients_of_one_stratum_are_the_usual_ones():
    rng = np.random.default_rng(0)
    x, y, z = rng.standard_normal((3, 20))
    x[3] = x[4]  # a tie
    one = np.zeros(20, int)
    assert kendall_tau(x, y, one) == pytest.approx(stats.kendalltau(x, y).statistic)
    assert pearson_r(x, y, one) == pytest.approx(np.corrcoef(x, y)[0, 1])
    # Partial correlation is that of residuals.
    residuals = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
    found = partial(*(pearson_r(a, b, one) for a, b in ((x, y), (x, z), (y, z))))
    assert found == pytest.approx(np.corrcoef(*residuals)[0, 1])


def test_coefficients_ignore_what_lies_between_strata():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 20))
    strata = np.repeat([0, 1], 10)
    for correlation in (kendall_tau, pearson_r):
        expected = correlation(x, y, strata)
        assert correlation(x + 9 * strata, y - 5 * strata, strata) == pytest.approx(
            expected
        )


def test_intervals_of_coefficients_stay_within_their_range():
    x = np.arange(12.0)
    y = x + np.array([0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0])
    strata = np.zeros(12, int)
    found = coefficient_estimate(
        lambda places: pearson_r(x[places], y[places], strata[places]), strata
    )
    assert -1 <= found.low < found.value < found.high <= 1


def test_p_values_are_uniform_without_a_relation():
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], 6)
    p = [
        permutation_p(pearson_r, *rng.standard_normal((2, 12)), strata)
        for _ in range(40)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01
