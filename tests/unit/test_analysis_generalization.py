"""Performance beside angles, and rank correlations of made-up models."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from stored_runs import N_SAMPLES, of_features, random_plane, turned, write_run

from keras_pvec.reproduction import analysis


def test_generalization(tmp_path, rng):
    runs, variants = [], ["base", "width=0.5"]
    for i, variant in enumerate(variants):
        planes = random_plane(rng), random_plane(rng, 20)
        splits = []
        for plane, angles in zip(planes, ((60, 12 + i), (70, 15 + i)), strict=True):
            moments = {
                (-1, 0): turned(plane, angles[0]),
                (0, 4): turned(plane, angles[1]),
            }
            references = {"data": turned(plane, 0), "input": turned(plane, -4)}
            splits.append((of_features(moments), references))
        evaluation = {
            "train": {"accuracy": 0.9, "loss": 0.3},
            "test": {"accuracy": 0.7 - 0.2 * i, "loss": 1.1},
        }
        info = {"evaluation": evaluation, "n_parameters": 100 + i}
        run = write_run(
            tmp_path / variant, *splits[0], test=splits[1], variant=variant, info=info
        )
        runs.append(run)
    for split, matrix, expected in (
        ("train", "data", [12, 13]),
        ("train", "input", [16, 17]),
        ("test", "data", [15, 16]),
    ):
        models = analysis.generalization(runs, variants, split, matrix)
        np.testing.assert_allclose(models["angle_deg"], expected)
        assert list(models["n_samples"]) == [N_SAMPLES if split == "train" else 20] * 2
    assert list(models["variant"]) == variants
    assert list(models["factor"]) == ["base", "width"]
    np.testing.assert_allclose(models["train_accuracy"], [0.9, 0.9])
    np.testing.assert_allclose(models["test_accuracy"], [0.7, 0.5])
    np.testing.assert_allclose(models["gap"], [0.2, 0.4])
    assert set(models["train_loss"]) == {0.3}
    assert set(models["test_loss"]) == {1.1}
    assert list(models["n_parameters"]) == [100, 101]
    assert models["null_angle_deg"].notna().all()


ARCHITECTURES = ["mlp", "resnet", "vgg", "densenet"]


def simpsons_models(seeds=(0,)):
    """Within each architecture accuracy rises with the angle; between them it falls."""
    rows = []
    for i, model in enumerate(ARCHITECTURES):
        for seed in seeds:
            for j, variant in enumerate(["base", "width=0.5", "width=2", "rate=3"]):
                # Rate 3 has less angle and more accuracy than the base.
                step = (0, 1, 2, -1)[j]
                rows.append(
                    {
                        "run": f"{model}, seed {seed}",
                        "model": model,
                        "seed": seed,
                        "variant": variant,
                        "factor": variant.partition("=")[0],
                        "angle_deg": 10 + 15 * i + step + 0.1 * seed,
                        "centered_angle_deg": np.nan,
                        "train_loss": 0.1 * (i + seed) + abs(step),
                        "n_parameters": 1000,
                        "cos_ones": 0.5 + 0.01 * (7 * i + 3 * j) % 0.1,
                        "test_accuracy": 0.9 - 0.2 * i + 0.02 * abs(step),
                        "gap": 0.1 + 0.01 * i,
                    }
                )
    return pd.DataFrame(rows)


def correlations_of(models):
    """With accuracy. Intervals of few resamples do for what is shown here."""
    return analysis.rank_correlations(models, "test_accuracy", n_resamples=100)


def tau_row(correlations, predictor, factor):
    chosen = correlations["predictor"] == predictor
    return correlations[chosen & (correlations["factor"] == factor)].iloc[0]


def test_rank_correlations_within_and_between():
    models = simpsons_models()
    correlations = correlations_of(models)
    assert set(correlations["target"]) == {"test_accuracy"}
    assert set(correlations["factor"]) == {"all", "model", "width", "rate"}
    overall = tau_row(correlations, "angle_deg", "all")
    expected = scipy.stats.kendalltau(models["angle_deg"], models["test_accuracy"])
    assert expected.statistic < -0.5
    np.testing.assert_allclose(overall["tau"], expected.statistic)
    assert overall["n"] == 16
    assert -1 <= overall["low"] < overall["tau"] < overall["high"] < 0
    for factor, tau in (("model", -1), ("width", 1), ("rate", -1)):
        row = tau_row(correlations, "angle_deg", factor)
        np.testing.assert_allclose(row["tau"], tau)
        assert row["n"] == 4  # variants, or architectures
        assert np.isnan(row["low"]) and np.isnan(row["high"])  # all equal
    loss = tau_row(correlations, "train_loss", "all")
    expected = scipy.stats.kendalltau(models["train_loss"], models["test_accuracy"])
    np.testing.assert_allclose(loss["tau"], expected.statistic)
    # Neither has a tau: one never varies, the other is missing.
    for predictor, n in (("n_parameters", 16), ("centered_angle_deg", 0)):
        row = tau_row(correlations, predictor, "all")
        assert row[["tau", "low", "high"]].isna().all()
        assert row["n"] == n


def test_a_mean_over_groups_has_students_interval():
    """Three groups with tau 1, one with 1/3: the mean 5/6 has a standard error of 1/6,
    and Student's t of three degrees of freedom has its 97.5% at 3.1824."""
    models = simpsons_models()
    # Base, 0.5 and 2 in the order 1, 3, 2.
    reverse = (models["model"] == "vgg") & (models["variant"] == "width=2")
    models.loc[reverse, "angle_deg"] -= 1.5
    row = tau_row(correlations_of(models), "angle_deg", "width")
    np.testing.assert_allclose(row["tau"], 5 / 6)
    np.testing.assert_allclose(row["low"], 5 / 6 - 3.1824 / 6, rtol=1e-4)
    assert row["high"] == 1


