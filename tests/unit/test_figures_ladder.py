"""The figure of the ladder of nulls."""

import numpy as np
import pandas as pd
from drawn import assert_layout

from keras_pvec.reproduction import figures

RUNGS = [
    "angle_deg",
    "null_angle_deg",
    "within_class_null_deg",
    "image_statistics_null_deg",
    "untrained_angle_deg",
]


def made_up(groups, **columns):
    pairs = pd.DataFrame(groups, columns=["group", "other_group"])
    return pairs.assign(**(dict.fromkeys(RUNGS, np.nan) | columns))


def drawn_series(figure):
    """Means of each series, one number for each pair of groups."""
    (axes,) = figure.axes
    lines = [container.lines[0] for container in axes.containers]
    return [np.asarray(line.get_xdata(), float) for line in lines]


def test_each_rung_is_drawn_for_its_own_pair():
    ladder = made_up(
        [("a", "b"), ("b", "a"), ("a", "c")],
        angle_deg=[30.0, 40.0, 10.0],
        null_angle_deg=[50.0, 52.0, 20.0],
        within_class_null_deg=[45.0, 47.0, 15.0],
        untrained_angle_deg=[60.0, 64.0, np.nan],
    )
    figure = figures.null_ladder_figure(ladder, "made up")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["a - c", "a - b"]
    np.testing.assert_allclose(
        drawn_series(figure), [[10, 35], [20, 51], [15, 46], [np.nan, 62]]
    )
    assert_layout(figure)


def test_nulls_without_data_are_left_out():
    ladder = made_up([("a", "b")], angle_deg=[30.0], null_angle_deg=[50.0])
    figure = figures.null_ladder_figure(ladder, "made up")
    np.testing.assert_allclose(drawn_series(figure), [[30], [50]])
