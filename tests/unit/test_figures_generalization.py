"""Performance against the angle with its fit, and rank correlations."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from drawn import assert_layout, legend_labels
from matplotlib.colors import same_color

from keras_pvec.reproduction import analysis, figures


def made_up_models(n_seeds):
    """Accuracies that fall as a power of the angle, with some noise."""
    rng = np.random.default_rng(0)
    n = 2 * 4 * n_seeds
    angles = np.geomspace(5, 60, n)
    accuracy = 0.9 * (angles / 5) ** -0.3 + 0.01 * rng.standard_normal(n)
    return pd.DataFrame(
        {
            "model": ["mlp", "vgg"] * (n // 2),
            "seed": np.arange(n) // 2 % n_seeds,
            "variant": [f"width={i // (2 * n_seeds)}" for i in range(n)],
            "factor": "width",
            "angle_deg": angles,
            "null_angle_deg": angles + 20,
            "test_accuracy": accuracy,
            "gap": 0.95 - accuracy,
        }
    )


@pytest.fixture(scope="module", params=[1, 2])
def n_seeds(request):
    return request.param


@pytest.fixture(scope="module")
def figure(n_seeds):
    return figures.generalization_figure(made_up_models(n_seeds), "data", "made up")


def test_every_model_is_shown_with_its_null(figure, n_seeds):
    models = made_up_models(n_seeds)
    columns = ("test_accuracy", "test_accuracy", "gap")
    for axes, column in zip(figure.axes, columns, strict=True):
        points = [c for c in axes.collections if len(c.get_offsets()) > 1]
        for scatter, model in zip(points, ("mlp", "vgg"), strict=True):
            of_model = models[models["model"] == model]
            shown = of_model[["angle_deg", column]]
            np.testing.assert_allclose(scatter.get_offsets(), shown)
            # The null stands beside it, hollow and in its colour.
            (null,) = (
                line
                for line in axes.lines
                if len(line.get_xdata()) == len(of_model)
                and np.allclose(line.get_xdata(), of_model["null_angle_deg"])
            )
            np.testing.assert_allclose(null.get_ydata(), of_model[column])
            assert null.get_markerfacecolor() == "none"
            assert same_color(null.get_color(), scatter.get_facecolor()[0])
    linear, logarithmic, gap = figure.axes
    assert logarithmic.get_xscale() == logarithmic.get_yscale() == "log"
    assert linear.get_xscale() == gap.get_xscale() == "linear"
    assert legend_labels(figure)[:2] == ["mlp", "vgg"]


def test_ticks_of_logarithmic_axes_are_few_and_do_not_overlap(figure):
    figure.draw_without_rendering()
    for axis in (figure.axes[1].xaxis, figure.axes[1].yaxis):
        low, high = axis.get_view_interval()
        ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc()]
        boxes = [
            tick.label1.get_window_extent() for tick in ticks if tick.get_loc() <= high
        ]
        assert 2 <= len(boxes) <= 8
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_generalization_fits(figure):
    assert_layout(figure)


def fit_lines(axes):
    return [line for line in axes.lines if line.get_color() == "black"]


@pytest.mark.parametrize("log", [False, True])
def test_the_fit_is_least_squares_with_the_band_of_its_mean(figure, n_seeds, log):
    axes = figure.axes[int(log)]
    (line,) = fit_lines(axes)
    band = axes.collections[-1].get_paths()[0].vertices
    # Four variants of two models: a point is the mean of its seeds.
    models = made_up_models(n_seeds)
    x, y = (
        models[column].to_numpy().reshape(4, n_seeds, 2).mean(axis=1).ravel()
        for column in ("angle_deg", "test_accuracy")
    )
    grid = line.get_xdata()
    if log:
        x, y, grid = np.log(x), np.log(y), np.log(grid)
    design = np.stack([np.ones(len(x)), x], axis=1)
    coefficients, (residual,), *_ = np.linalg.lstsq(design, y)
    variance = residual / (len(x) - 2) * np.linalg.inv(design.T @ design)
    places = np.stack([np.ones(len(grid)), grid], axis=1)
    mean = places @ coefficients
    half = scipy.stats.t.ppf(0.975, len(x) - 2) * np.sqrt(
        np.sum(places @ variance * places, axis=1)
    )
    back = np.exp if log else np.asarray
    np.testing.assert_allclose(line.get_ydata(), back(mean))
    for edge, expected in ((mean - half, "min"), (mean + half, "max")):
        of_x = [band[np.isclose(band[:, 0], p), 1] for p in line.get_xdata()]
        shown = [getattr(heights, expected)() for heights in of_x]
        np.testing.assert_allclose(shown, back(edge), rtol=1e-6)


@pytest.mark.parametrize("n_models", [1, 3])
def test_few_models_get_no_fit(n_models):
    models = made_up_models(1).iloc[:n_models]
    figure = figures.generalization_figure(models, "input", "made up")
    assert not any(fit_lines(axes) for axes in figure.axes)
    # The models, and their nulls.
    assert len(legend_labels(figure)) == models["model"].nunique() + 1
    assert_layout(figure)


TARGETS = ("test_accuracy", "gap")


@pytest.fixture(scope="module")
def correlations():
    """Intervals within factors are missing, and so is one of the correlations."""
    table = pd.DataFrame(
        {
            "target": target,
            "predictor": predictor,
            "factor": factor,
            "tau": (tau := sign * (-0.6 + 0.2 * i + 0.3 * j)),
            "low": tau - 0.1 if factor == "all" else np.nan,
            "high": tau + 0.2 if factor == "all" else np.nan,
            "n": 12,
        }
        for target, sign in zip(TARGETS, (1, -1), strict=True)
        for i, predictor in enumerate(["angle_deg", "train_loss"])
        for j, factor in enumerate(["all", "weight_decay"])
    )
    table.loc[len(table) - 1, "tau"] = np.nan
    return table


def test_rank_correlations(correlations):
    """A missing interval is not drawn."""
    figure = figures.rank_correlations_figure(correlations, "made up")
    for axes, target in zip(figure.axes, TARGETS, strict=True):
        of_target = correlations[correlations["target"] == target]
        for container, (_, table) in zip(
            axes.containers, of_target.groupby("predictor", sort=False), strict=True
        ):
            points, _, (intervals,) = container.lines
            shown = np.asarray(points.get_xdata(), float)
            np.testing.assert_allclose(shown, table["tau"])
            # The rows of the table are those of the axis.
            places = np.asarray(points.get_ydata(), float)
            np.testing.assert_array_equal(np.round(places), [0, 1])
            interval, missing = intervals.get_segments()
            np.testing.assert_allclose(interval[:, 0], table[["low", "high"]].iloc[0])
            assert missing.size == 0
        zero = [line for line in axes.lines if set(line.get_xdata()) == {0}]
        assert len(zero) == 1
        low, high = axes.get_xlim()
        assert low <= -1 and high >= 1
    # The first factor is at the top, and names of factors are words.
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert "weight decay" in names[1]
    assert len(legend_labels(figure)) == 2
    assert_layout(figure)


def test_every_predictor_and_target_has_a_name():
    table = pd.DataFrame(
        {
            "target": target,
            "predictor": predictor,
            "factor": "all",
            **dict.fromkeys(("tau", "low", "high"), 0.0),
        }
        for target in TARGETS
        for predictor in analysis.PREDICTORS
    )
    labels = legend_labels(figures.rank_correlations_figure(table, "made up"))
    assert len(set(labels)) == len(analysis.PREDICTORS)
    assert not any("_" in label for label in labels)
