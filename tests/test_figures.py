"""Figures show the numbers of their tables, each angle with its null."""

import numpy as np
import pandas as pd
import pytest

from keras_pvec import figures


@pytest.fixture
def angles():
    rows = []
    for model, start in (("mlp", 40.0), ("resnet", 60.0)):
        for seed in (0, 1):
            for epoch in range(-1, 3):
                angle = (start + 10 * seed) * (2 - epoch) / 3
                rows.append(
                    {
                        "model": model,
                        "seed": seed,
                        "epoch": epoch,
                        "angle_deg": angle,
                        "centered_angle_deg": angle + 5,
                        "null_angle_deg": 70.0,
                        "null_low_deg": 68.0,
                        "null_high_deg": 72.0,
                    }
                )
    return pd.DataFrame(rows)


def test_curves_are_means_over_seeds_with_their_null(angles):
    figure = figures.angle_to_final_figure(angles, "made up")
    plain, centered = figure.axes
    curves = {line.get_label(): line for line in plain.lines}
    label = "mlp (2 seeds, mean and range)"
    np.testing.assert_allclose(curves[label].get_xdata(), [0, 1, 2, 3])
    np.testing.assert_allclose(curves[label].get_ydata(), [45, 30, 15, 0])
    nulls = [line for line in plain.lines if set(line.get_ydata()) == {70.0}]
    assert len(nulls) == 2
    assert {line.get_color() for line in nulls} == {
        line.get_color() for name, line in curves.items() if "seeds" in name
    }
    assert any(set(line.get_ydata()) == {90} for line in centered.lines)
    assert "degrees; 0 = same" in plain.get_ylabel()
    assert plain.get_xlabel() == "epochs trained"


def test_matrix_shows_angle_null_and_z():
    pairs = pd.DataFrame(
        {
            "run": ["a", "a", "b"],
            "other": ["b", "c", "c"],
            "angle_deg": [10.0, 20.0, 80.0],
            "null_angle_deg": [30.0, 40.0, 85.0],
            "z": [5.0, 6.0, np.nan],
        }
    )
    figure = figures.angle_matrix_figure(pairs, "made up")
    axes = figure.axes[0]
    cells = axes.images[0].get_array()
    np.testing.assert_array_equal(cells, [[0, 10, 20], [10, 0, 80], [20, 80, 0]])
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("10.0\nnull 30.0\nz 5.0") == 2
    assert texts.count("80.0\nnull 85.0\nz -") == 2


def test_saving_writes_png_and_pdf(angles, tmp_path):
    figure = figures.angle_to_final_figure(angles, "made up")
    paths = figures.save_figure(figure, tmp_path / "x.y")
    assert [path.name for path in paths] == ["x.y.png", "x.y.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert len(list(tmp_path.iterdir())) == 2
