"""Figures show the numbers of their tables, each angle with its null."""

import io

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.colors import same_color

from keras_pvec.reproduction import analysis, figures

NULLS = {"null_angle_deg": 70.0, "null_low_deg": 68.0, "null_high_deg": 72.0}


def made_up_angles(n_seeds=2, models=("mlp", "resnet"), x="epoch"):
    """Straight lines from 40 or 60 degrees (the second seed: 10 more) to zero."""
    rows = []
    for i, model in enumerate(models):
        for seed in range(n_seeds):
            for moment in range(-1, 3):
                angle = (40.0 + 20 * i + 10 * seed) * (2 - moment) / 3
                rows.append(
                    {
                        "run": f"{model}, seed {seed}",
                        "model": model,
                        "seed": seed,
                        x: moment,
                        "angle_deg": angle,
                        "centered_angle_deg": angle + 5,
                        **NULLS,
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture
def angles():
    return made_up_angles()


def lines_of(axes):
    """The lines that stand in the legend, by label."""
    return {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}


def assert_line(line, x, y):
    np.testing.assert_allclose(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), y)


def dotted(axes, y):
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
    nulls = dotted(axes, y)
    colours = [line.get_color() for line in lines_of(axes).values()]
    assert len(nulls) == len(colours)
    for null, colour in zip(nulls, colours, strict=True):
        assert same_color(null.get_color(), colour)


def bands(axes):
    """Lowest and highest point of every filled band."""
    boxes = [band.get_paths()[0].get_extents() for band in axes.collections]
    return [(round(box.y0, 6), round(box.y1, 6)) for box in boxes]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def assert_drawable(figure):
    """Everything fits: the layout gives no warning."""
    file = io.BytesIO()
    figure.savefig(file, dpi=30)
    assert file.getvalue().startswith(b"\x89PNG")


def title_of(figure):
    return " ".join(figure.get_suptitle().split())


def test_curves_are_means_over_seeds_with_their_null(angles):
    figure = figures.angle_to_final_figure(angles, "made up")
    plain, centered = figure.axes
    curves = lines_of(plain)
    label = "mlp (2 seeds, mean and range)"
    assert_line(curves[label], [0, 1, 2, 3], [45, 30, 15, 0])
    assert_null_of_each(plain, [70.0] * 4)
    assert any(set(line.get_ydata()) == {90} for line in centered.lines)
    assert_line(lines_of(centered)[label], [0, 1, 2, 3], [50, 35, 20, 5])
    assert "degrees; 0 = same" in plain.get_ylabel()
    assert plain.get_xlabel() == "epochs trained"
    # Of each model the range of its seeds and the null's band.
    assert sorted(bands(plain)) == [(0, 50), (0, 70), (68, 72), (68, 72)]


@pytest.mark.parametrize("n_models", [1, 3, 6])
def test_the_legend_stays_within_the_figure(n_models):
    models = [f"wide_resnet-28-{i}" for i in range(n_models)]
    angles = made_up_angles(2, models)
    figure = figures.angle_to_final_figure(angles, "made up")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_a_single_seed_has_no_range():
    figure = figures.angle_to_final_figure(made_up_angles(1, ["mlp"]), "made up")
    plain, centered = figure.axes
    assert_line(lines_of(plain)["mlp"], [0, 1, 2, 3], [40, 80 / 3, 40 / 3, 0])
    assert bands(plain) == [(68, 72)]
    assert bands(centered) == []
    assert len(dotted(plain, [70.0] * 4)) == 1
    assert_drawable(figure)


def test_centred_angles_that_are_not_known_are_left_out():
    angles = made_up_angles(1, ["mlp"])
    angles.loc[1, "centered_angle_deg"] = np.nan
    figure = figures.angle_to_final_figure(angles, "made up")
    line = lines_of(figure.axes[1])["mlp"]
    assert_line(line, [0, 1, 2, 3], [45, np.nan, 40 / 3 + 5, 5])


@pytest.mark.parametrize(
    ("matrix", "name"), [("data", "the pixels"), ("input", "the standardised pixels")]
)
@pytest.mark.parametrize("n_seeds", [1, 2])
def test_angle_to_data(matrix, name, n_seeds):
    angles = made_up_angles(n_seeds)
    figure = figures.angle_to_data_figure(angles, matrix, "made up")
    assert title_of(figure) == f"Angle to {name}: made up"
    plain = figure.axes[0]
    (label,) = [label for label in lines_of(plain) if label.startswith("resnet")]
    assert ("2 seeds" in label) == (n_seeds == 2)
    mean = 60 if n_seeds == 1 else 65
    curve = [mean, mean * 2 / 3, mean / 3, 0]
    assert_line(lines_of(plain)[label], [0, 1, 2, 3], curve)
    assert_null_of_each(plain, [70.0] * 4)
    assert legend_of(figure)[-1].startswith("null: samples in random order")
    assert_drawable(figure)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_references_have_a_panel_each(n_seeds):
    angles = made_up_angles(n_seeds)
    tables = [
        angles.assign(reference="resnet, seed 0"),
        angles.assign(
            reference="simclr, seed 0",
            angle_deg=angles["angle_deg"] + 7,
            null_angle_deg=55.0,
        ),
    ]
    # A run is not compared with itself.
    tables[0] = tables[0][tables[0]["run"] != "resnet, seed 0"]
    figure = figures.references_figure(pd.concat(tables, ignore_index=True), "made up")
    first, second = figure.axes
    assert first.get_title() == "to resnet, seed 0"
    assert second.get_title() == "to simclr, seed 0"
    mlp, *resnet = lines_of(first).values()
    mean = 40 if n_seeds == 1 else 45
    assert_line(mlp, [0, 1, 2, 3], np.array([3, 2, 1, 0]) * mean / 3)
    assert len(resnet) == n_seeds - 1
    if n_seeds == 2:  # its other seed
        assert_line(resnet[0], [0, 1, 2, 3], [70, 140 / 3, 70 / 3, 0])
    shifted = next(iter(lines_of(second).values()))
    assert_line(shifted, [0, 1, 2, 3], np.array([3, 2, 1, 0]) * mean / 3 + 7)
    assert_null_of_each(first, [70.0] * 4)
    assert_null_of_each(second, [55.0] * 4)
    # A model has the same colour in both.
    assert same_color(mlp.get_color(), shifted.get_color())
    assert "degrees" in first.get_ylabel()
    assert {axes.get_xlabel() for axes in figure.axes} == {"epochs trained"}
    assert legend_of(figure)[-1].startswith("null")
    assert_drawable(figure)


@pytest.mark.parametrize("n_seeds", [1, 2])
@pytest.mark.parametrize("matrix", ["data", "input"])
def test_first_epoch_has_a_panel_for_each_reference_and_split(n_seeds, matrix):
    angles = made_up_angles(n_seeds, x="step").assign(step=lambda t: 5 * t["step"] + 5)
    places = {
        ("final", "train"): 0,
        ("final", "test"): 1,
        (matrix, "train"): 2,
        (matrix, "test"): 3,
    }
    table = pd.concat(
        [
            angles.assign(
                reference=reference,
                split=split,
                angle_deg=angles["angle_deg"] + i,
                null_angle_deg=60.0 + i,
            )
            for (reference, split), i in places.items()
        ],
        ignore_index=True,
    )
    figure = figures.first_epoch_figure(table, "made up")
    assert len(figure.axes) == 4
    mean = 40 if n_seeds == 1 else 45
    for (_, split), i in places.items():
        axes = figure.axes[i]
        assert axes.get_title() == f"{split} samples"
        line = next(iter(lines_of(axes).values()))
        y = np.array([3, 2, 1, 0]) * mean / 3 + i
        assert_line(line, [0, 5, 10, 15], y)
        assert_null_of_each(axes, [60.0 + i] * 4)
        assert (68, 72) in bands(axes)
    top, _, bottom, _ = figure.axes
    assert top.get_ylabel() == "angle to its last epoch (degrees)"
    name = {"data": "the pixels", "input": "the standardised pixels"}[matrix]
    assert bottom.get_ylabel() == f"angle to {name} (degrees)"
    assert bottom.get_xlabel() == "updates"
    assert_drawable(figure)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_angle_by_block(n_seeds):
    rows = [
        {
            "run": f"{model}, seed {seed}",
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "block": block,
            "angle_deg": 10.0 * block + epoch + 4 * seed,
            "null_angle_deg": 60.0 + epoch + 2 * seed,
        }
        for model, n_blocks in (("resnet", 4), ("vgg", 3))
        for seed in range(n_seeds)
        for epoch in (0, 3)
        for block in range(1, n_blocks + 1)
    ]
    figure = figures.angle_by_block_figure(pd.DataFrame(rows), "data", "made up")
    for axes, model, n_blocks in zip(
        figure.axes, ("resnet", "vgg"), (4, 3), strict=True
    ):
        assert axes.get_title() == model
        assert axes.get_xlabel() == "block, from the input on"
        lines = lines_of(axes)
        ending = "" if n_seeds == 1 else " (2 seeds, mean and range)"
        assert list(lines) == [f"after epoch 1{ending}", f"after epoch 4{ending}"]
        # Of each epoch the range of the seeds, from the first block to the last.
        ranges = [(10, 10 * n_blocks + 4), (13, 10 * n_blocks + 7)]
        assert sorted(bands(axes)) == ([] if n_seeds == 1 else ranges)
        blocks = np.arange(1, n_blocks + 1)
        for line, epoch in zip(lines.values(), (0, 3), strict=True):
            mean_seed = (n_seeds - 1) / 2
            assert_line(line, blocks, 10 * blocks + epoch + 4 * mean_seed)
            (null,) = dotted(axes, [60 + epoch + 2 * mean_seed] * n_blocks)
            assert same_color(null.get_color(), line.get_color())
    assert "degrees" in figure.axes[0].get_ylabel()
    assert legend_of(figure) == [*lines, "null, in each epoch's colour"]
    assert_drawable(figure)


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
    panels = [axes for axes in figure.axes if axes.get_visible()]
    titles = ["before training", "after epoch 1", "after epoch 10"]
    assert [axes.get_title() for axes in panels] == [*titles, *titles[:2]]
    for axes, table in zip(panels, tables, strict=True):
        bars = axes.patches
        np.testing.assert_allclose([b.get_height() for b in bars], table["share"])
        np.testing.assert_allclose([b.get_x() for b in bars], table["left"])
        np.testing.assert_allclose([b.get_width() for b in bars], 1)
        (line,) = axes.lines  # the constant vector
        assert set(line.get_xdata()) == {1.0}
        assert axes.get_xlabel() == "$\\sqrt{n}\\,u_i$ (no unit)"
    for axes, run in ((panels[0], "a"), (panels[3], "b")):
        assert axes.get_ylabel() == f"{run}\nshare of the samples"
    assert_drawable(figure)


@pytest.mark.parametrize("n_runs", [1, 2])
def test_densities(n_runs):
    """Shown in shares of each epoch's largest; empty where all values are equal."""
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
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [f"run {i}" for i in range(n_runs)]
    for i, axes in enumerate(panels):
        (image,) = axes.collections
        shown = np.ma.filled(image.get_array().astype(float), np.nan)
        shape = np.exp(-((values - i) ** 2))
        expected = np.stack([np.full(9, np.nan), shape, shape], axis=1)
        np.testing.assert_allclose(shown.reshape(9, 3), expected)
        corners = image.get_coordinates()
        centres = (corners[0, :-1, 0] + corners[0, 1:, 0]) / 2
        np.testing.assert_allclose(centres, [0, 1, 2])  # epochs trained
        centres = (corners[:-1, 0, 1] + corners[1:, 0, 1]) / 2
        np.testing.assert_allclose(centres, values)
        assert axes.get_xlabel() == "epochs trained"
        (line,) = axes.lines
        assert set(line.get_ydata()) == {1.0}
    assert panels[0].get_ylabel() == "$\\sqrt{n}\\,u_i$ (no unit)"
    scales = [a.get_ylabel() for a in figure.axes if a not in panels]
    assert len(scales) == n_runs and all(s.startswith("density") for s in scales)
    assert_drawable(figure)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_drift(n_seeds):
    drift = made_up_angles(n_seeds).rename(columns={"angle_deg": "distance"})
    drift["distance"] /= 10
    figure = figures.drift_figure(drift, "made up")
    (axes,) = figure.axes
    mlp, resnet = lines_of(axes).values()
    for line, start in ((mlp, 4.0), (resnet, 6.0)):
        mean = start + (n_seeds - 1) / 2
        assert_line(line, [0, 1, 2, 3], np.array([3, 2, 1, 0]) * mean / 3)
    assert not same_color(mlp.get_color(), resnet.get_color())
    assert len(bands(axes)) == 2 * (n_seeds - 1)
    assert axes.get_xlabel() == "epochs trained"
    assert "mean square 1" in axes.get_ylabel()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == list(lines_of(axes))
    assert_drawable(figure)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_singular_vectors(n_seeds):
    base = made_up_angles(n_seeds, ["resnet-50"])
    table = pd.concat(
        [
            base.assign(
                index=i,
                angle_deg=base["angle_deg"] + i,
                subspace_angle_deg=base["angle_deg"] + 3 * i,
                null_angle_deg=60.0 + i,
            )
            for i in (1, 2, 3)
        ],
        ignore_index=True,
    )
    figure = figures.singular_vectors_figure(table, "made up")
    vectors, subspaces = figure.axes
    mean = np.array([3, 2, 1, 0]) * (40 if n_seeds == 1 else 45) / 3
    ending = "" if n_seeds == 1 else " (2 seeds, mean and range)"
    for i in (1, 2, 3):
        line = lines_of(vectors)[f"singular vector {i}{ending}"]
        assert_line(line, [0, 1, 2, 3], mean + i)
        (null,) = dotted(vectors, [60.0 + i] * 4)
        assert same_color(null.get_color(), line.get_color())
        subspace = lines_of(subspaces)[f"first {i}{ending}"]
        assert_line(subspace, [0, 1, 2, 3], mean + 3 * i)
        assert same_color(subspace.get_color(), line.get_color())
    assert vectors.get_ylabel().startswith("resnet-50\nangle (degrees")
    assert vectors.get_xlabel() == subspaces.get_xlabel() == "epochs trained"
    assert legend_of(figure)[-1].startswith("null")
    assert_drawable(figure)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_explained_variance(n_seeds):
    rows = [
        {
            "run": f"{model}, seed {seed}",
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "k": k,
            "explained": 0.3 + 0.2 * epoch + 0.1 * k + 0.02 * seed,
            "error_share": 0.7 - 0.2 * epoch - 0.1 * k - 0.02 * seed,
            "constant_share": 0.25 + 0.1 * epoch + 0.02 * seed,
        }
        for model, n_epochs in (("mlp", 2), ("resnet", 3))
        for seed in range(n_seeds)
        for epoch in range(n_epochs)
        for k in (1, 2)
    ]
    figure = figures.explained_variance_figure(pd.DataFrame(rows), "made up")
    over_epochs, over_k = figure.axes
    shift = 0.02 * (n_seeds - 1) / 2
    solid = [line for line in over_epochs.lines if line.get_linestyle() == "-"]
    for line, label, model, n_epochs in zip(
        solid, lines_of(over_k).values(), ("mlp", "resnet"), (2, 3), strict=True
    ):
        epochs = np.arange(n_epochs)
        assert line.get_label().startswith(model)
        assert_line(line, epochs + 1, 0.4 + 0.2 * epochs + shift)
        (constant,) = dotted(over_epochs, 0.25 + 0.1 * epochs + shift)
        assert same_color(constant.get_color(), line.get_color())
        # After the last epoch of each.
        error = 0.7 - 0.2 * epochs[-1] - 0.1 * np.array([1, 2]) - shift
        assert_line(label, [1, 2], error)
        assert same_color(label.get_color(), line.get_color())
    for axes in figure.axes:
        assert len(bands(axes)) == (0 if n_seeds == 1 else 2)
    assert over_epochs.get_xlabel() == "epochs trained"
    assert "||X||_F^2" in over_epochs.get_ylabel()
    assert over_k.get_xlabel() == "k"
    assert "E_k / ||X||_F^2" in over_k.get_ylabel()
    assert_drawable(figure)


def made_up_models(n_seeds):
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


@pytest.mark.parametrize("n_seeds", [1, 2])
@pytest.mark.parametrize(
    ("matrix", "name"), [("data", "the pixels"), ("input", "the standardised pixels")]
)
def test_generalization_shows_every_model(n_seeds, matrix, name):
    models = made_up_models(n_seeds)
    figure = figures.generalization_figure(models, matrix, "made up")
    columns = ("test_accuracy", "test_accuracy", "gap")
    for axes, column in zip(figure.axes, columns, strict=True):
        points = [c for c in axes.collections if len(c.get_offsets()) > 1]
        for scatter, model in zip(points, ("mlp", "vgg"), strict=True):
            of_model = models[models["model"] == model]
            shown = of_model[["angle_deg", column]]
            np.testing.assert_allclose(scatter.get_offsets(), shown)
            assert scatter.get_label() == model
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
        assert axes.get_xlabel() == f"angle to {name} (degrees)"
    linear, logarithmic, gap = figure.axes
    assert linear.get_ylabel() == "test accuracy"
    assert logarithmic.get_xscale() == logarithmic.get_yscale() == "log"
    assert linear.get_xscale() == gap.get_xscale() == "linear"
    assert gap.get_ylabel() == "train less test accuracy"
    assert legend_of(figure)[:2] == ["mlp", "vgg"]
    assert legend_of(figure)[2].startswith("null")
    assert_drawable(figure)


@pytest.mark.parametrize("log", [False, True])
def test_the_fit_is_least_squares_with_the_band_of_its_mean(log):
    models = made_up_models(2)
    figure = figures.generalization_figure(models, "data", "made up")
    axes = figure.axes[int(log)]
    (line,) = (line for line in axes.lines if line.get_color() == "black")
    band = axes.collections[-1].get_paths()[0].vertices
    # Four variants, two seeds, two models: a point is the mean of its seeds.
    x, y = (
        models[column].to_numpy().reshape(4, 2, 2).mean(axis=1).ravel()
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
    figure = figures.generalization_figure(models, "data", "made up")
    for axes in figure.axes:
        assert not [line for line in axes.lines if line.get_color() == "black"]
    assert_drawable(figure)


def test_rank_correlations():
    """An interval that is not known is not drawn."""
    rows = []
    for target, sign in (("test_accuracy", 1), ("gap", -1)):
        for i, predictor in enumerate(["angle_deg", "train_loss"]):
            for j, factor in enumerate(["all", "width"]):
                tau = sign * (-0.6 + 0.2 * i + 0.3 * j)
                known = factor == "all"
                rows.append(
                    {
                        "target": target,
                        "predictor": predictor,
                        "factor": factor,
                        "tau": tau,
                        "low": tau - 0.1 if known else np.nan,
                        "high": tau + 0.2 if known else np.nan,
                        "n": 12,
                    }
                )
    correlations = pd.DataFrame(rows)
    correlations.loc[len(correlations) - 1, "tau"] = np.nan
    figure = figures.rank_correlations_figure(correlations, "made up")
    for axes, target in zip(figure.axes, ("test_accuracy", "gap"), strict=True):
        assert axes.get_xlabel() == f"Kendall's tau with {target.replace('_', ' ')}"
        for container, predictor in zip(
            axes.containers, ("angle_deg", "train_loss"), strict=True
        ):
            chosen = correlations["target"] == target
            table = correlations[chosen & (correlations["predictor"] == predictor)]
            points, _, (intervals,) = container.lines
            shown = np.asarray(points.get_xdata(), float)
            np.testing.assert_allclose(shown, table["tau"])
            # The rows of the table are those of the axis.
            places = np.asarray(points.get_ydata(), float)
            np.testing.assert_array_equal(np.round(places), [0, 1])
            interval = intervals.get_segments()[0]
            ends = table[["low", "high"]].iloc[0]
            np.testing.assert_allclose(interval[:, 0], ends)
            assert container.get_label() == predictor
        (zero,) = (line for line in axes.lines if line.get_linestyle() == ":")
        assert set(zero.get_xdata()) == {0}
        assert axes.get_xlim() == (-1.05, 1.05)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["all models", "within width"]
    assert legend_of(figure) == ["angle_deg", "train_loss"]
    assert_drawable(figure)


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
        linear_cka=1 - angle / 90,
        stored_energy=np.linspace(0.7, 0.9, len(pairs)),
    )


def test_matrix_shows_angle_null_and_z():
    pairs = made_up_pairs([("a", "b", 10.0), ("a", "c", 20.0), ("b", "c", 80.0)])
    pairs["z"] = [5.0, 6.0, np.nan]
    figure = figures.angle_matrix_figure(pairs, "made up")
    axes = figure.axes[0]
    cells = axes.images[0].get_array().filled(-1)
    np.testing.assert_array_equal(cells, [[-1, 10, 20], [10, -1, 80], [20, 80, -1]])
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("10.0\nnull 15.0\nz 5.0") == 2
    assert texts.count("80.0\nnull 85.0\nz -") == 2
    assert "degrees" in figure.axes[1].get_ylabel()  # of the scale of colours


# Two seeds each: `a` with itself, and four pairs of `a` and `b`, in either order.
SEVERAL = [("a", "a", 30.0), ("a", "b", 10.0), ("b", "a", 20.0), ("a", "b", 60.0)]


def test_matrix_of_several_seeds_shows_means_and_ranges():
    figure = figures.angle_matrix_figure(made_up_pairs(SEVERAL), "made up")
    axes = figure.axes[0]
    cells = axes.images[0].get_array().filled(-1)
    np.testing.assert_allclose(cells, [[30, 30], [30, -1]])
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("30.0\nnull 35.0\nz 6.0") == 1
    assert texts.count("30.0\n(10.0 to 60.0)\nnull 35.0\nz 6.0") == 2


def test_measures_stand_beside_the_angle():
    figure = figures.measures_figure(made_up_pairs([*SEVERAL, ("b", "b", 5.0)]), "m")
    in_degrees, alignment = figure.axes
    names = [label.get_text() for label in in_degrees.get_yticklabels()]
    assert names == ["b - b", "a - a", "a - b"]
    drawn = {
        container.get_label(): np.asarray(container.lines[0].get_xdata(), float)
        for container in in_degrees.containers
    }
    np.testing.assert_allclose(drawn["angle"], [5, 30, 30])
    np.testing.assert_allclose(drawn["its null"], [10, 35, 35])
    np.testing.assert_allclose(drawn["null of that"], [12, 37, 37])
    np.testing.assert_allclose(drawn["null of that, scaled"], [3.5, 16, 16])
    assert np.isnan(drawn["features centred"]).all()
    aligned = np.asarray(alignment.containers[0].lines[0].get_xdata(), float)
    np.testing.assert_allclose(aligned, 1 - np.array([5, 30, 30]) / 90)
    assert "0.70 to 0.90" in alignment.get_title()
    assert_drawable(figure)


def test_equal_values_of_several_seeds_are_drawn():
    figures.measures_figure(made_up_pairs([("a", "b", 0.1 + 0.2)] * 3), "made up")


def test_gallery_shows_the_samples_that_decide():
    pairs = made_up_pairs(SEVERAL)
    pairs["influential_samples"] = [(3, 1), (0, 2), (1, 3), (2, 0)]
    images = np.linspace(0, 1, 4)[:, None, None, None] * np.ones((4, 5, 5, 3))
    table = analysis.influential_samples(pairs)
    figure = figures.influential_samples_figure(table, images, "made up")
    shown = [
        [axes.images[0].get_array().mean() * 3 for axes in figure.axes[row : row + 2]]
        for row in (0, 2)
    ]
    np.testing.assert_allclose(shown, [[3, 1], [0, 2]])  # of the first pair of a group
    assert [axes.get_title() for axes in figure.axes] == ["3", "1", "0", "2"]
    told = "10.0 (null 15.0) degrees, 11.0 (null 17.0) without 1%"
    assert told in figure.axes[2].get_ylabel()
    one = figures.influential_samples_figure(table, images, "made up", most=1)
    assert len(one.axes) == 2


def test_a_long_title_stays_within_the_figure(angles):
    title = "a data set of a long name, preset full, " * 4
    figure = figures.angle_to_final_figure(angles, title)
    figure.draw_without_rendering()
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    assert title.strip() in title_of(figure)


def test_saving_writes_png_and_pdf(angles, tmp_path):
    figure = figures.angle_to_final_figure(angles, "made up")
    paths = figures.save_figure(figure, tmp_path / "x.y")
    assert [path.name for path in paths] == ["x.y.png", "x.y.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert len(list(tmp_path.iterdir())) == 2
