"""What a figure shows, for tests: lines, bands, and whether everything fits."""

import itertools
import warnings

import numpy as np
from matplotlib.colors import same_color


def labelled_lines(axes):
    """The lines that the legend names, in order of drawing."""
    return [line for line in axes.lines if line.get_label()[0] != "_"]


def assert_line(line, x, y):
    np.testing.assert_allclose(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), y)


def dotted_lines(axes, y):
    """The dotted lines at these heights."""
    return [
        line
        for line in axes.lines
        if line.get_linestyle() == ":"
        and np.shape(line.get_ydata()) == np.shape(y)
        and np.allclose(line.get_ydata(), y)
    ]


def assert_null_of_each(axes, y):
    """Every labelled line has a dotted null of its own colour at these heights."""
    assert_same_colours(dotted_lines(axes, y), labelled_lines(axes))


def assert_same_colours(lines, others):
    assert len(lines) == len(others) > 0
    for line, other in zip(lines, others, strict=True):
        assert same_color(line.get_color(), other.get_color())


def bands(axes):
    """Lowest and highest point of every filled band, sorted."""
    boxes = [band.get_paths()[0].get_extents() for band in axes.collections]
    return sorted((round(box.y0, 6), round(box.y1, 6)) for box in boxes)


def legend_labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def title_of(figure):
    return " ".join(figure.get_suptitle().split())


def assert_layout(figure):
    """Panels with their labels, legends and titles lie within the figure and do not
    overlap."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    boxes = [axes.get_tightbbox(None) for axes in figure.axes if axes.get_visible()]
    boxes += [artist.get_window_extent() for artist in (*figure.legends, *figure.texts)]
    # Of a pixel, by rounding.
    frame = figure.bbox.padded(1)
    for box in boxes:
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1, (frame, box)
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1, (frame, box)
    for one, other in itertools.combinations([box.padded(-1) for box in boxes], 2):
        assert not one.overlaps(other), (one, other)
