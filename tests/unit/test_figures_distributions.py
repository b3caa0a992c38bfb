"""Histograms, densities and drift of the entries of P-vectors."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_layout, assert_line, bands, labelled_lines, legend_labels
from matplotlib.colors import same_color

from keras_pvec.reproduction import figures


def test_histograms_have_a_row_for_each_run():
    """One run with three epochs, one with two."""
    edges = np.linspace(-1, 3, 5)
    tables = [
        pd.DataFrame(
            {
                "run": run,
                "epoch": epoch,
                "left": edges[:-1],
                "right": edges[1:],
                "share": np.roll([0.1, 0.2, 0.3, 0.4], epoch),
            }
        )
        for run, epochs in (("a", [-1, 0, 9]), ("b", [-1, 0]))
        for epoch in epochs
    ]
    figure = figures.histograms_figure(pd.concat(tables), "made up")
    for axes, table in zip(figure.axes, tables, strict=True):
        bars = axes.patches
        np.testing.assert_allclose([b.get_height() for b in bars], table["share"])
        np.testing.assert_allclose([b.get_x() for b in bars], table["left"])
        np.testing.assert_allclose([b.get_width() for b in bars], 1)
        (line,) = axes.lines  # the constant vector
        assert set(line.get_xdata()) == {1.0}
        epoch = table["epoch"].iloc[0]
        assert (str(epoch + 1) in axes.get_title()) == (epoch >= 0)
    # The first panel of a row names the run, the last one of a column has its label.
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "", "", "b", ""]
    labelled = [bool(axes.get_xlabel()) for axes in figure.axes]
    assert labelled == [False, False, True, True, True]
    assert_layout(figure)


@pytest.mark.parametrize("n_runs", [1, 4])
def test_densities(n_runs):
    """Relative to the peak of each epoch; empty where all entries are equal."""
    values = np.linspace(-1, 3, 9)
    heights = {-1: np.nan, 0: 0.2, 1: 0.8}
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "run": f"run {i}",
                    "epoch": epoch,
                    "value": values,
                    "density": height * np.exp(-((values - i) ** 2)),
                }
            )
            for i in range(n_runs)
            for epoch, height in heights.items()
        ],
        ignore_index=True,
    )
    figure = figures.densities_figure(table, "made up")
    *panels, scale = figure.axes
    assert [axes.get_title() for axes in panels] == [f"run {i}" for i in range(n_runs)]
    for i, axes in enumerate(panels):
        (image,) = axes.collections
        shown = np.ma.filled(image.get_array().astype(float), np.nan)
        shape = np.exp(-((values - i) ** 2))
        shape /= shape.max()
        expected = np.stack([np.full(9, np.nan), shape, shape], axis=1)
        np.testing.assert_allclose(shown.reshape(9, 3), expected)
        # All panels share one scale.
        assert image.get_clim() == (0, 1) == scale.get_ylim()
        corners = image.get_coordinates()
        centres = (corners[0, :-1, 0] + corners[0, 1:, 0]) / 2
        np.testing.assert_allclose(centres, [0, 1, 2])  # epochs trained
        centres = (corners[:-1, 0, 1] + corners[1:, 0, 1]) / 2
        np.testing.assert_allclose(centres, values)
        (line,) = axes.lines
        assert set(line.get_ydata()) == {1.0}
    assert_layout(figure)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_drift(n_seeds):
    """Straight lines from 4 or 6 (the second seed: 1 more) to zero."""
    drift = pd.DataFrame(
        {
            "run": f"{model}, seed {seed}",
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "distance": (start + seed) * (2 - epoch) / 3,
        }
        for model, start in (("mlp", 4.0), ("resnet", 6.0))
        for seed in range(n_seeds)
        for epoch in range(-1, 3)
    )
    figure = figures.drift_figure(drift, "made up")
    (axes,) = figure.axes
    mlp, resnet = labelled_lines(axes)
    for line, start in ((mlp, 4.0), (resnet, 6.0)):
        mean = start + (n_seeds - 1) / 2
        assert_line(line, [0, 1, 2, 3], np.array([3, 2, 1, 0]) * mean / 3)
    assert not same_color(mlp.get_color(), resnet.get_color())
    assert bands(axes) == ([] if n_seeds == 1 else [(0, 5), (0, 7)])
    assert len(legend_labels(figure)) == 1 + n_seeds
    assert_layout(figure)