def test_seeds_are_no_independent_observations():
    """Three seeds of each model give the same correlations and intervals as one."""
    once = simpsons_models().assign(n_parameters=range(16))
    thrice = pd.concat([once.assign(seed=seed) for seed in range(3)])
    means = analysis.over_seeds(thrice.sample(frac=1, random_state=0))
    assert set(means["n_seeds"]) == {3}
    expected = correlations_of(once)
    order = once.set_index(["model", "variant"]).index
    means = means.set_index(["model", "variant"]).loc[order].reset_index()
    found = correlations_of(means)
    keys = ["predictor", "factor"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True),
        expected.sort_values(keys, ignore_index=True),
    )


def test_what_applies_to_no_model_stays_empty():
    """Such as the column-centred angle of vectors that are not determined."""
    models = simpsons_models().assign(centered_angle_deg=None, n_parameters=range(16))
    means = analysis.over_seeds(models)
    assert means["centered_angle_deg"].isna().all()
    found = correlations_of(means)
    of_angle = found[found["predictor"] == "centered_angle_deg"]
    assert (of_angle["n"] == 0).all() and of_angle["tau"].isna().all()


def test_means_over_seeds():
    """The second seed's angles are 0.1 degrees larger; its last model is missing."""
    models = simpsons_models(seeds=(0, 1)).iloc[:-1]
    means = analysis.over_seeds(models)
    assert len(means) == 16
    first = simpsons_models()
    np.testing.assert_allclose(means["angle_deg"][:15], first["angle_deg"][:15] + 0.05)
    assert means["angle_deg"][15] == first["angle_deg"][15]
    assert list(means["n_seeds"]) == [2] * 15 + [1]
    for column in ("model", "variant", "factor"):
        assert list(means[column]) == list(first[column])


def test_few_models_have_no_interval():
    models = simpsons_models()
    models = models[(models["model"] == "mlp") & (models["factor"] != "rate")]
    correlations = correlations_of(models)
    assert set(correlations["factor"]) == {"all", "width"}  # one architecture
    for factor, n in (("all", 3), ("width", 1)):
        row = tau_row(correlations, "angle_deg", factor)
        assert (row["tau"], row["n"]) == (1, n)
        assert np.isnan(row["low"]) and np.isnan(row["high"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_models", [1, 4, 16])
def test_constant_predictors_have_no_tau_and_give_no_warning(n_models):
    """For example the number of parameters, where no variant changes the width."""
    models = simpsons_models().iloc[:n_models]
    correlations = correlations_of(models)
    rows = correlations[correlations["predictor"] == "n_parameters"]
    assert rows[["tau", "low", "high"]].isna().all(axis=None)
