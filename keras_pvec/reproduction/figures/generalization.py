"""Generalization: performance against the angle, and rank correlations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)
from scipy import stats

from keras_pvec.reproduction.analysis import over_seeds, schema as col
from keras_pvec.reproduction.figures.curves import by_model
from keras_pvec.reproduction.figures.legends import hollow_entry, legend_below
from keras_pvec.reproduction.figures.look import (
    MATRIX_NAMES,
    entitle,
    new_figure,
    panel_grid,
    plain_text,
    style,
    styles,
)

_NAMES = {
    col.TEST_ACCURACY: "test accuracy",
    col.GAP: "generalization gap (train - test accuracy)",
    col.ANGLE_DEG: "angle to the data",
    col.CENTERED_ANGLE_DEG: "mean-centred angle to the data",
    col.TRAIN_LOSS: "training loss",
    col.N_PARAMETERS: "number of parameters",
    col.COS_ONES: "component along the constant vector",
}
# A logarithmic axis that spans a smaller ratio gets the ticks of a linear one.
_LOG_TICKS_FROM = 4
_FEWEST_FOR_FIT = 4
_FIT_LABEL = "least-squares fit to means over seeds, 95% band of its mean"


def generalization_figure(models: pd.DataFrame, matrix: str, title: str) -> Figure:
    """Test accuracy, linear and log-log, and the generalization gap against the angle
    to the data.

    Args:
        models: As `analysis.generalization` returns them.
        matrix: Which raw data, `"data"` or `"input"`.
        title: Networks and data set, for the title.
    """
    figure = new_figure(12.5, 4.0)
    linear, logarithmic, gap = figure.subplots(1, 3)
    means = over_seeds(models)
    for axes, column, log in (
        (linear, col.TEST_ACCURACY, False),
        (logarithmic, col.TEST_ACCURACY, True),
        (gap, col.GAP, False),
    ):
        _draw_models(axes, models, column)
        if log:
            axes.set_xscale("log")
            axes.set_yscale("log")
        _draw_fit(axes, means[col.ANGLE_DEG], means[column], log)
        scale = " (log-log)" if log else ""
        axes.set_xlabel(f"angle to {MATRIX_NAMES[matrix]} (degrees)")
        axes.set_ylabel(_NAMES[column] + scale)
        axes.grid(alpha=0.3)
    for axis in (logarithmic.xaxis, logarithmic.yaxis):
        _plain_log_ticks(axis)
    order = [plain_text(model) for model, _ in by_model(models)]
    legend_below(figure, [linear], [hollow_entry("permutation null")], order)
    entitle(figure, f"Generalization and the angle to the data: {title}")
    return figure


def _draw_models(axes: Axes, models: pd.DataFrame, column: str) -> None:
    """Draws a point for each run, and a hollow one at its null angle."""
    style_of = styles(models[col.MODEL])
    for model, rows in by_model(models):
        colour, marker = style_of[model].colour, style_of[model].marker
        angles, nulls = rows[col.ANGLE_DEG], rows[col.NULL_ANGLE_DEG]
        label = plain_text(model)
        axes.scatter(
            angles, rows[column], color=colour, marker=marker, s=28, label=label
        )
        axes.plot(
            nulls, rows[column], color=colour, marker=marker, mfc="none", ls="none",
            ms=4, alpha=0.5,
        )  # fmt: skip


def _draw_fit(axes: Axes, x: pd.Series, y: pd.Series, log: bool) -> None:
    """Draws a least-squares line, with the 95% band of its mean."""
    usable = (x > 0) & (y > 0) if log else x.notna() & y.notna()
    u, v = x[usable].to_numpy(float), y[usable].to_numpy(float)
    if log:
        u, v = np.log(u), np.log(v)
    if len(u) < _FEWEST_FOR_FIT or np.ptp(u) == 0:
        return
    fit = stats.linregress(u, v)
    grid = np.linspace(u.min(), u.max(), 100)
    line = fit.intercept + fit.slope * grid
    residual = np.sqrt(np.sum((v - fit.intercept - fit.slope * u) ** 2) / (len(u) - 2))
    spread = (grid - u.mean()) ** 2 / np.sum((u - u.mean()) ** 2)
    half = stats.t.ppf(0.975, len(u) - 2) * residual * np.sqrt(1 / len(u) + spread)
    places, mean, low, high = (
        np.exp(values) if log else values
        for values in (grid, line, line - half, line + half)
    )
    axes.plot(places, mean, color="black", lw=1.2, label=_FIT_LABEL)
    axes.fill_between(places, low, high, color="black", alpha=0.12)


def _plain_log_ticks(axis: Axis) -> None:
    """Puts the ticks of a logarithmic axis at round numbers, written out."""
    low, high = axis.get_view_interval()
    locator: Locator = MaxNLocator(5, steps=[1, 2, 5, 10])
    if high / low >= _LOG_TICKS_FROM:
        locator = LogLocator(subs=(1, 2, 5))
    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def rank_correlations_figure(correlations: pd.DataFrame, title: str) -> Figure:
    """Kendall's tau of each predictor, over all models and within each factor.

    Args:
        correlations: As `analysis.rank_correlations` returns them.
        title: Networks and data set, for the title.
    """
    targets = [*correlations[col.TARGET].unique()]
    factors = [*correlations[col.FACTOR].unique()]
    figure, panels = panel_grid(
        len(targets), 2, 5.6, 0.55 * len(factors) + 1.0, sharey=True
    )
    predictors = [*correlations[col.PREDICTOR].unique()]
    for axes, target in zip(panels, targets, strict=True):
        of_target = correlations[correlations[col.TARGET] == target]
        for i, predictor in enumerate(predictors):
            rows = of_target[of_target[col.PREDICTOR] == predictor]
            offset = 0.13 * (i - (len(predictors) - 1) / 2)
            places = [factors.index(factor) + offset for factor in rows[col.FACTOR]]
            below, above = rows[col.TAU] - rows[col.LOW], rows[col.HIGH] - rows[col.TAU]
            axes.errorbar(
                rows[col.TAU], places, xerr=[below.clip(0), above.clip(0)],
                fmt=style(i).marker, color=style(i).colour, ms=5, capsize=2,
                label=_NAMES[predictor],
            )  # fmt: skip
        axes.axvline(0, color="black", ls=":", lw=1.5)
        axes.set_xlim(-1.05, 1.05)
        axes.set_xlabel(f"Kendall's tau with {_NAMES[target].partition(' (')[0]}")
        axes.grid(alpha=0.3)
    names = [_factor_name(factor) for factor in factors]
    panels[0].set_yticks(range(len(factors)), names)
    panels[0].set_ylim(len(factors) - 0.5, -0.5)
    legend_below(figure, [panels[0]])
    entitle(figure, f"Predictors of generalization, with 95% intervals: {title}")
    return figure


def _factor_name(factor: str) -> str:
    if factor == col.ALL_MODELS:
        return "all models"
    return f"varying {factor.replace('_', ' ')}"
