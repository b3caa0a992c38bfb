"""The matrix of angles, other measures, and the images that dominate the angle."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_layout
from matplotlib.colors import same_color

from keras_pvec.reproduction import analysis, figures


def made_up_pairs(rows):
    """Pairs `(group, other group, angle)`; the other measures follow from the angle."""
    pairs = pd.DataFrame(rows, columns=["group", "other_group", "angle_deg"])
    for i, side in enumerate(("run", "other")):
        names = pairs["group" if i == 0 else "other_group"]
        pairs[side] = [f"{name}, {side} {j}" for j, name in enumerate(names)]
    angle = pairs["angle_deg"]
    return pairs.assign(
        null_angle_deg=angle + 5,
        centered_angle_deg=np.nan,
        z=6.0,
        trimmed_angle_deg=angle + 1,
        trimmed_null_angle_deg=angle + 7,
        row_normalised_angle_deg=angle / 2,
        row_normalised_null_angle_deg=angle / 2 + 1,
        largest_principal_angle_deg=85.0,
        stored_energy=np.linspace(0.7, 0.9, len(pairs)),
    )


# Two seeds each: `a` with itself, and four pairs of `a` and `b`, in either order.
SEVERAL = [("a", "a", 30.0), ("a", "b", 10.0), ("b", "a", 20.0), ("a", "b", 60.0)]


def cell_texts(axes):
    """The texts of a matrix by place."""
    return {text.get_position(): text.get_text() for text in axes.texts}


def test_matrix_shows_angle_null_and_z():
    pairs = made_up_pairs([("a", "b", 10.0), ("a", "c", 20.0), ("b", "c", 80.0)])
    pairs["z"] = [5.0, 6.0, np.nan]
    figure = figures.angle_matrix_figure(pairs, "made up")
    axes = figure.axes[0]
    cells = axes.images[0].get_array().filled(-1)
    np.testing.assert_array_equal(cells, [[-1, 10, 20], [10, -1, 80], [20, 80, -1]])
    texts = cell_texts(axes)
    assert texts[0, 1] == texts[1, 0]
    for number in ("10.0", "15.0", "5.0"):
        assert number in texts[0, 1]
    assert "85.0" in texts[1, 2] and "nan" not in texts[1, 2]
    # Text is light on dark cells and dark on light ones.
    colours = {text.get_position(): text.get_color() for text in axes.texts}
    assert same_color(colours[0, 1], "white") and same_color(colours[1, 2], "black")
    assert axes.images[0].get_clim() == (0, 90)
    assert_layout(figure)


def test_matrix_of_several_seeds_shows_means_and_ranges():
    figure = figures.angle_matrix_figure(made_up_pairs(SEVERAL), "made up")
    axes = figure.axes[0]
    cells = axes.images[0].get_array().filled(-1)
    np.testing.assert_allclose(cells, [[30, 30], [30, -1]])
    texts = cell_texts(axes)
    assert set(texts) == {(0, 0), (0, 1), (1, 0)}
    for number in ("30.0", "10.0", "60.0", "35.0"):
        assert number in texts[0, 1]
    assert "60.0" not in texts[0, 0]


@pytest.fixture(scope="module")
def measures():
    pairs = made_up_pairs([*SEVERAL, ("b", "b", 5.0)])
    return figures.measures_figure(pairs, "made up")


def test_measures_stand_beside_the_angle(measures):
    """A line for each pair of groups, the smallest angle first."""
    (in_degrees,) = measures.axes
    names = [label.get_text() for label in in_degrees.get_yticklabels()]
    assert names == ["b - b", "a - a", "a - b"]
    drawn = [container.lines[0] for container in in_degrees.containers]
    points = [np.asarray(line.get_xdata(), float) for line in drawn]
    angle = np.array([5, 30, 30])
    expected = [
        *(angle, angle + 5, angle + 1, angle + 7, angle / 2, angle / 2 + 1),
        *(np.full(3, np.nan), np.full(3, 85)),
    ]
    np.testing.assert_allclose(points, expected)
    for line in drawn:
        np.testing.assert_array_equal(np.round(line.get_ydata()), [0, 1, 2])
    for share in ("0.70", "0.90"):
        assert share in in_degrees.get_title()


def test_nulls_are_hollow_in_the_colour_of_their_measure(measures):
    drawn = [container.lines[0] for container in measures.axes[0].containers]
    colours = [drawn[i].get_color() for i in (0, 2, 4, 6, 7)]
    assert len(set(colours)) == 5
    for i in (0, 2, 4):
        assert drawn[i].get_color() == drawn[i + 1].get_color()
        assert drawn[i].get_marker() == drawn[i + 1].get_marker()
        assert same_color(drawn[i + 1].get_markerfacecolor(), "white")


def test_ranges_of_measures_are_those_of_the_pairs(measures):
    (segments,) = measures.axes[0].containers[0].lines[2]
    ends = [segment[:, 0] for segment in segments.get_segments()]
    np.testing.assert_allclose(ends, [[5, 5], [30, 30], [10, 60]])


def test_measures_fit(measures):
    assert_layout(measures)


def test_equal_values_of_several_seeds_are_drawn():
    figures.measures_figure(made_up_pairs([("a", "b", 0.1 + 0.2)] * 3), "made up")


def test_gallery_shows_the_influential_samples():
    pairs = made_up_pairs(SEVERAL)
    pairs["influential_samples"] = [(3, 1), (0, 2), (1, 3), (2, 0)]
    images = np.linspace(0, 1, 4)[:, None, None, None] * np.ones((4, 5, 5, 3))
    table = analysis.influential_samples(pairs)
    figure = figures.influential_samples_figure(table, images, "made up")
    shown = [axes.images[0].get_array().mean() * 3 for axes in figure.axes]
    np.testing.assert_allclose(shown, [3, 1, 0, 2])  # of the first pair of a group
    assert [axes.get_title() for axes in figure.axes] == ["3", "1", "0", "2"]
    for number in ("10.0", "15.0", "11.0", "17.0"):
        assert number in figure.axes[2].get_ylabel()
    assert_layout(figure)
    one = figures.influential_samples_figure(table, images, "made up", most=1)
    assert len(one.axes) == 2
